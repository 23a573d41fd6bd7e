import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { testPeer } from '../../test/support/mcp-directory.ts'
import type { PeerId } from '../identity/index.ts'
import { peerDistance, type RankingView, rank } from './ranking.ts'
import type { Score } from './scores.ts'

const PEERS = Array.from({ length: 8 }, (_, i) => testPeer(i + 1))
const [SELF, A, B, C] = PEERS as [PeerId, PeerId, PeerId, PeerId]

function view(known: ReadonlyMap<PeerId, Score>, connected: readonly PeerId[] = []): RankingView {
  return {
    self: SELF,
    scoreOf: (peer) => known.get(peer),
    isConnected: (peer) => connected.includes(peer),
  }
}

function order(peers: readonly PeerId[], by: RankingView): PeerId[] {
  return rank(
    peers.map((peer) => ({ peer })),
    by,
  ).map(({ peer }) => peer)
}

const score = fc.record({ latencyMs: fc.nat(5_000), failures: fc.nat(3) })
const scores = fc
  .array(fc.option(score), { minLength: 8, maxLength: 8 })
  .map((list) => new Map(list.flatMap((each, i) => (each ? [[PEERS[i] as PeerId, each]] : []))))

test('rank() keeps every offer, does not depend on the order given, and puts us first', () => {
  const peers = fc.shuffledSubarray(PEERS)
  fc.assert(
    fc.property(peers, scores, fc.subarray(PEERS), (given, known, connected) => {
      const by = view(known, connected)
      const ranked = order(given, by)
      assert.deepEqual(new Set(ranked), new Set(given))
      assert.deepEqual(order(given.toReversed(), by), ranked)
      if (given.includes(SELF)) assert.equal(ranked[0], SELF)
    }),
  )
})

test('rank() puts a stranger between a peer that did well and one that failed', () => {
  const known = new Map([
    [A, { latencyMs: 20, failures: 0 }],
    [C, { latencyMs: 20, failures: 1 }],
  ])
  assert.deepEqual(order([C, B, A], view(known)), [A, B, C])
})

test('rank() puts a connected peer before one that must be dialled, unless it failed', () => {
  assert.equal(order([A, B, C], view(new Map(), [C]))[0], C)
  const failed = new Map([[C, { failures: 0.5 }]])
  assert.equal(order([A, B, C], view(failed, [C]))[2], C)
})

test('rank() counts how busy a peer says it is, and how often it did not answer', () => {
  const known = new Map([
    [A, { latencyMs: 20, failures: 0, success: 1 }],
    [B, { latencyMs: 18, failures: 0, success: 0.5 }],
    [C, { latencyMs: 15, failures: 0, success: 1 }],
  ])
  const offers = [{ peer: A }, { peer: B }, { peer: C, load: 100 }]
  assert.deepEqual(
    rank(offers, view(known)).map(({ peer }) => peer),
    [A, C, B],
  )
})

test('rank() falls back on the distance from this node', () => {
  const sorted = [A, B, C].sort((a, b) =>
    Buffer.compare(peerDistance(SELF, a), peerDistance(SELF, b)),
  )
  assert.deepEqual(order([A, B, C], view(new Map())), sorted)
})

test('peerDistance() is a metric of its arguments: symmetric, and zero only for the same', () => {
  const peer = fc.constantFrom(...PEERS)
  fc.assert(
    fc.property(peer, peer, (a, b) => {
      assert.deepEqual(peerDistance(a, b), peerDistance(b, a))
      assert.equal(
        peerDistance(a, b).every((byte) => byte === 0),
        a === b,
      )
    }),
  )
})
