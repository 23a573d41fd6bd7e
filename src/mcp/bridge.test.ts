import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { ALICE, BOB, channelPair } from '../../test/support/mcp-fixture.ts'
import { Registry, silentLog } from '../base/index.ts'
import { Bridge } from './bridge.ts'
import { RequestGate } from './gate.ts'
import { mcpMetrics } from './metrics.ts'
import { pipePair } from './pipe.ts'
import { encodeMessage, parseFrame } from './protocol.ts'

const REQUEST = encodeMessage({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: {} })
const answer = (id: number) => encodeMessage({ jsonrpc: '2.0', id, result: {} })

/** A bridge that carries request 1 already: `peer` is the far end, `backend` what serves it. */
async function setup({
  requestTimeoutMs = 100_000,
  concurrentMax = 4,
  admit = () => {},
  reserve = (_: number): boolean => true,
} = {}) {
  const clock = new FakeClock()
  const metrics = mcpMetrics(new Registry())
  const requests = new RequestGate(
    { policy: { admit }, clock, metrics },
    { concurrentMax, requestTimeoutMs },
  )
  const [peer, plain] = channelPair(ALICE, BOB)
  const channel = { ...plain, reserve }
  const [backend, outer] = pipePair()
  const gate = requests.forStream(ALICE, (id, error) => bridge.expire(id, error))
  const bridge: Bridge = new Bridge({ channel, gate, clock, log: silentLog, idleMs: 600_000 })
  gate.enter(1, 'tools/call')
  const ran = bridge.run(outer, REQUEST).finally(() => gate.close())
  ran.catch(() => {})
  const first = await backend.read()
  const reads = async () => parseFrame((await peer.read()) ?? assert.fail('the stream ended'))
  return { clock, requests, peer, backend, gate, bridge, ran, first, reads }
}

test('frames pass as they came, byte for byte', async () => {
  const { peer, backend, first, ran } = await setup()
  assert.deepEqual(first, REQUEST)
  const odd = Buffer.from('{ "jsonrpc":"2.0", "result":{"\\u0061":1.0}, "id":1 }')
  const write = backend.write(odd)
  assert.deepEqual(Buffer.from((await peer.read()) ?? []), odd)
  await write
  await peer.close()
  await ran
})

test('an answer to nothing goes nowhere', async () => {
  const { backend, reads } = await setup()
  await backend.write(answer(7))
  void backend.write(answer(1))
  assert.equal((await reads()).id, 1)
})

test('a second answer to the same request goes nowhere', async () => {
  const { peer, backend, reads } = await setup()
  void backend.write(answer(1))
  assert.equal((await reads()).id, 1)
  await backend.write(answer(1))
  await peer.write(encodeMessage({ jsonrpc: '2.0', id: 2, method: 'm' }))
  await backend.read()
  void backend.write(answer(2))
  assert.equal((await reads()).id, 2)
})

test('the peer may answer what it was asked, once, and nothing else', async () => {
  const { peer, backend, reads } = await setup()
  void backend.write(encodeMessage({ jsonrpc: '2.0', id: 9, method: 'elicitation/create' }))
  await reads()
  const wrong = answer(8)
  await peer.write(wrong)
  await peer.write(answer(9))
  assert.deepEqual(await backend.read(), answer(9))
})

test('a request that the policy refuses is answered and does not pass', async () => {
  let admitted = 1
  const admit = () => {
    admitted -= 1
    if (admitted < 0) throw new Error('no')
  }
  const { peer, backend, reads } = await setup({ admit })
  await peer.write(encodeMessage({ jsonrpc: '2.0', id: 2, method: 'm' }))
  assert.equal((await reads()).id, 2)
  await peer.write(encodeMessage({ jsonrpc: '2.0', method: 'notifications/x' }))
  void backend.write(answer(1))
  assert.equal((await reads()).id, 1)
})

test('a request that takes too long is answered and cancelled', async () => {
  const { clock, requests, backend, reads } = await setup({ requestTimeoutMs: 1_000 })
  await clock.advance(1_000)
  assert.match(JSON.stringify(await reads()), /MCP_REQUEST_TIMEOUT/)
  const cancelled = parseFrame((await backend.read()) ?? assert.fail())
  assert.equal(cancelled.method, 'notifications/cancelled')
  assert.equal(requests.inWork, 0)
})

test('a caller that says that it waits longer is given longer', async () => {
  const { clock, requests, peer, backend } = await setup({ requestTimeoutMs: 1_000 })
  const params = { _meta: { 'p2p-foundation/timeout': 2_000 } }
  await peer.write(encodeMessage({ jsonrpc: '2.0', id: 2, method: 'm', params }))
  await backend.read()
  await clock.advance(1_999)
  assert.equal(requests.inWork, 1)
  await clock.advance(1)
  assert.equal(requests.inWork, 0)
})

