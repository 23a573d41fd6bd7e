import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { answering, type FakeChild, spawning } from '../../test/support/fake-child.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError, race } from '../base/index.ts'
import type { CallResult } from '../mcp/index.ts'
import type { ControlClient } from './client.ts'
import { type AgentClient, ApiLink } from './launch-api-link.ts'
import { Agent } from './launched-agent.ts'
import { P2PNode } from './launched-node.ts'
import type { ServedStatus, Waits } from './served-node.ts'
import type { StreamEvent } from './shapes/api.ts'

const KEY = `0x${'5e'.repeat(32)}`
const READY = { type: 'ready', peerId: '12D3', ethAddress: '0xA1', listen: ['/ip4/1.2.3.4/tcp/1'] }
const CALLED = { content: [], peer: '12D3', attempts: [] }

function setup(name: string) {
  const children: FakeChild[] = []
  const answers = {
    health: () => ({ type: 'result', v: 2, result: {} }),
    connect: () => READY,
    send: ({ peerId: to }: Record<string, unknown>) => {
      return { type: 'delivery', messageId: 'm1', to, state: 'failed', reason: 'nobody' }
    },
    tools: () => ({ type: 'result', v: 2, result: [{ tool: 'add' }] }),
    call: () => ({ type: 'result', v: 2, result: CALLED }),
    shutdown: () => ({ type: 'log', level: 'info', namespace: 'node', message: 'stopping' }),
  }
  const spawn = spawning(children, (child) => {
    answering(child, answers)
    child.stdin.on('end', () => child.exit(0, null))
  })
  const executable = import.meta.filename
  const options = { executable, dataDir: '/data', spawn, clock: new FakeClock() }
  return { name, options, children, last: () => children.at(-1) as FakeChild }
}

test('an agent without a node runs one, and ends it with itself', async () => {
  const { options, children, last } = setup('alice')
  const agent = new Agent('alice', 9_100, KEY, { ...options, bootstrapPeers: ['/dns/a'] })
  const told: unknown[] = []
  agent.on('message', (message) => told.push(message))
  agent.on('delivery', (delivery) => told.push(delivery))
  await assert.rejects(agent.send('0xb2', 1), coded('CONTROL_LAUNCH_NOT_RUNNING'))
  await Promise.all([agent.start(), agent.start()])
  assert.deepEqual([agent.peerId, agent.address, agent.addresses], ['12D3', '0xA1', READY.listen])
  const delivery = await agent.send('0xb2', { a: 1 }, { conversation: 'c' })
  assert.deepEqual(delivery, { id: 'm1', to: '0xb2', state: 'failed', reason: 'nobody' })
  assert.equal((await agent.broadcast('all')).to, '*')
  last().say({ type: 'message', from: '0xb2', data: 2, messageId: 'm2', replyTo: 'm1' })
  last().say({ type: 'message', from: '0xb2', data: 3, topic: 'agent-messages' })
  last().say({ type: 'delivery', messageId: 'm1', to: '0xb2', state: 'read' })
  assert.deepEqual(told, [
    { id: 'm2', from: '0xb2', data: 2, replyTo: 'm1' },
    { id: '', from: '0xb2', data: 3, topic: 'agent-messages' },
    { id: 'm1', to: '0xb2', state: 'read' },
  ])
  const said = last().heard.map(({ type, port, data, conversation }) => {
    return [type, port ?? data, conversation]
  })
  assert.deepEqual(said.slice(1), [
    ['connect', 9_100, undefined],
    ['send', { a: 1 }, 'c'],
    ['send', 'all', undefined],
  ])
  await agent.stop()
  assert.equal(children.length, 1)
  assert.equal(last().heard.at(-1)?.type, 'shutdown')
  assert.equal(agent.peerId, undefined)
})

test('an agent finds the node of its name and key, and leaves it running', async () => {
  const { options, children } = setup('bob')
  await using node = new P2PNode('bob', 50_051, KEY, options)
  await node.start()
  const agent = new Agent('bob', 9_100, KEY)
  await agent.start()
  await agent.stop()
  assert.equal(children.length, 1)
  assert.equal(node.state, 'running')
  await using other = new Agent('carol', 0, '', { node })
  await other.start()
  assert.equal(other.address, '0xA1')
})

test('tools are found and called through the node', async () => {
  const { options, last } = setup('dan')
  await using agent = new Agent('dan', 0, KEY, options)
  await agent.start()
  assert.deepEqual(await agent.tools.find({ tool: 'add' }), [{ tool: 'add' }])
  const { signal } = new AbortController()
  assert.deepEqual(await agent.tools.call('add', { a: 1 }, { service: 'calc', signal }), CALLED)
  const { id: _, ...said } = last().heard.at(-1) ?? {}
  assert.deepEqual(said, { v: 2, type: 'call', tool: 'add', args: { a: 1 }, service: 'calc' })
})

test('an agent whose node does not start has started nothing, and may try again', async () => {
  const { options, children } = setup('eve')
  const agent = new Agent('eve', 0, KEY, { ...options, executable: '/nowhere/p2p-node' })
  await assert.rejects(agent.start(), coded('CONTROL_LAUNCH_FAILED'))
  await assert.rejects(agent.start(), coded('CONTROL_LAUNCH_FAILED'))
  assert.equal(children.length, 0)
  await agent.stop()
  assert.throws(() => new Agent('eve', -1, KEY), coded('CONTROL_LAUNCH_INVALID'))
})

