import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { AGENT_INFO, PEER, STATUS } from '../../test/support/served-node.ts'
import { ADDRESS, API, collected, OTHER, stdioNode } from '../../test/support/stdio-node.ts'
import { utf8 } from '../base/index.ts'
import { NodeError } from '../node/index.ts'
import type { RunningNode, StartWith } from './stdio-node.ts'
import type { Told } from './stdio-outlet.ts'
import { StdioSession } from './stdio-session.ts'

/** A session over a node that starts at once, or as `start` says. */
function setup(
  options: {
    agent?: boolean
    port?: number
    start?: (with_: StartWith, running: RunningNode) => Promise<RunningNode>
  } = {},
) {
  const made = stdioNode({ agent: options.agent ?? true })
  const { outlet, events } = collected()
  const started: StartWith[] = []
  const session = new StdioSession({
    outlet,
    clock: new FakeClock(),
    port: options.port,
    start: async (with_) => {
      started.push(with_)
      return (await options.start?.(with_, made.running)) ?? made.running
    },
  })
  const say = async (...lines: (string | object)[]) => {
    for (const line of lines) {
      const text = typeof line === 'string' ? line : JSON.stringify(line)
      await session.take({ kind: 'line', bytes: utf8(text) })
    }
    for (let i = 0; i < 20; i += 1) await turn()
    return events.splice(0)
  }
  return { ...made, session, say, started, events }
}

const READY = {
  type: 'ready',
  peerId: PEER,
  ethAddress: ADDRESS,
  listen: STATUS.listen,
  api: API,
  grpc: null,
}

test('connect starts the node once and says who it is, with the id of the command', async () => {
  const { say, started } = setup({ port: 8_000 })
  const events = await say({ type: 'connect', id: 'a', later: 'field' })
  const meta = { peerId: PEER, ethAddress: ADDRESS, dataDir: '/data' }
  const log = { type: 'log', level: 'info' }
  assert.deepEqual(events, [
    { ...log, namespace: 'identity', message: 'node identity', meta },
    { ...log, namespace: 'node', message: 'a port moved', meta: {} },
    { ...READY, id: 'a' },
  ])
  assert.deepEqual(await say({ type: 'connect', port: 8_000 }), [READY])
  const [refused] = await say({ type: 'connect', port: 8_001, id: 2 })
  assert.equal(refused?.code, 'PROTOCOL_STATE_WRONG')
  assert.equal(started.length, 1)
  assert.equal(started[0]?.port, 8_000)
})

test('connect can be tried again where the port was busy', async () => {
  const busy = { port: 8_000, kind: 'tcp', address: '/ip4/0.0.0.0/tcp/8000', holder: undefined }
  const { NetError } = await import('../net/index.ts')
  const { say } = setup({
    start: async ({ port }, running) => {
      if (port === 8_000) throw NetError.PORT_BUSY(busy)
      return running
    },
  })
  const [refused] = await say({ type: 'connect', port: 8_000, id: 1 })
  assert.equal(refused?.code, 'RESOURCE_PORT_IN_USE')
  assert.equal(refused.cause, 'NET_PORT_BUSY')
  const again = await say({ type: 'connect', port: 8_001, id: 2 })
  assert.deepEqual(again.at(-1), { ...READY, id: 2 })
})

test('connect dials first peers, and tells when one of them is gone', async () => {
  const { say, asked, net, started } = setup()
  const bootstrapPeers = ['/ip4/127.0.0.1/tcp/1']
  await say({ type: 'connect', bootstrapPeers })
  assert.deepEqual(started[0]?.bootstrapPeers, bootstrapPeers)
  assert.ok(asked.some(({ name, args }) => name === 'connect' && args[0] === bootstrapPeers[0]))
  net.emit('disconnected', { peer: OTHER })
  net.emit('disconnected', { peer: PEER })
  const [gone, ...rest] = await say()
  assert.equal(gone?.code, 'NETWORK_PEER_DISCONNECTED')
  assert.deepEqual(rest, [])
})

test('an agent that announces itself is told, and one that leaves is not', async () => {
  const { say, agents } = setup()
  await say({ type: 'connect' })
  agents.emit('agent', { agent: AGENT_INFO, state: 'here' })
  agents.emit('agent', { agent: AGENT_INFO, state: 'left' })
  const { peer: peerId, address: ethAddress, name } = AGENT_INFO
  const topics = ['agent-announcements']
  assert.deepEqual(await say(), [{ type: 'peer_discovered', peerId, topics, ethAddress, name }])
})

test('a first peer that cannot be reached is told, and the node goes on', async () => {
  const { NetError } = await import('../net/index.ts')
  const { say, running } = setup()
  running.node.connect = async () => {
    throw NetError.CONNECT_FAILED({ peer: PEER, tried: [] } as never)
  }
  const events = await say({ type: 'connect', bootstrapPeers: ['/ip4/127.0.0.1/tcp/1'] })
  assert.equal(events.at(-1)?.code, 'NETWORK_CONNECT_FAILED')
})

