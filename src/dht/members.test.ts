import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, seededRandom } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { closestTo, commonPrefixLength, contactOf, dhtKey } from './key.ts'
import { Members } from './members.ts'
import { dhtMetrics } from './metrics.ts'

const self = contactOf(signerOf(0).peer)
/** Peers of the bucket that half of all peers fall into. */
const far = Array.from({ length: 40 }, (_, i) => contactOf(signerOf(i + 1).peer)).filter(
  ({ key }) => commonPrefixLength(self.key, key) === 0,
)

function setup(alive: (peer: PeerId) => boolean, config: Partial<DhtConfig> = {}) {
  const clock = new FakeClock()
  const pinged: PeerId[] = []
  const hosts = new Map<PeerId, string>()
  const questions = {
    reachable() {},
    hostOf: (peer: PeerId) => hosts.get(peer),
    async ask(peer: PeerId) {
      pinged.push(peer)
      if (!alive(peer)) throw DhtError.PEER_FAILED({ peer, reason: 'it is gone' })
      return { type: 'ping' as const }
    },
  }
  const random = seededRandom('members')
  const metrics = dhtMetrics(new Registry())
  const members = new Members(
    { self, questions, clock, random, metrics },
    dhtConfig.parse({ k: 2, bucketPeersMax: 2, peerFreshMs: 100, ...config }),
  )
  return { members, clock, pinged, hosts }
}

for (const alive of [true, false]) {
  const what = alive ? 'answers, it stays' : 'does not, the newcomer takes its place'
  test(`the oldest peer of a full bucket is asked; when it ${what}`, async () => {
    const { members, clock, pinged } = setup(() => alive)
    const [first, second, third] = far
    assert.ok(first !== undefined && second !== undefined && third !== undefined)
    assert.ok(members.identified(first.peer, true))
    members.identified(second.peer, true)
    await clock.advance(1_000)
    members.identified(third.peer, true)
    await setImmediate()
    assert.deepEqual(pinged, [first.peer])
    const expected = alive ? [first, second] : [second, third]
    const held = new Set(members.closest(self.key, 9).map(({ peer }) => peer))
    assert.deepEqual(held, new Set(expected.map(({ peer }) => peer)))
  })
}

test('while nobody is known, who is about to be is waited for, and nobody else', async () => {
  const { members } = setup(() => true)
  const { signal } = new AbortController()
  await members.somebody(signal)

  const meeting = Promise.withResolvers<void>()
  members.coming(meeting.promise)
  const waited = members.somebody(signal).then(() => members.size)
  members.identified(far[0]?.peer ?? self.peer, true)
  meeting.resolve()
  assert.equal(await waited, 1)

  members.coming(hangs())
  await members.somebody(signal)
  const other = setup(() => true).members
  other.coming(hangs())
  const given = new AbortController()
  const over = other.somebody(given.signal)
  given.abort()
  await over
})

test('a peer that no longer serves leaves the table', () => {
  const { members } = setup(() => true)
  const [first] = far
  assert.ok(first !== undefined)
  members.identified(first.peer, true)
  assert.equal(members.identified(first.peer, false), false)
  assert.equal(members.size, 0)
})

test('refreshKeys() has one key for each bucket down to the deepest', () => {
  const { members } = setup(() => true)
  assert.deepEqual(members.refreshKeys(0), [])
  for (let i = 1; i <= 40; i += 1) members.identified(signerOf(i).peer, true)
  const deepest = Math.max(
    ...members.closest(self.key, 99).map(({ key }) => commonPrefixLength(self.key, key)),
  )
  const prefixes = members.refreshKeys(0).map((key) => commonPrefixLength(self.key, dhtKey(key)))
  assert.deepEqual(
    prefixes.sort((a, b) => a - b),
    Array.from({ length: Math.min(deepest, 8) + 1 }, (_, i) => i),
  )
})

test('peers are counted by the site they speak from, and a new address counts anew', () => {
  const { members, hosts } = setup(() => true, { bucketPeersMax: 20 })
  const [a, b, c, d] = far.map(({ peer }) => peer)
  assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined)
  for (const peer of [a, b, c]) hosts.set(peer, `8.8.${peer.length}.${hosts.size}`)
  hosts.set(d, '127.0.0.1')
  for (const peer of [a, b, c, d]) members.identified(peer, true)
  assert.deepEqual(
    [a, b, c, d].map((peer) => members.has(peer)),
    [true, true, false, true],
  )

  hosts.set(b, '9.9.9.9')
  members.identified(b, true)
  members.seen(contactOf(c))
  assert.ok(members.has(b) && members.has(c))
})

test('neighbours() follows the table', () => {
  const { members } = setup(() => true, { bucketPeersMax: 20 })
  const [first, second, third] = far
  assert.ok(first !== undefined && second !== undefined && third !== undefined)
  assert.deepEqual(members.neighbours(), [])
  for (const { peer } of [first, second, third]) members.identified(peer, true)
  const near = members.neighbours()
  assert.deepEqual(near, closestTo(self.key, [first, second, third], 2))
  assert.equal(members.neighbours(), near, 'the same list while nothing changes')
  for (const { peer } of near) members.identified(peer, false)
  assert.equal(members.neighbours().length, 1)
})

test('the density of our neighbours counts only once we have looked for ourselves', () => {
  const { members } = setup(() => true, { bucketPeersMax: 20 })
  members.settled()
  assert.equal(members.regionRadius(), 1, 'and not while we know fewer than k')
  for (let i = 1; i <= 40; i += 1) members.identified(signerOf(i).peer, true)
  const young = setup(() => true, { bucketPeersMax: 20 }).members
  for (let i = 1; i <= 40; i += 1) young.identified(signerOf(i).peer, true)
  assert.equal(young.regionRadius(), 1)
  assert.ok(members.regionRadius() < 1)
})

test('refreshKeys() leaves out what was looked for meanwhile', async () => {
  const { members, clock } = setup(() => true)
  for (let i = 1; i <= 40; i += 1) members.identified(signerOf(i).peer, true)
  const prefixOf = (key: Uint8Array) => commonPrefixLength(self.key, dhtKey(key))
  const all = members.refreshKeys(1_000).map(prefixOf)
  const [first] = members.refreshKeys(1_000)
  assert.ok(first !== undefined)
  members.lookedFor(dhtKey(first))
  const rest = members.refreshKeys(1_000).map(prefixOf)
  assert.deepEqual(new Set(rest), new Set(all.filter((prefix) => prefix !== prefixOf(first))))
  await clock.advance(1_000)
  assert.equal(members.refreshKeys(1_000).length, all.length)
})

test('joinKeys() has one for each bucket with room before that of our neighbours', () => {
  const { members } = setup(() => true, { bucketPeersMax: 20 })
  for (let i = 1; i <= 40; i += 1) members.identified(signerOf(i).peer, true)
  const last = members.neighbours()[1]
  assert.ok(last !== undefined)
  const prefixes = () =>
    members
      .joinKeys()
      .map((key) => commonPrefixLength(self.key, dhtKey(key)))
      .sort()
  const end = commonPrefixLength(self.key, last.key)
  const full = far.length >= 20 ? [0] : []
  const expected = Array.from({ length: end }, (_, i) => i).filter((i) => !full.includes(i))
  assert.ok(expected.length > 1)
  assert.deepEqual(prefixes(), expected)
  for (const key of members.joinKeys()) members.lookedFor(dhtKey(key))
  assert.deepEqual(prefixes(), [], 'each once')
})

function hangs(): Promise<void> {
  return Promise.withResolvers<void>().promise
}
