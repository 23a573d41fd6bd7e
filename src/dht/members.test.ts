import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, seededRandom } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { dhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { commonPrefixLength, contactOf, dhtKey } from './key.ts'
import { Members } from './members.ts'
import { dhtMetrics } from './metrics.ts'

const self = contactOf(signerOf(0).peer)
/** Peers of the bucket that half of all peers fall into. */
const far = Array.from({ length: 40 }, (_, i) => contactOf(signerOf(i + 1).peer)).filter(
  ({ key }) => commonPrefixLength(self.key, key) === 0,
)

function setup(alive: (peer: PeerId) => boolean) {
  const clock = new FakeClock()
  const pinged: PeerId[] = []
  const questions = {
    reachable() {},
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
    dhtConfig.parse({ k: 2, peerFreshMs: 100 }),
  )
  return { members, clock, pinged }
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
  assert.deepEqual(members.refreshKeys(), [])
  for (let i = 1; i <= 40; i += 1) members.identified(signerOf(i).peer, true)
  const deepest = Math.max(
    ...members.closest(self.key, 99).map(({ key }) => commonPrefixLength(self.key, key)),
  )
  const prefixes = members.refreshKeys().map((key) => commonPrefixLength(self.key, dhtKey(key)))
  assert.deepEqual(
    prefixes.sort((a, b) => a - b),
    Array.from({ length: Math.min(deepest, 8) + 1 }, (_, i) => i),
  )
})
