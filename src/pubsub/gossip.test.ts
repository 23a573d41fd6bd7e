import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { secureRandom, silentLog } from '../base/index.ts'
import { generateKeys, type PeerId } from '../identity/index.ts'
import { pubsubConfig } from './config.ts'
import { Gossip, type GossipDeps } from './gossip.ts'
import type { Guard } from './inlets.ts'
import type { FrameBytes, PublishConfig, Rpc } from './stock.ts'

const newPeer = () => generateKeys(secureRandom).signer.peer
const libp2pPeer = (peer: PeerId) => ({ toString: () => peer })

interface Named {
  toString(): string
}

/** A router of stock GossipSub's shape that notes what reaches it. */
function fakeStock() {
  const received: Rpc[] = []
  const read: Uint8Array[] = []
  const sent: Rpc[] = []
  const opened: string[] = []
  const removed: string[] = []
  const opens = new Map<string, PromiseWithResolvers<void>>()
  const caches: string[] = []
  const batches: { peers: string[]; rpc: Rpc }[] = []
  const cache = (name: string) => ({ put: () => void caches.push(name) })
  return {
    caches,
    batches,
    received,
    read,
    sent,
    opened,
    removed,
    opens,
    peers: new Map<string, object>(),
    streamsInbound: new Map<string, unknown>(),
    streamsOutbound: new Map<string, unknown>(),
    mesh: new Map<string, Set<string>>(),
    seenCache: cache('seen'),
    fastMsgIdCache: cache('fast'),
    publishedMessageIds: cache('published'),
    mcache: cache('mcache'),
    gossipTracer: { deliverMessage: (id: string) => void caches.push(`delivered ${id}`) },
    msgIdFn: () => Uint8Array.of(1),
    msgIdToStrFn: () => 'id',
    publishConfig: undefined as PublishConfig | undefined,
    selectPeersToPublish: () => ({ tosend: new Set(['a', 'b']) }),
    sendRpcInBatch: (peers: Set<string>, rpc: Rpc) => void batches.push({ peers: [...peers], rpc }),
    addEventListener: () => undefined,
    score: {
      params: { topics: {} as Record<string, unknown> },
      peerStats: new Map<string, { topics: Record<string, unknown> }>(),
      scoreCache: { delete: (_id: string) => true },
      score: (_id: string) => 0,
    },
    status: {} as { heartbeatTimeout?: NodeJS.Timeout },
    topicValidators: new Map<string, unknown>(),
    getSubscribers: () => [] as object[],
    subscribe() {},
    unsubscribe() {},
    isStarted: () => true,
    async start() {},
    async stop() {},
    async handleReceivedRpc(_from: object, rpc: Rpc) {
      received.push(rpc)
    },
    verdict: undefined as string | undefined,
    async validateReceivedMessage(_from: object, message: object) {
      if (this.verdict !== undefined) return { code: this.verdict }
      return { code: 'invalid', ...('signature' in message ? {} : { error: 'none' }) }
    },
    async pipePeerReadStream(_from: object, frames: AsyncIterable<FrameBytes>) {
      for await (const frame of frames) read.push(frame.subarray())
    },
    onIncomingStream() {
      opened.push('inbound')
    },
    onPeerConnected() {},
    createOutboundStream(peer: Named) {
      const open = Promise.withResolvers<void>()
      opens.set(`${peer.toString()} ${opened.length}`, open)
      opened.push(peer.toString())
      return open.promise
    },
    removePeer(peer: Named) {
      removed.push(peer.toString())
    },
    pushes(): void {},
    sendRpc(_id: string, rpc: Rpc) {
      sent.push(rpc)
      this.pushes()
      return true
    },
  }
}

const open: GossipDeps['policy'] = { admit() {} }

function setup({ stock = fakeStock(), policy = open, config = {} } = {}) {
  const clock = new FakeClock()
  const refused: string[] = []
  const metrics = {
    refusals: {
      add: (amount = 1, { reason = '' } = {}) => {
        for (let i = 0; i < amount; i += 1) refused.push(reason)
      },
    },
    slowDropped: { add() {} },
    cooled: { add() {} },
  }
  const gossip = new Gossip(
    { policy, clock, log: silentLog, metrics, gossipsub: () => () => stock as never },
    pubsubConfig.parse(config),
  )
  const known = new Set<string>()
  const guard: Guard = {
    knows: (wire) => known.has(wire),
    admits: (_source, wire, bytes) => wire === 'good' && bytes < 10,
    judge: () => 'accept',
  }
  gossip.guard(guard)
  gossip.service({ peerId: libp2pPeer(newPeer()) })
  return { gossip, known, refused, stock, clock }
}

const on = (topic: string) => ({ topic, subscribe: true })
const off = (topic: string) => ({ topic, subscribe: false })