test('commands may be written before the node is there, and not before connect', async () => {
  const { say } = setup()
  const [early] = await say({ type: 'discover', topic: 't', id: 1 })
  assert.equal(early?.cause, 'CONTROL_STDIO_NOT_CONNECTED')
  const events = await say({ type: 'connect' }, { type: 'subscribe', topic: 't', id: 2 })
  assert.equal(events.at(-1)?.message, 'subscribed')
})

test('send hands JSON to the agent and answers how far it came', async () => {
  const { say, asked } = setup()
  await say({ type: 'connect' })
  const data = { hello: [1, 'ä'] }
  const answers = await say({ type: 'send', peerId: OTHER, data, id: 3, conversation: 'c' })
  const delivery = { type: 'delivery', id: 3, messageId: 'aa', to: OTHER, state: 'sent', at: 5 }
  assert.deepEqual(answers, [delivery])
  const { args = [] } = asked.find(({ name }) => name === 'agent.send') ?? {}
  assert.deepEqual(args[1], utf8(JSON.stringify(data)))
  const { contentType, conversation } = args[2] as { contentType: string; conversation: string }
  assert.deepEqual([contentType, conversation], ['application/json', 'c'])
  const [all] = await say({ type: 'send', peerId: '*', data: null })
  assert.equal(all?.to, '*')
})

test('send refuses what is too large, and says what is missing where no agent is', async () => {
  const { say, asked } = setup()
  await say({ type: 'connect' })
  const [large] = await say({ type: 'send', peerId: OTHER, data: 'x'.repeat(524_287), id: 1 })
  assert.match(String(large?.message), /524289 bytes/)
  assert.ok(!asked.some(({ name }) => name === 'agent.send'))
  const silent = setup({ agent: false })
  await silent.say({ type: 'connect' })
  const [none] = await silent.say({ type: 'send', peerId: OTHER, data: 1, id: 2 })
  assert.equal(none?.code, 'PROTOCOL_UNAVAILABLE')
  assert.match(String(none.message), /PRIVATE_KEY/)
})

test('what comes to the agent is told as messages and deliveries', async () => {
  const { asked, say, told, put } = setup()
  await say({ type: 'connect' })
  const from = { peer: OTHER, address: ADDRESS }
  const body = utf8('{"a":1}')
  const contentType = 'application/json'
  const direct = {
    id: 'bb',
    from,
    to: ADDRESS,
    body,
    contentType,
    conversation: 'c',
    replyTo: 'aa',
  }
  const all = { id: 'cc', from: { peer: OTHER }, to: '*', body: utf8('x'), broadcast: true }
  put({ ...direct, sentAt: 1 }, { ...all, sentAt: 2 })
  const events = await say()
  const state = { id: 'aa', to: OTHER, state: 'failed', reason: 'expired', at: 9 }
  told.emit('delivery', state)
  assert.deepEqual(
    [...events, ...(await say())],
    [
      {
        type: 'message',
        from: ADDRESS,
        data: { a: 1 },
        messageId: 'bb',
        peer: OTHER,
        conversation: 'c',
        replyTo: 'aa',
      },
      {
        type: 'message',
        from: OTHER,
        data: 'x',
        messageId: 'cc',
        peer: OTHER,
        topic: 'agent-messages',
      },
      { type: 'delivery', messageId: 'aa', to: OTHER, state: 'failed', reason: 'expired', at: 9 },
    ],
  )
  const read = asked.filter(({ name }) => name === 'inbox.read').map(({ args }) => args[0])
  assert.deepEqual(read, ['bb', 'cc'], 'who was told has read')
})

test('what came while nobody listened is told after ready, and none of it twice', async () => {
  const { asked, say, put, running } = setup()
  const sent = (id: string) => {
    return { id, from: { peer: OTHER }, to: ADDRESS, body: utf8('x'), sentAt: 1 }
  }
  put(sent('a1'), sent('a2'), sent('a3'))
  await running.node.agent?.inbox.read?.('a2')
  asked.splice(0)
  const kinds = (events: readonly Told[]) => {
    return events.map(({ type, messageId }) => messageId ?? type).filter((kind) => kind !== 'log')
  }
  assert.deepEqual(kinds(await say({ type: 'connect' })), ['ready', 'a1', 'a3'])
  put(sent('a4'))
  assert.deepEqual(kinds(await say({ type: 'connect' })).toSorted(), ['a4', 'ready'])
  const read = asked.filter(({ name }) => name === 'inbox.read').map(({ args }) => args[0])
  assert.deepEqual(read, ['a1', 'a3', 'a4'])
})

