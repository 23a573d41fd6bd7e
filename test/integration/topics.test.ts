/** Topics between real hosts on loopback: good messages arrive everywhere, bad ones nowhere. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { Registry, secureRandom, silentLog, stopAll, systemClock } from '../../src/base/index.ts'
import { peerIdToBytes } from '../../src/identity/index.ts'
import type { Libp2pHost } from '../../src/net/index.ts'
import {
  type Admission,
  gossipService,
  type Message,
  Pubsub,
  PubsubError,
  pubsubConfig,
  pubsubMetrics,
} from '../../src/pubsub/index.ts'
import { encodeCbor } from '../../src/wire/index.ts'
import { testHost } from '../support/testnet.ts'

const TCP = ['/ip4/127.0.0.1/tcp/0']
const QUIC = ['/ip4/127.0.0.1/udp/0/quic-v1']
const PATIENCE_MS = 5_000
/** Long enough for a message to cross two hops of loopback many times over. */
const QUIET_MS = 300

interface Node extends AsyncDisposable {
  readonly host: Libp2pHost
  readonly pubsub: Pubsub
  /** The value of one line of the metrics; zero when it is not there. */
  count(line: string): Promise<number>
}

interface NodeOptions {
  readonly listen?: readonly string[]
  readonly network?: string
  readonly policy?: Admission
  readonly config?: Parameters<typeof pubsubConfig.parse>[0]
}

const open: Admission = { admit() {} }

async function node(options: NodeOptions = {}): Promise<Node> {
  const { listen = TCP, network = 'main', policy = open } = options
  const registry = new Registry()
  const config = pubsubConfig.parse(options.config ?? {})
  const room = { policy, log: silentLog, metrics: pubsubMetrics(registry), clock: systemClock }
  const gossip = await gossipService(room, config)
  const host = await testHost({ listen, deps: { services: { pubsub: gossip.service } } })
  const pubsub = new Pubsub({ ...room, random: secureRandom, gossip, network }, config)
  const services = [host, pubsub]
  for (const service of services) await service.start()
  const count = async (line: string) => {
    const { body } = await registry.prometheusText()
    const found = body.split('\n').find((text) => text.startsWith(`${line} `))
    return Number(found?.slice(line.length) ?? 0)
  }
  return { host, pubsub, count, [Symbol.asyncDispose]: () => stopAll(services) }
}

/** What a peer that keeps to no rules of ours can send. */
interface Stranger extends AsyncDisposable {
  readonly host: Libp2pHost
  readonly router: GossipSub & {
    sendRpc(id: string, rpc: object): boolean
    handleReceivedRpc(from: object, rpc: { messages: readonly object[] }): Promise<void>
    readonly streamsOutbound: Map<string, unknown>
  }
}

async function stranger(settings: Parameters<typeof gossipsub>[0] = {}): Promise<Stranger> {
  let router: GossipSub | undefined
  const service = (components: unknown) => {
    router = gossipsub({ allowPublishToZeroTopicPeers: true, ...settings })(components as never)
    return router
  }
  const host = await testHost({ listen: TCP, deps: { services: { pubsub: service } } })
  await host.start()
  return {
    host,
    router: router as Stranger['router'],
    [Symbol.asyncDispose]: () => stopAll([host]),
  }
}

const connect = async (from: { host: Libp2pHost }, to: { host: Libp2pHost }) => {
  const [address] = to.host.addresses()
  assert.ok(address)
  await from.host.connect(address)
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what)
    await wait(10)
  }
}

const listeners = (one: Node, topic: string) =>
  one.pubsub.topics().find((state) => state.topic === topic)?.peers ?? 0

/** Collects values from the moment it is called. */
function collect<T>(one: Node, topic: string): { values: T[]; messages: Message<T>[] } {
  const values: T[] = []
  const messages: Message<T>[] = []
  const subscription = one.pubsub.subscribe<T>(topic)
  void (async () => {
    for await (const message of subscription) {
      messages.push(message)
      values.push(message.value)
    }
  })()
  return { values, messages }
}

