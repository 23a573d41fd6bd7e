import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { ALICE, BOB } from '../../test/support/mcp-fixture.ts'
import { AccessError } from '../access/index.ts'
import { Registry } from '../base/index.ts'
import { RequestGate } from './gate.ts'
import { mcpMetrics } from './metrics.ts'
import type { RpcId } from './protocol.ts'
import { codeOf } from './verdict.ts'

function setup({ concurrentMax = 2, admit = () => {} } = {}) {
  const clock = new FakeClock()
  const registry = new Registry()
  const metrics = mcpMetrics(registry)
  const calls: unknown[] = []
  const labelOf = (tool = '') => (tool.startsWith('own') ? tool : 'other')
  const gate = new RequestGate(
    { policy: { admit }, clock, metrics, labelOf, served: (call) => calls.push(call) },
    { concurrentMax, requestTimeoutMs: 1_000 },
  )
  const expired: RpcId[] = []
  const errors: Error[] = []
  const stream = (peer = ALICE) => {
    return gate.forStream(peer, (id, error) => {
      expired.push(id)
      errors.push(error)
    })
  }
  const counted = async (outcome: string) => {
    const { body } = await registry.prometheusText()
    return body.includes(`mcp_requests_total{direction="inbound",outcome="${outcome}"} 1`)
  }
  /** How many requests for the tool ended so, and how many seconds they took. */
  const took = async (tool: string, outcome: string) => {
    const { body } = await registry.prometheusText()
    const labels = `{direction="inbound",tool="${tool}",outcome="${outcome}"}`
    return ['count', 'sum'].map((each) => {
      const line = `mcp_request_duration_seconds_${each}${labels} `
      return Number(
        body
          .split('\n')
          .find((found) => found.startsWith(line))
          ?.split(' ')[1] ?? 0,
      )
    })
  }
  return { gate, clock, stream, expired, errors, counted, calls, took }
}

test('enter() has a request wait that is above what the node takes, over all streams', async () => {
  const { gate, stream } = setup()
  const [a, b] = [stream(), stream()]
  assert.equal(a.enter(1, 'm'), undefined)
  const turn = b.enter(1, 'm')
  assert.deepEqual([gate.inWork, gate.waiting], [1, 1])
  assert.equal(b.answered(1, false), false, 'it was handed to nobody, so nobody can answer it')
  assert.equal(a.answered(1, false), true)
  assert.equal(await turn?.comes, true)
  assert.deepEqual([gate.inWork, gate.waiting], [1, 0])
  assert.equal(b.answered(1, false), true)
})

test('a place is kept for the next peer', () => {
  const { gate, stream } = setup()
  const [a, b] = [stream(), stream(BOB)]
  a.enter(1, 'm', 0, { service: 's', tool: 't' })
  assert.notEqual(a.enter(2, 'm', 0, { service: 's', tool: 't' }), undefined)
  assert.equal(b.enter(1, 'm', 0, { service: 'r', tool: 'u' }), undefined)
  assert.equal(gate.inWork, 2)
})

test('a request without a place in half its time is refused as busy: it did not run', async () => {
  const { gate, clock, stream, expired, errors } = setup()
  const a = stream()
  a.enter(1, 'm')
  const turn = a.enter(2, 'm')
  await clock.advance(500)
  assert.equal(await turn?.comes, false)
  assert.deepEqual(expired, [2])
  assert.deepEqual(errors.map(codeOf), ['MCP_BUSY'])
  assert.deepEqual([gate.inWork, gate.waiting], [1, 0])
})

test('what a request waited is part of its time', async () => {
  const { clock, stream, expired, errors } = setup()
  const a = stream()
  a.enter(1, 'm')
  const turn = a.enter(2, 'm')
  await clock.advance(400)
  a.answered(1, false)
  assert.equal(await turn?.comes, true)
  await clock.advance(599)
  assert.deepEqual(expired, [])
  await clock.advance(1)
  assert.deepEqual(expired, [2])
  assert.deepEqual(errors.map(codeOf), ['MCP_REQUEST_TIMEOUT'])
  assert.equal(clock.waiting, 0)
})

test('withdraw() takes back what waits, and nothing that is in work', async () => {
  const { gate, stream } = setup()
  const a = stream()
  a.enter(1, 'm')
  const turn = a.enter(2, 'm')
  assert.equal(a.withdraw(1), false)
  assert.equal(a.withdraw(2), true)
  assert.equal(a.withdraw(2), false)
  assert.equal(await turn?.comes, false)
  assert.deepEqual([gate.inWork, gate.waiting], [1, 0])
})

test('room() holds a peer back that has too much waiting', async () => {
  const { stream } = setup()
  const a = stream()
  a.enter('first', 'm')
  for (let id = 0; id < 128; id += 1) {
    assert.equal(a.room(), undefined)
    a.enter(id, 'm')
  }
  const room = a.room()
  assert.notEqual(room, undefined)
  assert.equal(stream(BOB).room(), undefined)
  a.withdraw(5)
  await room
})

test('enter() asks the policy for every request', async () => {
  const refuse = () => {
    throw AccessError.QUOTA({ peer: ALICE, action: 'mcp.call', of: 'peer', retryAfterMs: 1 })
  }
  const { gate, stream, counted } = setup({ admit: refuse })
  assert.throws(() => stream().enter(1, 'm'), coded('ACCESS_QUOTA'))
  assert.throws(() => stream().admit(), coded('ACCESS_QUOTA'))
  assert.equal(gate.inWork, 0)
  assert.ok(await counted('refused'))
})

test('enter() refuses an id that is in work', () => {
  const { stream } = setup()
  const gate = stream()
  gate.enter('x', 'm')
  assert.throws(() => gate.enter('x', 'm'), coded('MCP_REQUEST_INVALID'))
})

