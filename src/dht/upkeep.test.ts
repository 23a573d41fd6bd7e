import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, silentLog, utf8 } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import { dhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { type Contact, contactOf } from './key.ts'
import type { SearchMessage, SearchOptions, SearchReport } from './search.ts'
import { Upkeep, type UpkeepDeps } from './upkeep.ts'

const self = signerOf(0).peer
const peers = [1, 2, 3, 4].map((seed) => contactOf(signerOf(seed).peer))
const [first, second, third] = peers.map(({ peer }) => peer) as [PeerId, PeerId, PeerId]
const REFRESH_MS = 100_000
const VAGUE_MS = 60_000

/** A node whose table and searches do as the test says; time says when it looked for itself. */
function setup(near: Contact[], keys: Partial<Record<'join' | 'stale', string[]>> = {}) {
  const clock = new FakeClock()
  const looked: string[] = []
  const noted: Uint8Array[] = []
  /** The paths that each lookup was to have. */
  const paths: (number | undefined)[] = []
  const world = {
    settled: 0,
    vague: false,
    complete: true,
    fails: false,
    /** What a lookup takes. */
    tookMs: 0,
    found: undefined as Contact | undefined,
  }
  const members: UpkeepDeps['members'] = {
    get size() {
      return near.length
    },
    neighbours: () => [...near],
    settled() {
      world.settled += 1
    },
    density: {
      get isVague() {
        return world.vague
      },
      note: (key) => void noted.push(key),
    },
    refreshKeys: () => (keys.stale ?? []).map(utf8),
    joinKeys: () => (keys.join ?? []).splice(0).map(utf8),
  }
  const search = {
    async run({ key }: SearchMessage, options: SearchOptions = {}) {
      paths.push(options.paths)
      const own = Buffer.compare(key, peerIdToBytes(self)) === 0
      looked.push(own ? `self at ${clock.now()}` : Buffer.from(key).toString())
      if (world.tookMs > 0) await clock.sleep(world.tookMs)
      if (world.found !== undefined) near.push(world.found)
      world.found = undefined
      if (world.fails) throw DhtError.PEER_FAILED({ peer: self, reason: 'no luck' })
      return { complete: world.complete, vouched: near } as unknown as SearchReport
    },
  }
  const random = seededRandom('upkeep')
  const deps = { self, members, search, clock, random, log: silentLog }
  const upkeep = new Upkeep(deps, dhtConfig.parse({ refreshIntervalMs: REFRESH_MS }))
  return { upkeep, clock, looked, noted, paths, world }
}

test('a node looks for itself when it meets the first peer, and again ever more seldom', async () => {
  const { upkeep, clock, looked, world } = setup(peers.slice(0, 1))
  upkeep.met(first)
  await clock.advance(400_000)
  const at = [0, 1, 5, 21, 85, 185, 285, 385].map((seconds) => `self at ${seconds * 1_000}`)
  assert.deepEqual(looked, at)
  assert.equal(world.settled, looked.length)
  await upkeep.stop()
  assert.equal(clock.waiting, 0)
})

test('a newcomer nearby is looked around for soon, one that is not nearby is not', async () => {
  const { upkeep, clock, looked } = setup(peers.slice(0, 2))
  upkeep.met(first)
  await clock.advance(40_000)
  looked.length = 0
  upkeep.met(third)
  await clock.advance(4_000)
  assert.deepEqual(looked, [])
  upkeep.met(second)
  await clock.advance(4_000)
  assert.deepEqual(looked, ['self at 48000'])
  await upkeep.stop()
})

test('newcomers in a row make a node look for itself once in 4 s, not once for each', async () => {
  const { upkeep, clock, looked } = setup(peers.slice(0, 2))
  upkeep.met(first)
  await clock.advance(100_000)
  looked.length = 0
  for (let i = 0; i < 200; i += 1) {
    upkeep.met(second)
    await clock.advance(100)
  }
  assert.ok(looked.length >= 2 && looked.length <= 5, `${looked.length} in 20 s`)
  await upkeep.stop()
})

test('where looking takes long, a node pauses for longer, but not for ever', async () => {
  const slow = setup(peers.slice(0, 2))
  slow.world.tookMs = 2_000
  slow.upkeep.met(first)
  await slow.clock.advance(30_000)
  assert.deepEqual(slow.looked, ['self at 0', 'self at 12000', 'self at 24000'])
  slow.upkeep.met(second)
  await slow.clock.advance(9_000)
  assert.equal(slow.looked.length, 3, 'a newcomer has to wait as well')
  await slow.clock.advance(2_000)
  assert.equal(slow.looked.length, 4)
  await slow.clock.advance(2_000)
  await slow.upkeep.stop()

  const dawdling = setup(peers.slice(0, 2))
  dawdling.world.tookMs = 15_000
  dawdling.upkeep.met(first)
  await dawdling.clock.advance(46_000)
  assert.deepEqual(dawdling.looked, ['self at 0', 'self at 45000'])
  await dawdling.clock.advance(15_000)
  await dawdling.upkeep.stop()
})

test('a node that was alone does not wait', async () => {
  const near = peers.slice(0, 1)
  const { upkeep, clock, looked } = setup(near)
  upkeep.met(first)
  await clock.advance(40_000)
  looked.length = 0
  upkeep.met(first)
  await clock.advance(0)
  assert.deepEqual(looked, ['self at 40000'])
  await upkeep.stop()
})

test('what a lookup finds anew is a newcomer too', async () => {
  const near = peers.slice(0, 2)
  const { upkeep, clock, looked, world } = setup(near)
  upkeep.met(first)
  await clock.advance(20_000)
  looked.length = 0
  world.found = peers[2]
  await clock.advance(12_000)
  assert.deepEqual(looked, ['self at 21000', 'self at 25000'])
  await clock.advance(9_000)
  assert.deepEqual(looked.slice(2), ['self at 41000'])
  await upkeep.stop()
})

test('parts with room are looked at on joining, and tell how many peers there are', async () => {
  const { upkeep, clock, looked, noted, paths } = setup(peers.slice(0, 1), { join: ['x', 'y'] })
  upkeep.met(first)
  await clock.advance(0)
  assert.deepEqual(looked, ['self at 0', 'x', 'y'])
  assert.deepEqual(paths, [undefined, 2, 2], 'who lies about a random key gains nothing')
  assert.equal(noted.length, 2, 'but not the lookup for our own id, which others may know')
  await upkeep.stop()
})

test('maintain() looks at what was forgotten once in refreshIntervalMs', async () => {
  const { upkeep, clock, looked } = setup([], { stale: ['a', 'b'] })
  for (let i = 0; i < 30; i += 1) {
    await upkeep.maintain()
    await clock.advance(10_000)
  }
  const rounds = looked.filter((key) => key === 'a').length
  assert.ok(rounds === 2 || rounds === 3, `${rounds} in three times as long`)
  assert.equal(looked.length, 2 * rounds)
  await upkeep.stop()
})

test('while it is vague how many peers there are, maintain() looks for a random key', async () => {
  const { upkeep, clock, looked, noted, world } = setup(peers)
  await upkeep.maintain()
  await clock.advance(VAGUE_MS)
  await upkeep.maintain()
  assert.equal(looked.length, 0)
  world.vague = true
  await upkeep.maintain()
  assert.equal(looked.length, 1)
  assert.equal(noted.length, 1)
  await clock.advance(VAGUE_MS - 1)
  await upkeep.maintain()
  assert.equal(looked.length, 1, 'but only once in a while')
  world.complete = false
  await clock.advance(1)
  await upkeep.maintain()
  assert.equal(looked.length, 2)
  assert.equal(noted.length, 1, 'what a lookup says that did not come to its end is not noted')
  await upkeep.stop()
})

test('a lookup that fails ends nothing', async () => {
  const { upkeep, clock, looked, world } = setup(peers.slice(0, 1))
  world.fails = true
  upkeep.met(first)
  await clock.advance(1_000)
  assert.equal(looked.length, 2)
  assert.equal(world.settled, 0)
  await upkeep.stop()
})
