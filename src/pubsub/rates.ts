/**
 * How much may come in a second, by key: token buckets, sans I/O.
 *
 * A bucket holds two seconds of its rate, and one whole cost at least. The number of buckets is
 * bounded; one that was not used for longer than it takes to fill is forgotten, which changes
 * nothing. The policy counts what a peer does; here are bytes, and what a topic allows.
 */

import { type Clock, TtlMap } from '../base/index.ts'

const KEYS_MAX = 10_000
const BURST_SECONDS = 2
/** The slowest rate, so that every bucket is full before it is forgotten. */
export const PER_SECOND_MIN = 0.1
const FORGET_MS = 30_000

interface Bucket {
  readonly tokens: number
  readonly atMs: number
}

/** Takes costs from the buckets of many keys. */
export class Rates {
  readonly #clock: Clock
  readonly #buckets: TtlMap<string, Bucket>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#buckets = new TtlMap({ entriesMax: KEYS_MAX, ttlMs: FORGET_MS, clock })
  }

  /** Takes `cost` from the bucket of `key`, or nothing and says no. */
  take(key: string, cost: number, perSecond: number): boolean {
    const now = this.#clock.now()
    const burst = Math.max(BURST_SECONDS * perSecond, cost)
    const { tokens, atMs } = this.#buckets.get(key) ?? { tokens: burst, atMs: now }
    // A clock that was set back adds nothing.
    const filled = Math.min(burst, tokens + (Math.max(0, now - atMs) * perSecond) / 1_000)
    const enough = filled >= cost
    this.#buckets.set(key, { tokens: enough ? filled - cost : filled, atMs: now })
    return enough
  }
}
