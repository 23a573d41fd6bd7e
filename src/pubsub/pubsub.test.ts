import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, seededRandom, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Codec, cborCodec } from './codec.ts'
import { pubsubConfig } from './config.ts'
import type { Router } from './gossip.ts'
import type { Guard } from './inlets.ts'
import { pubsubMetrics } from './metrics.ts'
import { Pubsub, type PubsubDeps } from './pubsub.ts'
import { decodeCounted } from './repair-protocol.ts'

const peer = 'peer' as PeerId

/** A router that notes what it is told; `listeners` is how many there are for every topic. */
function fakeRouter() {
  const told: string[] = []
  const sent: Uint8Array[] = []
  const watching = new Set<() => void>()
  const state: {
    up: boolean
    listeners: number
    mesh: number
    guard?: Guard
    publish?: () => never
  } = {
    up: true,
    listeners: 0,
    mesh: 0,
  }
  const router: Router = {
    self: 'self' as PeerId,
    get isUp() {
      return state.up
    },
    guard(guard) {
      state.guard = guard
    },
    learn: (wire) => void told.push(`learn ${wire}`),
    join: (wire) => void told.push(`join ${wire}`),
    leave: (wire) => void told.push(`leave ${wire}`),
    listeners: () => state.listeners,
    mesh: () => Array.from({ length: state.mesh }, () => peer),
    blame: (peer, points, max) => void told.push(`blame ${peer} ${points} ${max}`),
    take: async () => false,
    onMessage() {},
    async publish(_wire, data) {
      state.publish?.()
      sent.push(data)
      return state.listeners
    },
    onChange(changed) {
      watching.add(changed)
      return () => watching.delete(changed)
    },
  }
  const come = (listeners: number) => {
    state.listeners = listeners
    for (const changed of watching) changed()
  }
  return { router, state, told, sent, watching, come }
}

function setup(
  config = {},
  network = 'main',
  codec?: Codec,
  more: Pick<PubsubDeps, 'replays'> = {},
) {
  const fake = fakeRouter()
  const clock = new FakeClock()
  const registry = new Registry()
  const pubsub = new Pubsub(
    {
      gossip: fake.router,
      policy: { admit() {} },
      network,
      clock,
      random: seededRandom('pubsub'),
      log: silentLog,
      metrics: pubsubMetrics(registry),
      codec,
      ...more,
    },
    pubsubConfig.parse(config),
  )
  let sequence = 0n
  const arrives = (wire: string, value: unknown) => {
    sequence += 1n
    const data = cborCodec.encode(value)
    return fake.state.guard?.judge(peer, wire, { author: peer, sequence, data })
  }
  const count = async (line: string) => {
    const { body } = await registry.prometheusText()
    return Number(
      body
        .split('\n')
        .find((text) => text.startsWith(`${line} `))
        ?.slice(line.length),
    )
  }
  return { ...fake, pubsub, clock, arrives, count }
}

test('publish() hands the bytes to those who listen, and says to how many', async () => {
  const { pubsub, state, sent, count } = setup()
  state.listeners = 3
  assert.deepEqual(await pubsub.publish('t', { a: 1 }), {
    topic: 't',
    peers: 3,
    mesh: 0,
    state: 'sent',
  })
  assert.deepEqual(sent, [cborCodec.encode({ a: 1 })])
  assert.equal(await count('p2p_pubsub_published{outcome="sent"}'), 1)
})

test('publish() with nobody there sends nothing, and says so', async () => {
  const { pubsub, sent, count } = setup()
  const nobody = { topic: 't', peers: 0, mesh: 0, state: 'nobody-listens' }
  assert.deepEqual(await pubsub.publish('t', 1), nobody)
  assert.deepEqual(sent, [])
  assert.equal(await count('p2p_pubsub_published{outcome="nobody_listens"}'), 1)
})

test('publish() waits for somebody as long as it was told, and no longer', async () => {
  const { pubsub, clock, come, watching } = setup()
  const patient = pubsub.publish('t', 1, { waitForPeersMs: 1_000 })
  await clock.advance(999)
  come(0)
  come(1)
  assert.equal((await patient).peers, 1)

  come(0)
  const hasty = pubsub.publish('t', 1, { waitForPeersMs: 1_000 })
  await clock.advance(1_000)
  assert.equal((await hasty).state, 'nobody-listens')
  assert.deepEqual([watching.size, clock.waiting], [0, 0])
})