test('a frame reaches the router without what the guard does not admit', async () => {
  const { stock, known } = setup()
  known.add('known')
  const good = { topic: 'good', data: new Uint8Array(9) }
  const bad = [{ topic: 'good', data: new Uint8Array(10) }, { topic: 'bad' }]
  const control = { ihave: ['kept as it is'] }
  await stock.handleReceivedRpc(libp2pPeer(newPeer()), {
    subscriptions: [on('known'), on('unknown'), off('gone')],
    messages: [bad[0] ?? good, good, ...bad],
    control,
  } as Rpc)
  const subscriptions = [on('known'), off('gone')]
  assert.deepEqual(stock.received, [{ subscriptions, messages: [good], control }])
})

test('nothing is admitted before there is a guard', async () => {
  const stock = fakeStock()
  const gossip = new Gossip(
    {
      policy: open,
      log: silentLog,
      clock: new FakeClock(),
      metrics: { refusals: { add() {} }, slowDropped: { add() {} }, cooled: { add() {} } },
      gossipsub: () => () => stock as never,
    },
    pubsubConfig.parse({}),
  )
  gossip.service({ peerId: libp2pPeer(newPeer()) })
  const rpc = { subscriptions: [on('t')], messages: [{ topic: 'good' }] }
  await stock.handleReceivedRpc(libp2pPeer(newPeer()), rpc)
  assert.deepEqual(stock.received, [{ subscriptions: [], messages: [] }])
})

test('learn() tells the router who subscribed before the topic was known, and is still there', async () => {
  const { gossip, stock, known } = setup()
  const [here, gone] = [newPeer(), newPeer()]
  for (const peer of [here, gone]) {
    stock.peers.set(peer, libp2pPeer(peer))
    await stock.handleReceivedRpc(libp2pPeer(peer), { subscriptions: [on('late')] })
  }
  stock.removePeer(libp2pPeer(gone))
  assert.deepEqual(stock.removed, [gone])
  stock.received.length = 0
  known.add('late')
  gossip.learn('late')
  assert.deepEqual(stock.received, [{ subscriptions: [on('late')], messages: [] }])
})

test('topics of one peer beyond the limit are counted, and not kept', async () => {
  const { stock, known, refused } = setup({ config: { topicsPerPeerMax: 1 } })
  for (const topic of ['1', '2', '3']) known.add(topic)
  const rpc = { subscriptions: [on('1'), on('2'), on('3')] }
  await stock.handleReceivedRpc(libp2pPeer(newPeer()), rpc)
  assert.deepEqual(stock.received[0]?.subscriptions, [on('1')])
  assert.deepEqual(refused, ['topics', 'topics'])
})

test('a peer that lets us go names no peers, and no time longer than an hour', async () => {
  const { stock } = setup()
  const times = [undefined, 0, 60, 3_601, 2 ** 53, 2 ** 64]
  const prune = times.map((backoff) => ({ topicID: 't', backoff, peers: [{}] }))
  await stock.handleReceivedRpc(libp2pPeer(newPeer()), { control: { prune } } as Rpc)
  assert.deepEqual(
    stock.received[0]?.control?.prune,
    [0, 0, 60, 3_600, 3_600, 3_600].map((backoff) => ({ topicID: 't', backoff, peers: [] })),
  )
})

test('an answer is cut to what fits into one frame; a single message goes as it is', () => {
  const { stock } = setup()
  const message = (kib: number) => ({ topic: 't', data: new Uint8Array(kib * 1_024) })
  const sizes = () => stock.sent.at(-1)?.messages?.map(({ data }) => (data?.length ?? 0) / 1_024)
  stock.sendRpc('p', { messages: [message(300), message(300), message(300)] })
  assert.deepEqual(sizes(), [300, 300])
  stock.sendRpc('p', { messages: [message(512)] })
  assert.deepEqual(sizes(), [512])
  const many = Array.from({ length: 5_000 }, () => ({ topic: 't', data: new Uint8Array(1) }))
  stock.sendRpc('p', { messages: many })
  assert.ok((sizes()?.length ?? 0) < 1_600, 'what surrounds each message counts as well')
})

test('false messages are counted; those that a validator refused are not counted twice', async () => {
  const { stock, refused } = setup()
  const from = libp2pPeer(newPeer())
  await stock.validateReceivedMessage(from, {})
  await stock.validateReceivedMessage(from, { signature: 'good' })
  assert.deepEqual(refused, ['signature'])
})

test('a stream that the policy refuses is cut, and the router never sees it', () => {
  const policy: GossipDeps['policy'] = { admit: () => assert.fail('not you') }
  const { stock, refused } = setup({ policy })
  const errors: unknown[] = []
  const accept = stock.onIncomingStream as unknown as (stream: object, connection: object) => void
  accept({ abort: (error: unknown) => errors.push(error) }, { remotePeer: libp2pPeer(newPeer()) })
  assert.deepEqual([stock.opened, refused], [[], ['stream']])
  assert.ok(coded('PUBSUB_STREAM_REFUSED')(errors[0]))
})