for (const [name, listen] of Object.entries({ TCP, QUIC })) {
  test(`two nodes hear each other over ${name}`, async () => {
    await using a = await node({ listen })
    await using b = await node({ listen })
    await connect(a, b)
    const [atA, atB] = [collect(a, 't'), collect(b, 't')]
    const sent = await a.pubsub.publish('t', { from: 'a' }, { waitForPeersMs: PATIENCE_MS })
    assert.deepEqual(sent, { topic: 't', peers: 1, mesh: sent.mesh, state: 'sent' })
    await b.pubsub.publish('t', { from: 'b' }, { waitForPeersMs: PATIENCE_MS })
    await until(() => atA.values.length + atB.values.length === 2, 'one message each')
    assert.deepEqual([atA.values, atB.values], [[{ from: 'b' }], [{ from: 'a' }]])
    assert.equal(atB.messages[0]?.from, a.host.self)
    assert.equal(await b.count('p2p_pubsub_received'), 1)
  })
}

test('five nodes in a row hear each other, each message once', async () => {
  await using a = await node()
  await using b = await node({ listen: QUIC })
  await using c = await node()
  await using d = await node({ listen: QUIC })
  await using e = await node()
  const nodes = [a, b, c, d, e]
  const heard = nodes.map((one) => collect<number>(one, 't'))
  for (const [from, to] of [
    [a, b],
    [b, c],
    [c, d],
    [d, e],
  ] as const)
    await connect(from, to)
  const ends = () => listeners(a, 't') === 1 && listeners(e, 't') === 1
  await until(() => ends() && [b, c, d].every((one) => listeners(one, 't') === 2), 'all meshed')
  for (const [i, one] of nodes.entries()) await one.pubsub.publish('t', i)
  await until(() => heard.every(({ values }) => values.length >= 4), 'four messages each')
  await wait(QUIET_MS)
  for (const [i, { values }] of heard.entries()) {
    assert.deepEqual(
      values.toSorted(),
      [0, 1, 2, 3, 4].filter((n) => n !== i),
    )
  }
})

test('who subscribes late is heard by those it was connected to before', async () => {
  await using a = await node()
  await using b = await node()
  await connect(a, b)
  const atA = collect(a, 't')
  // B knows nothing of the topic yet when A says that it subscribes.
  await wait(QUIET_MS)
  assert.equal((await b.pubsub.publish('t', 1)).peers, 1)
  await until(() => atA.values.length === 1, 'one message')
})

test('publish() with nobody there says so, and keeps nothing for later', async () => {
  await using a = await node()
  await using b = await node()
  await connect(a, b)
  assert.equal((await a.pubsub.publish('t', 1)).state, 'nobody-listens')
  const atB = collect(b, 't')
  await until(() => listeners(a, 't') === 1, 'b is known to subscribe')
  await wait(QUIET_MS)
  assert.deepEqual(atB.values, [])
})

test('a subscriber that leaves is no longer counted', async () => {
  await using a = await node()
  await using b = await node()
  await connect(a, b)
  const subscription = b.pubsub.subscribe('t')
  a.pubsub.topic('t')
  await until(() => listeners(a, 't') === 1, 'b subscribes')
  await subscription[Symbol.asyncDispose]()
  await until(() => listeners(a, 't') === 0, 'b has left')
  assert.equal((await a.pubsub.publish('t', 1)).state, 'nobody-listens')
})

test('a peer that is gone is no longer counted, and counted again when it is back', async () => {
  await using a = await node()
  await using b = await node()
  await connect(a, b)
  const atB = collect(b, 't')
  a.pubsub.topic('t')
  await until(() => listeners(a, 't') === 1, 'b subscribes')
  await a.host.disconnect(b.host.self)
  await until(() => listeners(a, 't') === 0, 'b is gone')
  await until(() => b.host.connections().length === 0, 'b knows')
  await connect(b, a)
  await a.pubsub.publish('t', 1, { waitForPeersMs: PATIENCE_MS })
  await until(() => atB.values.length === 1, 'b is back')
})

test('stop() ends open iterators', async () => {
  await using a = await node()
  const loop = (async () => {
    for await (const _ of a.pubsub.subscribe('t')) assert.fail('nobody speaks')
  })()
  await a[Symbol.asyncDispose]()
  await loop
})

