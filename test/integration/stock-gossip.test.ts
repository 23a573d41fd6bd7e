/**
 * What GossipSub of the library lacks, and ours has around it, on the same frames (DECISIONS.md,
 * weakness 7, and what was found beside it). Time is faked: nobody waits two minutes here.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { gossipsub } from '@libp2p/gossipsub'
import {
  Registry,
  secureRandom,
  seededRandom,
  silentLog,
  systemClock,
} from '../../src/base/index.ts'
import {
  gossipService,
  Pubsub,
  type PubsubDeps,
  pubsubConfig,
  pubsubMetrics,
  ReplayFile,
  type TopicRules,
} from '../../src/pubsub/index.ts'
import { encodeCbor } from '../../src/wire/index.ts'
import {
  components,
  frame,
  joins,
  type LonePeer,
  type LoneRouter,
  messageOf,
  newPeer,
} from '../support/lone-router.ts'

const NOW_MS = 1_800_000_000_000
const on = [{ topic: 't', subscribe: true }]

interface Side extends AsyncDisposable {
  readonly router: LoneRouter
  /** How many messages were delivered. */
  readonly delivered: () => number
}

/** The library alone, with its own settings unless others are given. */
async function stock(settings: Parameters<typeof gossipsub>[0] = {}): Promise<Side> {
  const made: unknown = gossipsub(settings)(components(await newPeer()) as never)
  const router = made as LoneRouter
  let count = 0
  router.addEventListener('message', () => {
    count += 1
  })
  await router.start()
  router.subscribe('t')
  return { router, delivered: () => count, [Symbol.asyncDispose]: () => router.stop() }
}

/** The same library behind what we put around it. */
async function ours(
  rules: TopicRules<unknown> = {},
  kept: Pick<PubsubDeps, 'replays'> = {},
): Promise<Side & { readonly pubsub: Pubsub }> {
  const config = pubsubConfig.parse({})
  const room = {
    policy: { admit() {} },
    log: silentLog,
    metrics: pubsubMetrics(new Registry()),
    clock: systemClock,
  }
  const gossip = await gossipService(room, config)
  const router = gossip.service(components(await newPeer())) as LoneRouter
  const pubsub = new Pubsub(
    { ...room, gossip, network: 'main', random: seededRandom('gossip'), ...kept },
    config,
  )
  await router.start()
  await pubsub.start()
  pubsub.topic('t', rules)
  let count = 0
  const reader = pubsub.subscribe('t')
  void (async () => {
    for await (const _ of reader) count += 1
  })()
  const dispose = async () => {
    await pubsub.stop()
    await router.stop()
  }
  return { router, pubsub, delivered: () => count, [Symbol.asyncDispose]: dispose }
}

/** Fakes the clock alone, so that promises and timers of the test go on. */
function fakeDate() {
  mock.timers.enable({ apis: ['Date'], now: NOW_MS })
  return {
    to: (ms: number) => mock.timers.setTime(NOW_MS + ms),
    [Symbol.dispose]: () => mock.timers.reset(),
  }
}

async function give(side: Side, peer: LonePeer, rpc: Parameters<typeof frame>[0]): Promise<void> {
  await side.router.handleReceivedRpc(peer.id, frame(rpc))
  for (let i = 0; i < 20; i += 1) await setImmediate()
}

/** A signed message is handed on, and the same again later; how often was it delivered? */
async function replayed(side: Side, afterMs: number): Promise<number> {
  using date = fakeDate()
  const [author, attacker] = [await newPeer(), await newPeer()]
  joins(side.router, attacker, 'inbound')
  const data = encodeCbor(1)
  const message = await messageOf(author, { topic: 't', data, atMs: NOW_MS })
  await give(side, attacker, { subscriptions: on, messages: [message] })
  assert.equal(side.delivered(), 1, 'the message itself is good')
  date.to(afterMs)
  await side.router.heartbeat()
  await give(side, attacker, { messages: [message] })
  return side.delivered()
}

test('stock: a message replayed after 121 s is delivered again', async () => {
  await using side = await stock()
  assert.equal(await replayed(side, 121_000), 2)
})

test('ours: a message replayed is not delivered again, after 121 s or any other time', async () => {
  for (const afterMs of [0, 1_000, 59_000, 61_000, 119_000, 121_000, 600_000, 86_400_000]) {
    await using side = await ours()
    assert.equal(await replayed(side, afterMs), 1, `after ${afterMs} ms`)
  }
})