test('publish() waits for a mesh of the least size, or of all who listen where those are fewer', async () => {
  const { pubsub, state, clock, come, watching } = setup({ meshPeersMin: 4 })
  await using _ = pubsub.subscribe('t')
  const patient = pubsub.publish('t', 1, { waitForMeshMs: 1_000 })
  let published = false
  void patient.then(() => {
    published = true
  })
  for (const [listeners, mesh, expected] of [
    [0, 0, false],
    [2, 1, false],
    [9, 3, false],
    [9, 4, true],
  ] as const) {
    state.mesh = mesh
    come(listeners)
    await clock.advance(1)
    assert.equal(published, expected, `${mesh} of ${listeners}`)
  }
  assert.deepEqual(await patient, { topic: 't', peers: 9, mesh: 4, state: 'sent' })
  state.mesh = 2
  come(2)
  assert.equal((await pubsub.publish('t', 1, { waitForMeshMs: 1_000 })).mesh, 2)
  assert.deepEqual([watching.size, clock.waiting], [0, 0])
})

test('publish() to whom there is when no mesh comes in time, or where we have none', async () => {
  const { pubsub, clock, come } = setup()
  const outside = pubsub.publish('other', 1, { waitForMeshMs: 1_000 })
  await clock.advance(500)
  come(1)
  assert.equal((await outside).peers, 1)
  await using _ = pubsub.subscribe('t')
  const late = pubsub.publish('t', 1, { waitForMeshMs: 1_000 })
  await clock.advance(1_000)
  assert.deepEqual(await late, { topic: 't', peers: 1, mesh: 0, state: 'sent' })
})

test('publish() that waits for listeners and then for a mesh ends when the node stops', async () => {
  const { pubsub, clock, watching } = setup()
  await using _ = pubsub.subscribe('t')
  const waiting = pubsub.publish('t', 1, { waitForPeersMs: 60_000, waitForMeshMs: 60_000 })
  const refused = assert.rejects(waiting, coded('PUBSUB_NOT_RUNNING'))
  await pubsub.stop()
  await clock.advance(1)
  assert.deepEqual([watching.size, clock.waiting], [0, 0])
  await refused
})

test('the last numbers are written behind those that are being written', async () => {
  const said: string[] = []
  const slow = Promise.withResolvers<void>()
  const replays = {
    load: async () => undefined,
    save: async (_guard: unknown, _sequence: unknown, clean: boolean) => {
      if (!clean) await slow.promise
      said.push(clean ? 'clean' : 'not clean')
    },
  }
  const { pubsub, clock } = setup({}, 'main', undefined, { replays })
  await pubsub.start()
  await clock.advance(5_000)
  const stopping = pubsub.stop()
  slow.resolve()
  await stopping
  assert.deepEqual(said, ['not clean', 'clean'])
})

test('numbers are read before topics are, written while it runs, and at its end', async () => {
  const said: string[] = []
  const replays = {
    load: async () => void said.push('load'),
    save: async (_guard: unknown, _sequence: unknown, clean: boolean) => {
      said.push(clean ? 'save, clean' : 'save')
    },
  }
  const { pubsub, clock } = setup({}, 'main', undefined, { replays })
  await pubsub.start()
  await clock.advance(10_000)
  await pubsub.stop()
  await pubsub.stop()
  assert.deepEqual(said, ['load', 'save', 'save', 'save, clean'])
  assert.equal(clock.waiting, 0)
})

test('messages of a topic with repair are counted, and their count has to fit as well', async () => {
  const { pubsub, state, sent } = setup()
  state.listeners = 1
  pubsub.topic('t', { repair: { keep: 1, bytesMax: 1_000 }, bytesMax: 64 })
  for (const value of ['a', 'b']) await pubsub.publish('t', value)
  const counted = sent.map(decodeCounted)
  assert.deepEqual(
    counted.map(({ count, bytes }) => [count, cborCodec.decode(bytes)]),
    [
      [1, 'a'],
      [2, 'b'],
    ],
  )
  await assert.rejects(pubsub.publish('t', 'x'.repeat(32)), coded('PUBSUB_TOO_LARGE'))
})