test('a peer that never answers holds up no other; two streams to one peer wait for each other', async () => {
  const { gossip, stock } = setup()
  const [silent, other] = [newPeer(), newPeer()]
  let changes = 0
  gossip.onChange(() => {
    changes += 1
  })
  await stock.createOutboundStream(libp2pPeer(silent))
  await stock.createOutboundStream(libp2pPeer(silent))
  await stock.createOutboundStream(libp2pPeer(other))
  await setImmediate()
  assert.deepEqual(stock.opened, [silent, other])
  stock.opens.get(`${silent} 0`)?.resolve()
  await setImmediate()
  assert.deepEqual(stock.opened, [silent, other, silent])
  assert.equal(changes, 1)
})

/** A stream to a peer that takes what it is given until it is full. */
function outboundStream() {
  const sent: Uint8Array[] = []
  const rawStream = {
    writableNeedsDrain: false,
    send: (frame: FrameBytes) => sent.push(frame.subarray()) > 0,
    abort() {},
    addEventListener() {},
  }
  const stream = { rawStream, pushPrefixed: (_: Uint8Array) => assert.fail('not replaced') }
  return { stream, rawStream, sent }
}

/** Opens a stream to `peer` as the library does. */
async function opens(stock: ReturnType<typeof fakeStock>, peer: PeerId) {
  const outbound = outboundStream()
  await stock.createOutboundStream(libp2pPeer(peer))
  await setImmediate()
  stock.streamsOutbound.set(peer, outbound.stream)
  stock.opens.get(`${peer} ${stock.opened.length - 1}`)?.resolve()
  await setImmediate()
  return outbound
}

test('a message of ours is signed with its number, known as seen, and given to all at once', async () => {
  const { gossip, stock } = setup()
  assert.equal(await gossip.publish('t', Uint8Array.of(1), 5n), 0, 'the router is not started')
  const passed: unknown[] = []
  gossip.onMessage((message) => passed.push(message))
  const author = { toMultihash: () => ({ bytes: Uint8Array.of(7) }) }
  const privateKey = { sign: async (bytes: Uint8Array) => bytes.subarray(0, 6), publicKey: {} }
  const config = { author, key: Uint8Array.of(8), privateKey }
  stock.publishConfig = config as unknown as PublishConfig
  assert.equal(await gossip.publish('t', Uint8Array.of(1), 5n), 2)
  const message = {
    from: Uint8Array.of(7),
    data: Uint8Array.of(1),
    seqno: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 5),
    topic: 't',
    signature: Uint8Array.from(Buffer.from('libp2p')),
    key: Uint8Array.of(8),
  }
  const [batch] = stock.batches
  assert.deepEqual(batch, { peers: ['a', 'b'], rpc: { subscriptions: [], messages: [message] } })
  assert.deepEqual(passed, [message])
  assert.deepEqual(stock.caches, ['fast', 'seen', 'published', 'mcache', 'delivered id'])
})

test('a peer that is slow again and again is neither counted nor published to for a while', async () => {
  const { gossip, stock, clock } = setup({ config: { peerQueueMax: 16 } })
  const slow = newPeer()
  stock.getSubscribers = () => [libp2pPeer(slow)]
  const { rawStream, stream } = await opens(stock, slow)
  rawStream.writableNeedsDrain = true
  stock.pushes = () => stream.pushPrefixed(new Uint8Array(10))
  for (let spell = 0; spell < 3; spell += 1) {
    assert.equal(gossip.listeners('t'), 1)
    for (let i = 0; i < 17; i += 1) stock.sendRpc(slow, { messages: [{ topic: 't' }] })
    await clock.advance(1_000)
  }
  assert.equal(gossip.listeners('t'), 0)
  await clock.advance(30_000)
  assert.equal(gossip.listeners('t'), 1)
})

test('a frame over its limits cuts the stream, and its sender is not heard for a while', async () => {
  const { stock, refused, clock } = setup()
  const from = libp2pPeer(newPeer())
  const cut: unknown[] = []
  stock.streamsInbound.set(from.toString(), {
    rawStream: { abort: (error: unknown) => cut.push(error) },
  })
  const good = Uint8Array.of(0x0a, 0x00)
  async function* frames(...list: Uint8Array[]) {
    for (const one of list) yield one
  }
  await stock.pipePeerReadStream(from, frames(good, good))
  assert.deepEqual([stock.read.length, refused, cut], [2, [], []])
  await assert.rejects(
    stock.pipePeerReadStream(from, frames(good, Uint8Array.of(0x0b), good)),
    coded('PUBSUB_STREAM_REFUSED'),
  )
  assert.deepEqual([stock.read.length, refused, cut.length], [3, ['frame'], 1])
  await stock.pipePeerReadStream(from, frames(good))
  assert.deepEqual([stock.read.length, refused], [3, ['frame', 'unheard']])
  await clock.advance(21_000)
  await stock.pipePeerReadStream(from, frames(good))
  assert.equal(stock.read.length, 4)
})

