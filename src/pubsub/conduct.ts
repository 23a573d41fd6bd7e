/**
 * What we hold against peers beyond GossipSub's own score, which forgets everything of a peer that
 * opens its connection anew. Sans I/O.
 *
 * Points are for what no honest node does: a frame over its limits, topics over theirs. They go
 * away with time, one a second, and count fully against the peer's score (P5, the part of the
 * application). A peer that is cooled is a little below zero: in no mesh, but still told of
 * messages, and heard.
 */

import type { Clock } from '../base/index.ts'
import { Cooling, type CoolingConfig } from './cooling.ts'

/** A frame over its limits: the peer is not heard for some time. */
export const FRAME_POINTS = 100
/** At most for the subscriptions of one frame over the limit; the second such is enough. */
export const TOPICS_POINTS_MAX = 60
/**
 * At most for what GossipSub held against a peer that left. There it decays faster, and some of it
 * is for the peer's neighbours (P6): enough that leaving gains nothing, no more.
 */
export const LEFT_POINTS_MAX = 120
const POINTS_MAX = 1_000
const POINTS_PER_MS = 1 / 1_000
const PEERS_MAX = 4_096
/** Below every credit that a peer can have (10), above the line below which it is told nothing. */
export const COOL_SCORE = -12
/** GossipSub hears nobody below it, and we do not even decode. */
export const UNHEARD_SCORE = -80

interface Points {
  readonly points: number
  readonly atMs: number
}

export class Conduct {
  readonly #clock: Pick<Clock, 'now'>
  readonly #cooling: Cooling
  /** Who offended longest ago comes first. */
  readonly #offenders = new Map<string, Points>()

  constructor(clock: Pick<Clock, 'now'>, config: Pick<CoolingConfig, 'coolingMs'>) {
    this.#clock = clock
    this.#cooling = new Cooling({ coolingMs: config.coolingMs, peersMax: PEERS_MAX })
  }

  /** The peer did what no honest node does; it brings a peer to `max` points and no further. */
  offend(peer: string, points: number, max = POINTS_MAX): void {
    const known = this.#points(peer)
    this.#offenders.delete(peer)
    const sum = Math.max(known, Math.min(max, known + points))
    this.#offenders.set(peer, { points: sum, atMs: this.#clock.now() })
    if (this.#offenders.size <= PEERS_MAX) return
    const [first = ''] = this.#offenders.keys()
    this.#offenders.delete(first)
  }

  /** Frames for the peer were dropped; returns for how long it is left alone, if it is from now. */
  slow(peer: string): number | undefined {
    return this.#cooling.slow(peer, this.#clock.now())
  }

  isCool(peer: string): boolean {
    return this.#cooling.isCool(peer, this.#clock.now())
  }

  get cooled(): number {
    return this.#cooling.count(this.#clock.now())
  }

  /** Whether what the peer sends is worth a look at all. */
  isHeard(peer: string): boolean {
    return this.score(peer) >= UNHEARD_SCORE
  }

  /** Our part of the peer's score: zero, or less. */
  score(peer: string): number {
    const points = this.#points(peer)
    return (points > 0 ? -points : 0) + (this.isCool(peer) ? COOL_SCORE : 0)
  }

  #points(peer: string): number {
    const known = this.#offenders.get(peer)
    if (known === undefined) return 0
    const left = known.points - Math.max(0, this.#clock.now() - known.atMs) * POINTS_PER_MS
    if (left > 0) return left
    this.#offenders.delete(peer)
    return 0
  }
}
