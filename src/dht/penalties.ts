/**
 * Peers whose writes were refused too often: for a while theirs are refused unread, so that a flood
 * costs us a look-up each and no hash. Whoever stops is forgiven; nobody is remembered for long.
 */

import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'

/** Peers remembered; the one whose count began first makes room. */
const PEERS_MAX = 4_096

interface Count {
  readonly sinceMs: number
  refusals: number
}

/** A map that is empty costs nothing, and is empty at nearly every node: no `TtlMap` here. */
export class Penalties {
  readonly #clock: Pick<Clock, 'now'>
  readonly #config: Pick<DhtConfig, 'refusalsMax' | 'penaltyMs'>
  /** In the order in which the counts began. */
  readonly #counts = new Map<PeerId, Count>()

  constructor(clock: Pick<Clock, 'now'>, config: Pick<DhtConfig, 'refusalsMax' | 'penaltyMs'>) {
    this.#clock = clock
    this.#config = config
  }

  /** Whether this peer's writes are not to be read now. No error is made: they come in floods. */
  has(peer: PeerId): boolean {
    return (this.#live(peer)?.refusals ?? 0) >= this.#config.refusalsMax
  }

  /** Counts a refusal; returns true when it begins a penalty, which lasts from now. */
  refused(peer: PeerId): boolean {
    const { refusalsMax } = this.#config
    const nowMs = this.#clock.now()
    const count = this.#live(peer) ?? { sinceMs: nowMs, refusals: 0 }
    count.refusals += 1
    const begins = count.refusals === refusalsMax
    if (begins) this.#counts.delete(peer)
    if (!this.#counts.has(peer)) this.#makeRoom()
    this.#counts.set(peer, begins ? { sinceMs: nowMs, refusals: count.refusals } : count)
    return begins
  }

  #live(peer: PeerId): Count | undefined {
    const count = this.#counts.get(peer)
    if (count === undefined) return undefined
    if (this.#clock.now() - count.sinceMs < this.#config.penaltyMs) return count
    this.#counts.delete(peer)
    return undefined
  }

  #makeRoom(): void {
    if (this.#counts.size < PEERS_MAX) return
    const [oldest] = this.#counts.keys()
    if (oldest !== undefined) this.#counts.delete(oldest)
  }
}