test('ours: a message replayed after a restart, within the window, is not delivered again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-replay-'))
  try {
    using date = fakeDate()
    const [author, peer] = [await newPeer(), await newPeer()]
    const said = { topic: 't', data: encodeCbor(1), atMs: NOW_MS }
    const message = await messageOf(author, said)
    const given: number[] = []
    for (let run = 0; run < 3; run += 1) {
      const room = { clock: systemClock, random: secureRandom, log: silentLog }
      const replays = new ReplayFile({ ...room, file: join(folder, 'replay.json') })
      await using side = await ours({}, { replays })
      joins(side.router, peer, 'inbound')
      await give(side, peer, { subscriptions: on, messages: [message] })
      given.push(side.delivered())
      date.to(1_000 * (run + 1))
    }
    assert.deepEqual(given, [1, 0, 0])
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('ours: topics shared with authors that count are guarded as well, those with none are stock', async () => {
  await using counted = await ours({ replay: 'counted' })
  assert.equal(await replayed(counted, 121_000), 1)
  await using cache = await ours({ replay: 'cache' })
  assert.equal(await replayed(cache, 121_000), 2)
})

test('ours: authors that count from their start are heard where the topic says so, and not else', async () => {
  for (const [replay, expected] of [
    ['strict', 0],
    ['counted', 1],
    ['cache', 1],
  ] as const) {
    using _ = fakeDate()
    await using side = await ours({ replay })
    const author = await newPeer()
    joins(side.router, author, 'inbound')
    const said = { topic: 't', data: encodeCbor(1), atMs: NOW_MS - 3_600_000 }
    await give(side, author, { subscriptions: on, messages: [await messageOf(author, said)] })
    assert.equal(side.delivered(), expected, replay)
  }
})

/** A peer misbehaves until it is not heard, comes back at once, and speaks two seconds later; is it heard? */
async function heardAfterReturn(side: Side, wellKnown: boolean): Promise<boolean> {
  using date = fakeDate()
  const [author, attacker] = [await newPeer(), await newPeer()]
  const { router } = side
  const remove = (router as unknown as { removePeer(peer: unknown): void }).removePeer.bind(router)
  joins(router, attacker, 'inbound')
  const good = await messageOf(author, { topic: 't', data: encodeCbor(1), atMs: NOW_MS })
  const forged = Array.from({ length: 12 }, (_, i) => ({
    ...good,
    seqno: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, i),
  }))
  await give(side, attacker, { subscriptions: on, messages: forged })
  date.to(wellKnown ? 2_000 : 0)
  const isKnown = router.score.score(attacker.id.toString()) < -80
  assert.equal(isKnown, wellKnown, 'the library counts anew each second')
  remove(attacker.id)
  joins(router, attacker, 'inbound')
  date.to(4_000)
  await give(side, attacker, { subscriptions: on, messages: [good] })
  return side.delivered() > 0
}

test('stock: whoever was shut out is heard again over a new connection', async () => {
  await using side = await stock({ scoreParams: { topics: { t: SCORED } } })
  assert.equal(await heardAfterReturn(side, true), true)
})

test('ours: whoever was shut out stays so, also over a new connection', async () => {
  for (const wellKnown of [true, false]) {
    await using side = await ours()
    assert.equal(await heardAfterReturn(side, wellKnown), false)
  }
})

/** Parameters as ours, so that the same deeds count the same. */
const SCORED = {
  topicWeight: 1,
  timeInMeshWeight: 0,
  timeInMeshQuantum: 1,
  timeInMeshCap: 1,
  firstMessageDeliveriesWeight: 0,
  firstMessageDeliveriesDecay: 0.5,
  firstMessageDeliveriesCap: 1,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 1,
  meshMessageDeliveriesActivation: 1_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -5,
  invalidMessageDeliveriesDecay: 0.9,
}

test('ours: a hundred peers that came to us cannot fill the mesh', async () => {
  await using side = await ours()
  const { router } = side
  const incoming = await Promise.all(Array.from({ length: 100 }, () => newPeer()))
  const outgoing = await Promise.all(Array.from({ length: 3 }, () => newPeer()))
  for (const peer of incoming) {
    joins(router, peer, 'inbound')
    await router.handleReceivedRpc(peer.id, frame({ subscriptions: on, graft: ['t'] }))
  }
  const mesh = () => [...(router.mesh.get('t') ?? [])]
  const dialled = () => mesh().filter((peer) => router.outbound.get(peer) === true).length
  assert.ok(mesh().length <= 12, 'D_high')
  assert.equal(dialled(), 0)
  for (const peer of outgoing) {
    joins(router, peer, 'outbound')
    await router.handleReceivedRpc(peer.id, frame({ subscriptions: on }))
  }
  for (let i = 0; i < 20; i += 1) {
    await router.heartbeat()
    assert.ok(dialled() >= 2, 'D_out, whom we dialled ourselves')
    for (const peer of incoming) await router.handleReceivedRpc(peer.id, frame({ graft: ['t'] }))
    assert.ok(dialled() >= 2 && mesh().length <= 14)
  }
})

test('ours: what we publish goes to all that listen, whoever is in the mesh', async () => {
  await using side = await ours()
  const { router } = side
  const peers = await Promise.all(Array.from({ length: 30 }, () => newPeer()))
  const sent: unknown[][] = []
  for (const peer of peers) {
    sent.push(joins(router, peer, 'inbound'))
    await router.handleReceivedRpc(peer.id, frame({ subscriptions: on }))
  }
  for (const frames of sent) frames.length = 0
  assert.equal((await side.pubsub.publish('t', 1)).peers, 30)
  assert.ok(sent.every((frames) => frames.length === 1))
})