test('publish() ends with the reason of its signal', async () => {
  const { pubsub, clock, watching } = setup()
  await assert.rejects(
    pubsub.publish('t', 1, { signal: AbortSignal.abort(new RangeError('before')) }),
    RangeError,
  )
  const giveUp = new AbortController()
  const waiting = pubsub.publish('t', 1, { waitForPeersMs: 1_000, signal: giveUp.signal })
  giveUp.abort(new RangeError('meanwhile'))
  await assert.rejects(waiting, RangeError)
  assert.deepEqual([watching.size, clock.waiting], [0, 0])
})

test('publish() refuses what the topic’s own rules refuse', async () => {
  const { pubsub, state, sent, count } = setup()
  state.listeners = 1
  const schema = (value: unknown) => (typeof value === 'string' ? value : assert.fail('no text'))
  pubsub.topic('t', { schema, bytesMax: 10 })
  await assert.rejects(pubsub.publish('t', 5), coded('PUBSUB_VALUE_REFUSED'))
  await assert.rejects(pubsub.publish('t', 0.5), coded('PUBSUB_VALUE_REFUSED'))
  await assert.rejects(pubsub.publish('t', 'x'.repeat(11)), coded('PUBSUB_TOO_LARGE'))
  assert.deepEqual(sent, [])
  assert.equal(await count('p2p_pubsub_published{outcome="refused"}'), 3)
  assert.equal((await pubsub.publish('t', 'short')).state, 'sent')
})

test('publish() says that the router failed', async () => {
  const { pubsub, state } = setup()
  state.listeners = 1
  state.publish = () => assert.fail('broken')
  await assert.rejects(pubsub.publish('t', 1), coded('PUBSUB_PUBLISH_FAILED'))
})

test('the first subscriber joins, the last one leaves', async () => {
  const { pubsub, told, arrives } = setup()
  const first = pubsub.subscribe('t')
  const second = pubsub.subscribe<number>('t')
  assert.deepEqual(told, ['learn t', 'join t'])
  arrives('t', 7)
  for await (const { value } of second) {
    assert.equal(value, 7)
    break
  }
  assert.deepEqual(told, ['learn t', 'join t'])
  await first[Symbol.asyncDispose]()
  assert.deepEqual(told, ['learn t', 'join t', 'leave t'])
})

test('a signal ends a subscription', async () => {
  const { pubsub, told } = setup()
  const done = new AbortController()
  const read: unknown[] = []
  const loop = (async () => {
    for await (const message of pubsub.subscribe('t', { signal: done.signal })) read.push(message)
  })()
  done.abort()
  await loop
  assert.deepEqual([read, told.at(-1)], [[], 'leave t'])
  assert.throws(() => pubsub.subscribe('t', { signal: AbortSignal.abort(new RangeError()) }))
  assert.equal(told.at(-1), 'leave t')
})

test('a signal that outlives its subscriptions holds on to none of them', async () => {
  const { pubsub } = setup()
  const { signal } = new AbortController()
  await pubsub.subscribe('t', { signal })[Symbol.asyncDispose]()
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
})

test('a slow subscriber loses the oldest messages, and they are counted', async () => {
  const { pubsub, arrives, count } = setup({ queueMax: 2 })
  const slow = pubsub.subscribe<number>('t')
  const slower = pubsub.subscribe<number>('t', { queueMax: 1 })
  for (const n of [1, 2, 3]) assert.equal(arrives('t', n), 'accept')
  assert.equal(await count('p2p_pubsub_dropped'), 3)
  for (const [one, oldest] of [
    [slow, 2],
    [slower, 3],
  ] as const) {
    for await (const { value } of one) {
      assert.equal(value, oldest)
      break
    }
  }
})

test('stop() ends what is read, and nothing can be begun after it', async () => {
  const { pubsub, told } = setup()
  const iterator = pubsub.subscribe('t')[Symbol.asyncIterator]()
  const waiting = iterator.next()
  await pubsub.stop()
  assert.equal((await waiting).done, true)
  assert.equal(told.at(-1), 'leave t')
  assert.throws(() => pubsub.subscribe('t'), coded('PUBSUB_NOT_RUNNING'))
  await assert.rejects(pubsub.publish('t', 1), coded('PUBSUB_NOT_RUNNING'))
  await pubsub.stop()
})

test('nothing can be begun while the host is down', async () => {
  const { pubsub, state } = setup()
  state.up = false
  pubsub.topic('t', {})
  assert.throws(() => pubsub.subscribe('t'), coded('PUBSUB_NOT_RUNNING'))
})