test('a topic of one network is none of another', async () => {
  await using a = await node({ network: 'one' })
  await using b = await node({ network: 'two' })
  await using c = await node({ network: 'one' })
  await connect(a, b)
  await connect(a, c)
  const [atB, atC] = [collect(b, 't'), collect(c, 't')]
  const { peers } = await a.pubsub.publish('t', 1, { waitForPeersMs: PATIENCE_MS })
  assert.equal(peers, 1)
  await until(() => atC.values.length === 1, 'the same network hears it')
  await wait(QUIET_MS)
  assert.deepEqual(atB.values, [])
})

/** A stranger, then B, then C in a row; B and C read `t`, and C must hear of nothing. */
async function line(settings: Parameters<typeof gossipsub>[0] = {}, options: NodeOptions = {}) {
  await using stack = new AsyncDisposableStack()
  const a = stack.use(await stranger(settings))
  const b = stack.use(await node(options))
  const c = stack.use(await node())
  for (const one of [b, c]) {
    // The library's numbers begin when it is loaded: they say nothing of a message's time.
    one.pubsub.topic('t', { schema: numberOnly, bytesMax: 100, replay: 'counted' })
  }
  const [atB, atC] = [collect(b, 't'), collect(c, 't')]
  a.router.subscribe('t')
  await connect(a, b)
  await connect(b, c)
  await until(() => listeners(b, 't') === 2 && listeners(c, 't') === 1, 'all know of each other')
  const { streamsOutbound } = a.router
  await until(
    () => streamsOutbound.has(b.host.self) && a.router.getSubscribers('t').length === 1,
    'the stranger can speak',
  )
  /** Sends what must not pass; it is refused by the first node, and neither it nor the next one hears it. */
  const staysOut = async (send: () => unknown, reason: string) => {
    await send()
    await until(async () => (await b.count(refusals(reason))) >= 1, `refused: ${reason}`)
    await wait(QUIET_MS)
    assert.deepEqual([atB.values, atC.values], [[], []])
    assert.equal(await c.count('p2p_pubsub_received'), 0)
  }
  const disposables = stack.move()
  return { a, b, c, atB, atC, staysOut, [Symbol.asyncDispose]: () => disposables.disposeAsync() }
}

const refusals = (reason: string) => `p2p_pubsub_refusals{reason="${reason}"}`
const numberOnly = (value: unknown) =>
  typeof value === 'number' ? value : assert.fail('no number')

test('a good message of a stranger passes, so the others below are refused for their faults', async () => {
  await using net = await line()
  await net.a.router.publish('t', encodeCbor(42))
  await until(() => net.atB.values.length === 1 && net.atC.values.length === 1, 'both hear it')
  assert.equal(net.atC.messages[0]?.from, net.a.host.self)
})

test('an oversize message is neither delivered nor passed on', async () => {
  await using net = await line()
  await net.staysOut(() => net.a.router.publish('t', new Uint8Array(101)), 'size')
})

test('bytes that are no value are neither delivered nor passed on', async () => {
  await using net = await line()
  await net.staysOut(() => net.a.router.publish('t', Uint8Array.of(0xff)), 'decode')
})

test('a value that the schema refuses is neither delivered nor passed on', async () => {
  await using net = await line()
  await net.staysOut(() => net.a.router.publish('t', encodeCbor('text')), 'schema')
})

test('an unsigned message is neither delivered nor passed on', async () => {
  await using net = await line({ globalSignaturePolicy: 'StrictNoSign' })
  await net.staysOut(() => net.a.router.publish('t', encodeCbor(42)), 'signature')
})

test('a wrongly signed message is neither delivered nor passed on, and costs its sender', async () => {
  await using net = await line()
  const { a, b } = net
  const forged = (i: number) => ({
    from: peerIdToBytes(i % 2 === 0 ? a.host.self : b.host.self),
    data: encodeCbor(i),
    seqno: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, i),
    topic: 't',
    signature: new Uint8Array(64),
  })
  const messages = Array.from({ length: 8 }, (_, i) => forged(i))
  const send = () => a.router.sendRpc(b.host.self, { subscriptions: [], messages })
  await net.staysOut(send, 'signature')
  assert.equal(await b.count(refusals('signature')), 8)
  // A peer that does so is not heard for a while, whatever it says; its credit ends after 1 s.
  await wait(1_100)
  await a.router.publish('t', encodeCbor(42))
  await wait(QUIET_MS)
  assert.deepEqual(net.atB.values, [])
})

