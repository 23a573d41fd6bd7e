import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { BaseError, compareBytes, Registry, seededRandom, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { closestTo, contactOf, type DhtKey, dhtKey } from './key.ts'
import { dhtMetrics } from './metrics.ts'
import { Search, type SearchDeps } from './search.ts'
import type { Message } from './wire.ts'

const [self, a, b, c] = [0, 1, 2, 3].map((seed) => signerOf(seed).peer) as [
  PeerId,
  PeerId,
  PeerId,
  PeerId,
]
const message = { type: 'findNode', key: utf8('x') } as const
const hangs = () => new Promise<never>(() => undefined)

function setup(
  known: readonly PeerId[],
  answer: (peer: PeerId, asked: Message) => Promise<Message>,
  config: Partial<DhtConfig> = {},
  place: Partial<SearchDeps['members']> = {},
) {
  const clock = new FakeClock()
  const learned: PeerId[] = []
  const failed: PeerId[] = []
  const search = new Search(
    {
      host: { self },
      members: {
        size: known.length,
        somebody: async () => undefined,
        closest: () => known.map(contactOf),
        has: (peer) => known.includes(peer),
        seen: () => undefined,
        failed: (peer) => void failed.push(peer),
        lookedFor: () => undefined,
        isCrowded: () => false,
        regionRadius: () => 1,
        ...place,
      },
      questions: {
        ask: (peer, [asked = message]) => answer(peer, asked),
        learn: async (peer) => void learned.push(peer),
      },
      clock,
      random: seededRandom('search'),
      metrics: dhtMetrics(new Registry()),
    },
    dhtConfig.parse({ lookupTimeoutMs: 1_000, ...config }),
  )
  return { search, clock, learned, failed }
}

test('a search that runs out of time ends with what it has, and names who is missing', async () => {
  const { search, clock } = setup([a, b], async (peer) => {
    return peer === a ? { type: 'findNode' } : hangs()
  })
  const run = search.run(message)
  await clock.advance(1_000)
  const report = await run
  assert.deepEqual(report.answered, [a])
  assert.deepEqual(report.failed, [{ peer: b, code: 'BASE_DEADLINE' }])
  assert.equal(report.complete, false)
  assert.equal(clock.waiting, 0)
})

test('a caller with less time has what came by then; who was silent is still found out', async () => {
  const silence = Promise.withResolvers<Message>()
  const { search, clock, failed } = setup([a, b], async (peer) => {
    return peer === a ? { type: 'findNode' } : silence.promise
  })
  const run = search.run(message, { timeoutMs: 300 })
  await clock.advance(300)
  assert.deepEqual((await run).answered, [a])
  assert.deepEqual(failed, [])
  silence.reject(DhtError.PEER_FAILED({ peer: b, reason: 'it is silent' }))
  await clock.advance(0)
  assert.deepEqual(failed, [b])
})

test('a search that has enough ends at once, and blames nobody who was still busy', async () => {
  const { search } = setup([a, b], async (peer) => {
    return peer === a ? { type: 'findNode' } : hangs()
  })
  const report = await search.run(message, { onAnswer: () => true })
  assert.deepEqual([report.answered, report.failed], [[a], []])
})

test('a search has as many paths as its caller wishes, and no more than are configured', async () => {
  for (const [paths, first] of [
    [1, 1],
    [2, 2],
    [9, 3],
    [undefined, 3],
  ] as const) {
    const asked: PeerId[] = []
    const silent = async (peer: PeerId) => {
      asked.push(peer)
      return hangs()
    }
    const { search, clock } = setup([a, b, c], silent, { alpha: 1, paths: 3 })
    const run = search.run(message, { timeoutMs: 100, ...(paths !== undefined && { paths }) })
    await clock.advance(100)
    await run
    assert.equal(asked.length, first, `${paths} paths`)
  }
})

test('addresses are noted only of peers that are then asked', async () => {
  const info = (peer: PeerId) => ({ peer, addresses: ['/ip4/192.0.2.1/tcp/1'] })
  const { search, learned } = setup([a], async (peer) => ({
    type: 'findNode',
    closer: peer === a ? [info(b), info(a), info(self)] : [info(c)],
  }))
  const report = await search.run(message, { onAnswer: (peer) => peer === b })
  assert.deepEqual(learned, [b])
  assert.deepEqual(report.answered, [a, b])
})

test('a peer that fails is told to the table, with its first reason kept', async () => {
  let tries = 0
  const { search, failed } = setup([a, b], async (peer) => {
    if (peer === a) return { type: 'findNode', closer: [{ peer: b, addresses: [] }] }
    tries += 1
    throw DhtError.PEER_FAILED({ peer, reason: `${tries}` })
  })
  const report = await search.run(message)
  assert.deepEqual(report.failed, [{ peer: b, code: 'DHT_PEER_FAILED' }])
  assert.ok(failed.includes(b))
  assert.ok(report.complete)
})

test('that we are busy ourselves is told to the caller, and no fault of the peer', async () => {
  const { search, failed } = setup([a, b], async (peer) => {
    throw peer === a
      ? DhtError.PEER_BUSY({ peer, waiting: 128 })
      : BaseError.BUSY({ queue: 'dials', waiting: 512, limit: 512 })
  })
  const report = await search.run(message)
  assert.deepEqual(report.failed.map(({ code }) => code).sort(), ['BASE_BUSY', 'DHT_PEER_BUSY'])
  assert.deepEqual(failed, [])
})

test('a caller that gave up before is not served', async () => {
  const { search } = setup([a], hangs)
  const signal = AbortSignal.abort(new TypeError('never mind'))
  await assert.rejects(search.run(message, { signal }), /never mind/)
})

test('who knows nobody says so', async () => {
  const { search } = setup([], hangs)
  const report = await search.run(message)
  assert.deepEqual([report.complete, report.shortfall], [false, 'nobody-known'])
  assert.deepEqual([report.closest, report.asked], [[], []])
})

test('a search that was cut short says by what', async () => {
  const timed = setup([a, b], async (peer) => (peer === a ? { type: 'findNode' } : hangs()))
  const run = timed.search.run(message)
  await timed.clock.advance(1_000)
  assert.equal((await run).shortfall, 'time')

  let named = 100
  const endless = setup(
    [a],
    async () => {
      const closer = Array.from({ length: 8 }, () => {
        named += 1
        return { peer: signerOf(named).peer, addresses: [] }
      })
      return { type: 'findNode', closer }
    },
    { questionsMax: 20 },
  )
  const report = await endless.search.run(message)
  assert.deepEqual([report.shortfall, report.complete], ['questions', false])
})

test('of a peer that is in the table nobody has to tell where it is, until it fails', async () => {
  const info = { peer: b, addresses: ['/ip4/192.0.2.1/tcp/1'] }
  let dead = false
  const { search, learned } = setup([a, b], async (peer) => {
    if (peer === b && dead) throw DhtError.PEER_FAILED({ peer, reason: 'it is silent' })
    return { type: 'findNode', closer: peer === a ? [info] : [] }
  })
  await search.run(message)
  assert.deepEqual(learned, [])
  dead = true
  await search.run(message)
  assert.deepEqual(learned, [b])
})

test('one search counts one failure of a peer, however many paths run into it', async () => {
  const info = { peer: c, addresses: ['/ip4/192.0.2.1/tcp/1'] }
  const { search, failed } = setup([a, b], async (peer) => {
    if (peer === c) throw DhtError.PEER_FAILED({ peer, reason: 'it is silent' })
    return { type: 'findNode', closer: [info] }
  })
  await search.run(message)
  assert.deepEqual(failed, [c])
})

/** Nobody near to the key tells of the honest there; a stranger found on the way to a branch does. */
function crowd(crowded: boolean) {
  const place = dhtKey(message.key)
  const [sybil, guide, honest] = [a, b, c]
  const answers = new Map([
    [sybil, []],
    [guide, [honest]],
    [honest, []],
  ])
  const asked: string[] = []
  const answer = async (peer: PeerId, { type, key = message.key }: Message): Promise<Message> => {
    const what = compareBytes(key, message.key) === 0 ? 'value' : 'branch'
    asked.push(`${what} of ${[sybil, guide, honest].indexOf(peer)}`)
    const closer = what === 'branch' ? (answers.get(peer) ?? []) : []
    return { type, closer: closer.map((named) => ({ peer: named, addresses: [] })) }
  }
  const closest = (key: DhtKey) => [compareBytes(key, place) === 0 ? sybil : guide].map(contactOf)
  const world = setup([sybil], answer, {}, { isCrowded: () => crowded, closest })
  return { ...world, asked, sybil, guide, honest }
}

test('where a place is crowded all of the region is asked, if the caller wishes so', async () => {
  const { search, asked, sybil, guide, honest } = crowd(true)
  const report = await search.run(message, { region: 'when-crowded' })
  assert.ok(report.crowded && report.complete)
  assert.deepEqual(new Set(report.region.map(({ peer }) => peer)), new Set([sybil, guide, honest]))
  assert.deepEqual(new Set(report.answered), new Set([sybil, guide, honest]))
  assert.ok(asked.includes('branch of 1') && asked.includes('value of 2'))
  assert.deepEqual(
    report.closest.map(({ peer }) => peer),
    [sybil],
  )
})

test('it is not asked when the caller does not wish so, or has enough, or nobody crowds', async () => {
  const first = crowd(true)
  const report = await first.search.run(message)
  assert.ok(report.crowded)
  assert.deepEqual([first.asked, report.region], [['value of 0'], report.closest])

  const second = crowd(true)
  await second.search.run(message, { region: 'when-crowded', onAnswer: () => true })
  assert.deepEqual(second.asked, ['value of 0'])

  const third = crowd(false)
  const calm = await third.search.run(message, { region: 'when-crowded' })
  assert.deepEqual([third.asked, calm.crowded], [['value of 0'], false])
})

test('a walk through the region ends when the caller has enough', async () => {
  const { search, guide } = crowd(true)
  const onAnswer = (peer: PeerId) => peer === guide
  const report = await search.run(message, { region: 'when-crowded', onAnswer })
  assert.equal(report.shortfall, null)
  assert.ok(report.region.some(({ peer }) => peer === guide))
})

test('who is silent holds its place for a second: the others are asked meanwhile', async () => {
  const asked: PeerId[] = []
  const { search, clock } = setup(
    [a, b, c],
    async (peer) => {
      asked.push(peer)
      return peer === nearest ? hangs() : { type: 'findNode' }
    },
    { lookupTimeoutMs: 15_000, paths: 1, alpha: 1 },
  )
  const target = dhtKey(message.key)
  const order = closestTo(target, [a, b, c].map(contactOf), 3).map(({ peer }) => peer)
  const [nearest, ...others] = order
  const run = search.run(message)
  await clock.advance(999)
  assert.deepEqual(asked, [nearest])
  await clock.advance(1)
  const report = await run
  assert.deepEqual(asked, order)
  assert.deepEqual([report.answered, report.complete], [others, true])
  assert.deepEqual(report.failed, [{ peer: nearest, code: 'BASE_DEADLINE' }])
  assert.equal(clock.waiting, 0)
})