test('a frame longer than the library reads is held against its sender; a lost stream is not', async () => {
  const { stock, refused } = setup()
  const broken = (name: string) => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        throw Object.assign(new RangeError(name), { name })
      },
    }),
  })
  for (const name of ['StreamResetError', 'InvalidDataLengthError']) {
    const from = libp2pPeer(newPeer())
    await assert.rejects(stock.pipePeerReadStream(from, broken(name)))
  }
  assert.deepEqual(refused, ['oversize'])
})

test('more frames a second than any honest peer sends are not decoded', async () => {
  const { stock, refused } = setup()
  async function* frames() {
    for (let i = 0; i < 5_000; i += 1) yield Uint8Array.of(0x0a, 0x00)
  }
  await stock.pipePeerReadStream(libp2pPeer(newPeer()), frames())
  assert.equal(stock.read.length, 4_000)
  assert.equal(refused.length, 1_000)
  assert.equal(refused[0], 'frames')
})

test('what the library holds against a peer is kept when it leaves, as of now', async () => {
  const { stock, clock } = setup()
  const peer = newPeer()
  stock.peers.set(peer, libp2pPeer(peer))
  const forgotten: string[] = []
  stock.score.scoreCache.delete = (id) => forgotten.push(id) > 0
  stock.score.score = () => -500
  stock.removePeer(libp2pPeer(peer))
  assert.deepEqual([forgotten, stock.removed], [[peer], [peer]])
  async function* frames() {
    yield Uint8Array.of(0x0a, 0x00)
  }
  await stock.pipePeerReadStream(libp2pPeer(peer), frames())
  assert.deepEqual(stock.read, [])
  await clock.advance(41_000)
  await stock.pipePeerReadStream(libp2pPeer(peer), frames())
  assert.equal(stock.read.length, 1, 'and no longer than it is worth')
})

test('take() judges what a peer gives when asked, and nothing of a stranger', async () => {
  const { gossip, stock } = setup()
  const peer = newPeer()
  const good = { topic: 'good', data: new Uint8Array(9) }
  stock.verdict = 'valid'
  assert.equal(await gossip.take(peer, good), false)
  stock.peers.set(peer, libp2pPeer(peer))
  assert.equal(await gossip.take(peer, good), true)
  assert.equal(await gossip.take(peer, { ...good, topic: 'bad' }), false, 'not admitted')
  stock.verdict = 'duplicate'
  assert.equal(await gossip.take(peer, good), false)
})

test('leave() takes what peers did in the topic out of the library, which would stumble over it', () => {
  const { gossip, stock } = setup()
  const topics: Record<string, unknown> = { t: {}, u: {} }
  stock.score.peerStats.set('p', { topics })
  gossip.join('t')
  gossip.leave('t')
  assert.deepEqual(Object.keys(topics), ['u'])
})

test('a GossipSub that lacks a part we reach for is refused by name', () => {
  const stock = { ...fakeStock(), seenCache: undefined as never }
  assert.throws(() => setup({ stock }), /it has no "seenCache"/)
})

test('listeners() counts those that subscribe and can be reached', () => {
  const { gossip, stock } = setup()
  stock.getSubscribers = () => ['a', 'b'].map((id) => ({ toString: () => id }))
  stock.streamsOutbound.set('a', {}).set('c', {})
  assert.equal(gossip.listeners('t'), 1)
})

test('join() brings score and checks with it, leave() takes them away', () => {
  const { gossip, stock } = setup()
  gossip.join('t')
  assert.deepEqual([...stock.topicValidators.keys()], ['t'])
  assert.deepEqual(Object.keys(stock.score.params.topics), ['t'])
  gossip.leave('t')
  assert.equal(stock.topicValidators.size, 0)
  assert.deepEqual(stock.score.params.topics, {})
})

test('stop() leaves no heartbeat waiting', async () => {
  const { stock } = setup()
  const heartbeatTimeout = setTimeout(() => undefined, 60_000)
  stock.status.heartbeatTimeout = heartbeatTimeout
  await stock.stop()
  assert.equal((heartbeatTimeout as unknown as { _destroyed: boolean })._destroyed, true)
})

test('a GossipSub that lacks what we stand before is refused by name', () => {
  const stock = { ...fakeStock(), validateReceivedMessage: undefined as never }
  assert.throws(() => setup({ stock }), coded('PUBSUB_STOCK_CHANGED'))
})
