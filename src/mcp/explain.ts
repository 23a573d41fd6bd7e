/** Why a call went where it went: who was considered, in which order and why, and who was tried. */

import type { PeerId } from '../identity/index.ts'
import type { Score } from './scores.ts'
import type { Found } from './search.ts'
import type { Attempt, ToolEntry } from './tool.ts'

/** One offer, in the order of the ranking, with what the order went by. */
export interface Considered {
  readonly peer: PeerId
  readonly service: string
  readonly idempotent: boolean
  /** This node itself goes first. */
  readonly local: boolean
  readonly connected: boolean
  /** Of answers so far; null before the first. */
  readonly latencyMs: number | null
  /** Failures since the last success; the older, the less they count. */
  readonly failures: number
}

/** One try, with when it began after the call did. */
export interface TimedAttempt extends Attempt {
  readonly atMs: number
}

/** How a call found its way: who was considered, ranked and tried, with times in ms. */
export interface Explanation {
  /** What finding the offers took. */
  readonly found: {
    readonly asked: number
    readonly silent: number
    readonly cached: boolean
    readonly ms: number
  }
  readonly considered: readonly Considered[]
  readonly tried: readonly TimedAttempt[]
}

export interface View {
  readonly self: PeerId
  readonly connected: ReadonlySet<PeerId>
  readonly scoreOf: (peer: PeerId) => Score | undefined
}

/** What the ranking saw of an offer. */
export function considered(
  { peer, service, idempotent }: ToolEntry,
  { self, connected, scoreOf }: View,
): Considered {
  const { latencyMs = null, failures = 0 } = scoreOf(peer) ?? {}
  const place = { local: peer === self, connected: connected.has(peer) }
  return { peer, service, idempotent, ...place, latencyMs, failures }
}

export function foundIn({ asked, failed, cached }: Found, ms: number): Explanation['found'] {
  return { asked, silent: failed.length, cached, ms }
}