test('subscribe() takes no more topics than peers would note', async () => {
  const { pubsub } = setup({ topicsPerPeerMax: 2 })
  const first = pubsub.subscribe('1')
  pubsub.subscribe('2')
  pubsub.subscribe('2')
  assert.throws(() => pubsub.subscribe('3'), coded('PUBSUB_TOPICS_EXHAUSTED'))
  await first[Symbol.asyncDispose]()
  pubsub.subscribe('3')
})

test('topics() lists what is known, by our own names', async () => {
  const { pubsub, come, state } = setup({}, 'lab')
  pubsub.topic('defined', {})
  pubsub.subscribe('read')
  await pubsub.publish('told', 1)
  come(2)
  assert.deepEqual(pubsub.topics(), [
    { topic: 'defined', peers: 2, subscribed: false },
    { topic: 'read', peers: 2, subscribed: true },
    { topic: 'told', peers: 2, subscribed: false },
  ])
  assert.deepEqual(
    ['/p2p-foundation/lab/read', 'read', '/p2p-foundation/lab/other'].map((wire) =>
      state.guard?.knows(wire),
    ),
    [true, false, false],
  )
})

test('a message of another network’s topic is not admitted', () => {
  const { pubsub, state } = setup({}, 'lab')
  pubsub.subscribe('t')
  const admitted = ['t', '/p2p-foundation/lab/t'].map((wire) => state.guard?.admits(peer, wire, 1))
  assert.deepEqual(admitted, [false, true])
})

test('stop() ends a publish that waits for listeners, which says so and leaves nothing', async () => {
  const { pubsub, clock, watching } = setup()
  const waiting = pubsub.publish('t', 1, { waitForPeersMs: 60_000 })
  const failed = assert.rejects(waiting, coded('PUBSUB_NOT_RUNNING'))
  await pubsub.stop()
  await failed
  assert.deepEqual([watching.size, clock.waiting], [0, 0])
})

test('options that would wait for ever or keep without end are refused', async () => {
  const { pubsub, told } = setup()
  const invalid = coded('PUBSUB_RULES_INVALID')
  for (const ms of [Number.NaN, -1, Number.POSITIVE_INFINITY, 86_400_001]) {
    await assert.rejects(pubsub.publish('t', 1, { waitForPeersMs: ms }), invalid)
    await assert.rejects(pubsub.publish('t', 1, { waitForMeshMs: ms }), invalid)
  }
  for (const queueMax of [Number.NaN, 0, -1, Number.POSITIVE_INFINITY]) {
    assert.throws(() => pubsub.subscribe('t', { queueMax }), invalid)
    assert.throws(() => pubsub.subscribe('t', { queueBytesMax: queueMax }), invalid)
  }
  assert.deepEqual(told, ['learn t'])
})

test('a schema that answers with a promise is refused, on both ways, and harms nobody', async () => {
  const { pubsub, state, sent, arrives } = setup()
  state.listeners = 1
  const late = async () => assert.fail('after the fact')
  pubsub.topic('t', { schema: late })
  await using _ = pubsub.subscribe('t')
  assert.equal(arrives('t', 1), 'ignore')
  await assert.rejects(pubsub.publish('t', 1), (error) => {
    return coded('PUBSUB_VALUE_REFUSED')(error) && /answers with a promise/.test(String(error))
  })
  assert.deepEqual(sent, [])
})

test('a codec of the whole node is that of topics without one, and they can be forgotten', async () => {
  const json: Codec = {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as unknown,
  }
  const { pubsub, state, sent } = setup({}, 'main', json)
  state.listeners = 1
  for (let i = 0; i < 1_100; i += 1) await pubsub.publish(`t${i}`, 0.5)
  pubsub.topic('own', { codec: cborCodec })
  await pubsub.publish('own', 1)
  assert.deepEqual([String(sent[0]), sent.at(-1)], ['0.5', cborCodec.encode(1)])
})

test('a codec that encodes to anything but bytes is refused', async () => {
  const { pubsub, state, sent } = setup()
  state.listeners = 1
  pubsub.topic('t', { codec: { encode: () => 'text' as never, decode: () => 1 } })
  await assert.rejects(pubsub.publish('t', 1), /encoded a value as string; wanted a Uint8Array/)
  assert.deepEqual(sent, [])
})