/** A node that runs already, with these messages, one after the other. */
function running(
  script: (() => Promise<number | null>)[],
  happened: ControlClient['events'] = silence,
) {
  const sent: unknown[] = []
  const asked: unknown[] = []
  const message = (cursor: number) => {
    const where = { id: `m${cursor}`, from: '0xb2', peer: '12D3', to: '0xA1', cursor }
    return { ...where, data: cursor, sentAt: 1, receivedAt: 2, broadcast: cursor % 2 === 1 }
  }
  const client: AgentClient = {
    status: async () =>
      ({ peerId: '12D3', ethAddress: '0xA1', listen: [] }) as unknown as ServedStatus,
    events: happened,
    connect: async (target) => {
      asked.push(target)
      return '12D3' as never
    },
    tools: async () => [],
    call: async () => CALLED as unknown as CallResult,
    messages: async () => ({ messages: [message(4)] }),
    messageSend: async (what) => {
      sent.push(what)
      return { id: 'm9', to: what.to, state: 'sent', at: 3 }
    },
    messageNext: async (query, waits) => {
      asked.push([query?.after, query?.unreadUpTo])
      const next = script.shift() ?? (() => Promise.race([]))
      const cursor = await race(next(), waits?.signal)
      return { message: cursor === null ? null : message(cursor) }
    },
  }
  return { client, sent, asked }
}

async function* silence({ signal }: Waits = {}): AsyncGenerator<StreamEvent> {
  await race(Promise.race([]), signal)
  yield* []
}

const failing = (retryable: boolean) => async () => {
  throw new CodedError('CONTROL_NODE_UNREACHABLE', {}, { says: () => 'away', retryable })
}

test('an agent of a node that runs already misses nothing while the node is away', async () => {
  const steps = [async () => 5, async () => null, failing(true), async () => 6, failing(false)]
  const { client, asked, sent } = running(steps)
  const clock = new FakeClock()
  const link = new ApiLink(client, { clock })
  const told: unknown[] = []
  const tell = (name: string, payload: unknown) => {
    told.push(name === 'message' ? payload : name)
  }
  const identity = await link.open({ bootstrapPeers: ['/dns/a'] }, tell, {})
  assert.deepEqual(identity, { peerId: '12D3', address: '0xA1', addresses: [] })
  for (let i = 0; i < 5; i += 1) await setImmediate()
  await clock.advance(2_000)
  assert.deepEqual(told, [
    { id: 'm5', from: '0xb2', data: 5, topic: 'agent-messages' },
    'error',
    { id: 'm6', from: '0xb2', data: 6 },
    'error',
  ])
  // Up to the newest at its start, only what nobody has read.
  const places = [0, 5, 5, 5, 6].map((after) => [after, 4])
  assert.deepEqual(asked, ['/dns/a', ...places])
  assert.deepEqual(await link.send('0xb2', 1, { conversation: 'c' }), {
    id: 'm9',
    to: '0xb2',
    state: 'sent',
  })
  assert.deepEqual(sent, [{ to: '0xb2', data: 1, conversation: 'c' }])
  await link.close()
})

test('an agent of a node that runs already is told what becomes of its messages', async () => {
  let streams = 0
  async function* happened(waits?: Waits): AsyncGenerator<StreamEvent> {
    streams += 1
    const said = { event: 'delivery', id: `m${streams}`, to: '0xb2', atMs: 1 } as const
    yield { event: 'peer-connected', peer: '12D3', atMs: 1 }
    yield { ...said, state: 'sent' }
    if (streams === 1) return
    yield { ...said, state: 'failed', reason: 'nobody' }
    if (streams === 2) await failing(true)()
    yield* silence(waits)
  }
  const { client } = running([], happened)
  const clock = new FakeClock()
  const link = new ApiLink(client, { clock })
  const told: unknown[] = []
  await link.open({}, (name, payload) => told.push(name === 'delivery' ? payload : name), {})
  for (let i = 0; i < 2; i += 1) {
    await setImmediate()
    await clock.advance(2_000)
  }
  const to = '0xb2'
  assert.deepEqual(told, [
    { id: 'm1', to, state: 'sent' },
    { id: 'm2', to, state: 'sent' },
    { id: 'm2', to, state: 'failed', reason: 'nobody' },
    'error',
    { id: 'm3', to, state: 'sent' },
    { id: 'm3', to, state: 'failed', reason: 'nobody' },
  ])
  await link.close()
  assert.equal(clock.waiting, 0)
})

test('an agent over the API is one like any other', async () => {
  const { client } = running([async () => 5])
  const agent = new Agent('fay', 0, '', { client: client as never })
  const message = new Promise((resolve) => agent.on('message', resolve))
  await agent.start()
  assert.equal(((await message) as { data: unknown }).data, 5)
  assert.deepEqual(await agent.tools.find(), [])
  assert.deepEqual(await agent.tools.call('add'), CALLED)
  await agent.stop()
})
