/** Which peer to try first. Pure: the same offers and scores give the same order everywhere. */

import { createHash } from 'node:crypto'
import { compareBytes } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import type { Score } from './scores.ts'

/** A peer that never answered: behind those that did well, ahead of those that are slow. */
const UNKNOWN_LATENCY_MS = 1_000

export interface RankedOffer {
  readonly peer: PeerId
  /** How busy the peer says it is, in percent. */
  readonly load?: number
}

/** What the order depends on besides the offers themselves. */
export interface RankingView {
  readonly self: PeerId
  scoreOf(peer: PeerId): Score | undefined
  /** Whether a connection to the peer is up now. */
  isConnected(peer: PeerId): boolean
}

/** Who rarely answers is no better for answering fast; below this it makes no difference. */
const SUCCESS_MIN = 0.05

/**
 * Orders `offers` best first: this node itself, then fewest recent failures, then peers that are
 * connected already, then the time that an answer is to be expected in, then XOR distance from
 * this node. The time is what was measured, longer by how busy the peer says it is and by how often
 * it did not answer. A peer that says nothing of its load is taken to be idle: saying so wins
 * nothing.
 */
export function rank<Offer extends RankedOffer>(
  offers: readonly Offer[],
  view: RankingView,
): Offer[] {
  const scored = offers.map((offer) => ({ offer, key: keyOf(offer, view) }))
  scored.sort((a, b) => compareKeys(a.key, b.key))
  return scored.map(({ offer }) => offer)
}

/**
 * XOR distance between two peers in Kademlia's sense: of the SHA-256 of their ids. Each node has
 * its own order of the same peers, so that not all callers turn to the same one.
 */
export function peerDistance(a: PeerId, b: PeerId): Uint8Array {
  const [left, right] = [digest(a), digest(b)]
  return left.map((byte, i) => byte ^ (right[i] ?? 0))
}

/** What `rank` goes by, in this order. */
export type Criterion = 'local' | 'failures' | 'connected' | 'expected time' | 'distance'

/** What puts `ahead` before `behind`, of two offers that `rank` has put so. */
export function decidedBy(ahead: RankedOffer, behind: RankedOffer, view: RankingView): Criterion {
  const [a, b] = [keyOf(ahead, view), keyOf(behind, view)]
  if (a.local !== b.local) return 'local'
  if (a.failures !== b.failures) return 'failures'
  if (a.connected !== b.connected) return 'connected'
  return a.expectedMs === b.expectedMs ? 'distance' : 'expected time'
}

interface RankKey {
  readonly local: boolean
  readonly failures: number
  readonly connected: boolean
  readonly expectedMs: number
  readonly distance: Uint8Array
}

function keyOf({ peer, load = 0 }: RankedOffer, view: RankingView): RankKey {
  const { self, scoreOf, isConnected } = view
  const { latencyMs = UNKNOWN_LATENCY_MS, failures = 0, success = 1 } = scoreOf(peer) ?? {}
  const expectedMs = (latencyMs * (1 + load / 100)) / Math.max(SUCCESS_MIN, success)
  const distance = peerDistance(self, peer)
  return { local: peer === self, failures, connected: isConnected(peer), expectedMs, distance }
}

function compareKeys(a: RankKey, b: RankKey): number {
  return (
    Number(b.local) - Number(a.local) ||
    a.failures - b.failures ||
    Number(b.connected) - Number(a.connected) ||
    a.expectedMs - b.expectedMs ||
    compareBytes(a.distance, b.distance)
  )
}

function digest(peer: PeerId): Uint8Array {
  return createHash('sha256').update(peerIdToBytes(peer)).digest()
}