test('a request that takes too long expires once, and its answer is not wanted', async () => {
  const { gate, clock, stream, expired, counted } = setup()
  const a = stream()
  a.enter(1, 'm')
  await clock.advance(1_000)
  assert.deepEqual(expired, [1])
  assert.equal(gate.inWork, 0)
  assert.equal(a.answered(1, false), false)
  assert.ok(await counted('deadline'))
})

test('a caller may ask for up to four times as long, and for no less than usual', async () => {
  const { clock, stream, expired } = setup({ concurrentMax: 20 })
  const a = stream()
  a.enter('long', 'm', 2_500)
  await clock.advance(2_499)
  assert.deepEqual(expired, [])
  await clock.advance(1)
  a.enter('endless', 'm', 1_000_000)
  a.enter('short', 'm', 1)
  await clock.advance(999)
  assert.deepEqual(expired, ['long'])
  await clock.advance(1)
  assert.deepEqual(expired, ['long', 'short'])
  await clock.advance(3_000)
  assert.deepEqual(expired, ['long', 'short', 'endless'])
})

test('an answer is wanted once, and only to what was asked', () => {
  const { clock, stream } = setup()
  const gate = stream()
  gate.enter(1, 'm')
  assert.equal(gate.answered(2, false), false)
  assert.equal(gate.answered(null, true), false)
  assert.equal(gate.answered(1, false), true)
  assert.equal(gate.answered(1, false), false)
  assert.equal(clock.waiting, 0, 'no deadline is left behind')
})

test('close() gives back what a stream took', () => {
  const { gate, clock, stream } = setup()
  const a = stream()
  a.enter(1, 'm')
  a.enter(2, 'm')
  assert.deepEqual(a.unanswered, [1, 2])
  a.close()
  assert.equal(gate.inWork, 0)
  assert.equal(clock.waiting, 0)
})

test('listening has a limit of its own and no deadline', async () => {
  const { gate, clock, stream } = setup()
  const a = stream()
  for (let id = 0; id < 8; id += 1) a.enter(id, 'subscriptions/listen')
  assert.throws(() => a.enter(8, 'subscriptions/listen'), coded('MCP_BUSY'))
  assert.equal(gate.inWork, 0)
  await clock.advance(100_000)
  assert.equal(a.answered(0, false), true)
  a.enter(9, 'subscriptions/listen')
})

test('wasAsked() lets each answer of the peer pass once, of the last 64 questions', () => {
  const { stream } = setup()
  const gate = stream()
  for (let id = 0; id < 65; id += 1) gate.ask(id)
  assert.equal(gate.wasAsked(0), false)
  assert.equal(gate.wasAsked(64), true)
  assert.equal(gate.wasAsked(64), false)
  assert.equal(gate.wasAsked(null), false)
})

test('every call of a tool is told once it has ended, with how, and no other request is', async () => {
  const { clock, stream, calls } = setup({ concurrentMax: 20 })
  const gate = stream()
  for (const id of [1, 2, 3, 4, 5]) gate.enter(id, 'tools/call')
  for (const id of [1, 2, 3, 4]) gate.calls(id, `tool-${id}`)
  await clock.advance(10)
  gate.answered(1, false)
  gate.answered(1, false)
  gate.answered(2, true)
  gate.answered(5, false)
  gate.calls(1, 'gone')
  await clock.advance(990)
  gate.enter(6, 'tools/call')
  gate.calls(6, 'tool-6')
  gate.close()
  const peer = ALICE
  assert.deepEqual(calls, [
    { tool: 'tool-1', peer, ms: 10, code: 'ok' },
    { tool: 'tool-2', peer, ms: 10, code: 'error' },
    { tool: 'tool-3', peer, ms: 1_000, code: 'deadline' },
    { tool: 'tool-4', peer, ms: 1_000, code: 'deadline' },
    { tool: 'tool-6', peer, ms: 0, code: 'failed' },
  ])
})

test('how long a request took is measured however it ends', async () => {
  const { clock, stream, took } = setup({ concurrentMax: 4 })
  const a = stream()
  const call = (id: RpcId, name: string) => {
    const turn = a.enter(id, 'tools/call', 0, { tool: name })
    a.calls(id, name)
    return turn
  }
  for (const id of ['answered', 'late']) call(id, 'own')
  assert.notEqual(call('waits', 'own'), undefined)
  call('strange', 'made up by a stranger')
  assert.throws(() => a.enter('strange', 'tools/call', 0, { tool: 'own' }))
  await clock.advance(250)
  a.answered('answered', false)
  a.refuse('strange', 'made up by a stranger')
  assert.deepEqual(await took('own', 'ok'), [1, 0.25])
  assert.deepEqual(await took('own', 'refused'), [1, 0])
  assert.deepEqual(await took('other', 'refused'), [1, 0.25])
  await clock.advance(750)
  assert.deepEqual(await took('own', 'deadline'), [2, 2])
  call('broken', 'own')
  a.enter('listens', 'subscriptions/listen')
  await clock.advance(500)
  a.close()
  assert.deepEqual(await took('own', 'failed'), [1, 0.5])
  assert.deepEqual(await took('other', 'failed'), [0, 0], 'what listens has no end of ours')
})

test('what found no place in its time is measured as refused', async () => {
  const { clock, stream, took } = setup()
  const a = stream()
  for (const id of [1, 2]) {
    a.enter(id, 'tools/call', 0, { tool: 'own' })
    a.calls(id, 'own')
  }
  await clock.advance(500)
  assert.deepEqual(await took('own', 'refused'), [1, 0.5])
})
