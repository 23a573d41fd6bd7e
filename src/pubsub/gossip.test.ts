import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { coded } from '../../test/support/expect.ts'
import { secureRandom, silentLog } from '../base/index.ts'
import { generateKeys, type PeerId } from '../identity/index.ts'
import { pubsubConfig } from './config.ts'
import { Gossip, type GossipDeps, type Guard } from './gossip.ts'
import type { Rpc } from './stock.ts'

const newPeer = () => generateKeys(secureRandom).signer.peer
const libp2pPeer = (peer: PeerId) => ({ toString: () => peer })

interface Named {
  toString(): string
}

/** A router of stock GossipSub's shape that notes what reaches it. */
function fakeStock() {
  const received: Rpc[] = []
  const sent: Rpc[] = []
  const opened: string[] = []
  const removed: string[] = []
  const opens = new Map<string, PromiseWithResolvers<void>>()
  return {
    received,
    sent,
    opened,
    removed,
    opens,
    peers: new Map<string, object>(),
    streamsOutbound: new Map<string, unknown>(),
    score: { params: { topics: {} as Record<string, unknown> } },
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
    async validateReceivedMessage(_from: object, message: { signature?: string }) {
      return { code: 'invalid', ...(message.signature === undefined ? { error: 'none' } : {}) }
    },
    onIncomingStream() {
      opened.push('inbound')
    },
    createOutboundStream(peer: Named) {
      const open = Promise.withResolvers<void>()
      opens.set(`${peer.toString()} ${opened.length}`, open)
      opened.push(peer.toString())
      return open.promise
    },
    removePeer(peer: Named) {
      removed.push(peer.toString())
    },
    sendRpc(_id: string, rpc: Rpc) {
      sent.push(rpc)
      return true
    },
  }
}

const open: GossipDeps['policy'] = { admit() {} }

function setup({ stock = fakeStock(), policy = open, config = {} } = {}) {
  const refused: string[] = []
  const metrics = {
    refusals: {
      add: (amount = 1, { reason = '' } = {}) => {
        for (let i = 0; i < amount; i += 1) refused.push(reason)
      },
    },
  }
  const gossip = new Gossip(
    { policy, log: silentLog, metrics, gossipsub: () => () => stock as never },
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
  return { gossip, known, refused, stock: stock }
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
      metrics: { refusals: { add() {} } },
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