test('discover tells each reader, and when the search is over', async () => {
  const { say } = setup()
  await say({ type: 'connect' })
  const [found, over] = await say({ type: 'discover', topic: 't', id: 4 })
  assert.deepEqual(found, { type: 'peer_discovered', id: 4, peerId: OTHER, topics: ['t'] })
  assert.deepEqual([over?.message, over?.id], ['search ended', 4])
  assert.deepEqual(over?.meta, { topic: 't', found: 1 })
})

test('subscribe tells messages of the topic, once however often it was asked for', async () => {
  const { say, topics } = setup()
  await say(
    { type: 'connect' },
    { type: 'subscribe', topic: 't' },
    { type: 'subscribe', topic: 't' },
  )
  topics.get('t')?.resolve({ from: OTHER, value: { n: 1 }, id: 'm', topic: 't', atMs: 1 })
  const message = { type: 'message', from: OTHER, data: { n: 1 }, messageId: 'm', topic: 't' }
  assert.deepEqual(await say(), [message])
  topics.get('t')?.resolve({ from: OTHER, value: Uint8Array.of(255), id: 'n', topic: 't', atMs: 1 })
  const [bytes] = await say()
  assert.equal(bytes?.data, '/w==')
  topics.get('t')?.reject(NodeError.CONFIG_INVALID({ problems: [] }))
  const [broken] = await say()
  assert.equal(broken?.type, 'error')
  const [own] = await say({ type: 'subscribe', topic: 'agent-messages', id: 1 })
  assert.equal(own?.message, 'subscribed')
  assert.equal(topics.has('agent-messages'), false)
})

test('what is no command is answered with the fault that it has', async () => {
  const { say, session, events } = setup()
  const codes = async (...lines: (string | object)[]) =>
    (await say(...lines)).map(({ code }) => code)
  const malformed = 'PROTOCOL_JSON_MALFORMED'
  assert.deepEqual(
    await codes('{', '[1]', '"x"', '{"a":{"__proto__":1}}'),
    Array(4).fill(malformed),
  )
  await session.take({ kind: 'line', bytes: Uint8Array.of(0x22, 0xff, 0x22) })
  assert.deepEqual(await codes(), [malformed])
  await session.take({ kind: 'too-long', limit: 9 })
  assert.deepEqual(await codes(), ['PROTOCOL_LINE_TOO_LONG'])
  assert.deepEqual(
    await codes({}, { type: 7 }, { type: 'toString' }),
    Array(3).fill('PROTOCOL_TYPE_UNKNOWN'),
  )
  const invalid = [
    { type: 'connect', port: 70_000 },
    { type: 'connect', port: '8000' },
    { type: 'connect', bootstrapPeers: 'x' },
    { type: 'send', peerId: OTHER },
    { type: 'discover' },
    { type: 'subscribe', topic: '' },
  ]
  assert.deepEqual(await codes(...invalid), Array(6).fill('PROTOCOL_COMMAND_INVALID'))
  const [, second] = await say({ type: 'fly', id: { a: 1 } }, { type: 'fly', id: 0 })
  assert.equal(second?.id, 0)
  const [newer] = await say({ v: 3, type: 'status', id: 1 })
  assert.match(String(newer?.message), /v: found 3, wanted 1 or 2/)
  assert.deepEqual(events, [])
})

test('shutdown is answered, ends the session, and stop() ends the node', async () => {
  const { say, session, asked } = setup()
  await say({ type: 'connect' }, { type: 'subscribe', topic: 't' })
  const [last] = await say({ type: 'shutdown', id: 9 })
  assert.deepEqual([last?.message, last?.id], ['stopping', 9])
  await session.over
  await session.stop()
  assert.equal(asked.at(-1)?.name, 'stop')
  const [late] = await say({ type: 'send', peerId: OTHER, data: 1 })
  assert.equal(late?.cause, 'CONTROL_STDIO_STOPPING')
  const [again] = await say({ type: 'connect' })
  assert.equal(again?.cause, 'CONTROL_STDIO_STOPPING')
})

test('the node is ended by whoever may ask it elsewhere', async () => {
  const { say, session, started } = setup()
  await say({ type: 'connect' })
  started[0]?.stopAsked()
  await session.over
})

test('no more commands are begun than may be in work', async () => {
  const { say, session, running } = setup()
  await say({ type: 'connect' })
  const slow = Promise.withResolvers<readonly []>()
  Object.assign(running.node.dht, { findReaders: () => slow.promise })
  let taken = 0
  const all = (async () => {
    for (let i = 0; i < 70; i += 1) {
      await session.take({ kind: 'line', bytes: utf8('{"type":"discover","topic":"t"}') })
      taken += 1
    }
  })()
  for (let i = 0; i < 20; i += 1) await turn()
  assert.equal(taken, 63)
  slow.resolve([])
  await all
  assert.equal(taken, 70)
})