test('messages above the quota are refused before their signature is looked at', async () => {
  let left = 3
  const policy: Admission = {
    admit(_peer, action) {
      if (action !== 'pubsub.message') return
      left -= 1
      if (left < 0) throw PubsubError.STREAM_REFUSED({ reason: 'the quota of this test' })
    },
  }
  await using net = await line({}, { policy })
  const messages = Array.from({ length: 10 }, () => ({ topic: 't', data: encodeCbor(1) }))
  await net.staysOut(
    () => net.a.router.sendRpc(net.b.host.self, { subscriptions: [], messages }),
    'quota',
  )
  assert.equal(await net.b.count(refusals('quota')), 7)
  assert.equal(await net.b.count(refusals('signature')), 3)
})

test('a message of a topic that nobody reads here is refused unseen', async () => {
  await using net = await line()
  const messages = [{ topic: 'other', data: encodeCbor(1) }]
  await net.staysOut(
    () => net.a.router.sendRpc(net.b.host.self, { subscriptions: [], messages }),
    'not subscribed',
  )
})

test('a peer that subscribes to no end of topics is noted for 64 of them', async () => {
  await using a = await stranger()
  await using b = await node()
  for (let i = 0; i < 100; i += 1) a.router.subscribe(`topic ${i}`)
  await connect(a, b)
  await until(async () => (await b.count(refusals('topics'))) === 36, '36 refused')
  for (let i = 0; i < 100; i += 1) b.pubsub.topic(`topic ${i}`)
  await until(
    () => b.pubsub.topics().filter(({ peers }) => peers === 1).length === 64,
    '64 are known',
  )
})

test('a peer whom the policy gives no stream is not heard', async () => {
  const policy: Admission = {
    admit(_peer, action) {
      if (action === 'stream') throw PubsubError.STREAM_REFUSED({ reason: 'test' })
    },
  }
  await using a = await stranger()
  await using b = await node({ policy })
  const atB = collect(b, 't')
  await connect(a, b)
  await until(async () => (await b.count(refusals('stream'))) >= 1, 'refused')
  await a.router.publish('t', encodeCbor(1)).catch(() => undefined)
  await wait(QUIET_MS)
  assert.deepEqual(atB.values, [])
})

test('whoever asks for many large messages at once gets no more than a frame of them', async () => {
  await using a = await node()
  await using b = await stranger()
  const bytesMax = 256 * 1_024
  a.pubsub.topic('t', { bytesMax })
  await using _ = a.pubsub.subscribe('t')
  const ids: Uint8Array[] = []
  b.router.addEventListener('message', ({ detail }) => {
    if (detail.type === 'signed') ids.push(messageIdOf(detail.key.raw, detail.sequenceNumber))
  })
  b.router.subscribe('t')
  await connect(b, a)
  await until(() => listeners(a, 't') === 1, 'b subscribes')
  for (let i = 0; i < 6; i += 1) await a.pubsub.publish('t', new Uint8Array(bytesMax - 8).fill(i))
  await until(() => ids.length === 6, 'all arrive')

  const answers: number[] = []
  const handle = b.router.handleReceivedRpc.bind(b.router)
  b.router.handleReceivedRpc = (from, rpc) => {
    if (rpc.messages.length > 0) answers.push(rpc.messages.length)
    return handle(from, rpc)
  }
  const wanted = { graft: [], prune: [], ihave: [], iwant: [{ messageIDs: ids }], idontwant: [] }
  b.router.sendRpc(a.host.self, { subscriptions: [], messages: [], control: wanted })
  await until(() => answers.length > 0, 'an answer')
  assert.deepEqual(answers, [2])
})

/** GossipSub names a message by its author's key as protobuf, and its number. */
function messageIdOf(key: Uint8Array, sequence: bigint): Uint8Array {
  const number = Buffer.alloc(8)
  number.writeBigUInt64BE(sequence)
  return Uint8Array.of(0x08, 0x01, 0x12, 0x20, ...key, ...number)
}