test('requests that wait are answered when the service ends', async () => {
  const { backend, reads, peer, ran } = await setup()
  await backend.close()
  assert.match(JSON.stringify(await reads()), /MCP_SERVICE_ENDED/)
  assert.equal(await peer.read(), undefined)
  await ran
})

test('what serves the stream ends when the peer goes', async () => {
  const { peer, backend, ran } = await setup()
  await peer.close()
  await ran
  assert.equal(await backend.read(), undefined)
})

test('a peer that does not read holds the service back, and is dropped in the end', async () => {
  const { clock, backend, peer, ran } = await setup()
  await backend.write(encodeMessage({ jsonrpc: '2.0', method: 'notifications/x' }))
  let taken = false
  const second = backend.write(encodeMessage({ jsonrpc: '2.0', method: 'notifications/x' }))
  second.then(
    () => {
      taken = true
    },
    () => {},
  )
  await clock.advance(29_000)
  assert.equal(taken, false)
  await clock.advance(2_000)
  await ran
  await assert.rejects(peer.read(), coded('MCP_NOT_READ'))
})

/** Request 1 has the only place. */
const full = (reserve: (bytes: number) => boolean) => setup({ reserve, concurrentMax: 1 })

test('a long request that waits is counted for its peer, and refused where that is too much', async () => {
  const held: number[] = []
  const { peer, backend, reads, requests } = await full((bytes) => {
    held.push(bytes)
    return bytes < 2_000_000
  })
  const long = (id: number, chars: number) => {
    const params = { name: 'long', arguments: { text: 'x'.repeat(chars) } }
    return encodeMessage({ jsonrpc: '2.0', id, method: 'tools/call', params })
  }
  await peer.write(long(5, 1_000_000))
  await peer.write(long(6, 2_000_000))
  const { id, error } = (await reads()) as { id: number; error: { message: string } }
  assert.equal(id, 6)
  assert.match(error.message, /used up its memory is at its limit of 65536/)
  assert.equal(requests.waiting, 1)
  void backend.write(answer(1))
  await reads()
  assert.equal(parseFrame((await backend.read()) ?? assert.fail()).id, 5)
  assert.equal(held[0], -(held.at(-1) ?? 0), 'and given back')
})

test('the first request of a stream is counted too while it waits', async () => {
  const held: number[] = []
  const { bridge, requests, reads } = await full((bytes) => {
    held.push(bytes)
    return bytes < 2_000_000
  })
  const message = (id: number) => ({ kind: 'request', id, method: 'm', params: {} }) as const
  const refused = bridge.admits(message(7), 16_000_000)
  assert.equal((await reads()).id, 7)
  assert.equal(await refused, false)
  void bridge.admits(message(8), 1_000_000)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(requests.waiting, 1)
  assert.deepEqual(held, [16_000_000, 1_000_000])
})

test('a peer that reads no refusal is dropped in the end as well', async () => {
  const clock = new FakeClock()
  const metrics = mcpMetrics(new Registry())
  const knobs = { concurrentMax: 4, requestTimeoutMs: 100_000 }
  const requests = new RequestGate({ policy: { admit: () => {} }, clock, metrics }, knobs)
  const [peer, channel] = channelPair(ALICE, BOB)
  const gate = requests.forStream(ALICE, () => {})
  const bridge = new Bridge({ channel, gate, clock, log: silentLog, idleMs: 600_000 })
  const refused = assert.rejects(bridge.refuse(7, new Error('no')))
  await clock.advance(31_000)
  await refused
  await assert.rejects(peer.read(), coded('MCP_NOT_READ'))
})

test('a stream on which nothing is said is ended', async () => {
  const { clock, peer, backend, ran } = await setup({ requestTimeoutMs: 10_000_000 })
  let ended = false
  void ran.then(() => {
    ended = true
  })
  await clock.advance(540_000)
  const read = backend.read()
  await peer.write(encodeMessage({ jsonrpc: '2.0', method: 'notifications/x' }))
  await read
  await clock.advance(540_000)
  assert.equal(ended, false)
  await clock.advance(120_000)
  await ran
})

test('a frame that breaks the rules ends the stream', async () => {
  const { peer, ran, backend } = await setup()
  await peer.write(Buffer.from('{"jsonrpc":"2.0"'))
  await assert.rejects(ran)
  assert.equal(await backend.read(), undefined)
})
