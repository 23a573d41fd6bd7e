/**
 * The numbers of our own messages: Unix time in nanoseconds when each was signed, always rising.
 *
 * GossipSub asks for 64 bits that rise. go-libp2p begins with the time of its start in nanoseconds
 * and counts by one; a receiver that wants numbers to rise takes ours as it takes those. Ours say
 * in addition when each message was made, so that a receiver can tell an old one (`replay-guard`).
 */

import type { Clock } from '../base/index.ts'

const NS_PER_MS = 1_000_000n
/** Receivers take nothing that is further ahead of their clock. */
const AHEAD_NS_MAX = 60_000n * NS_PER_MS

/** The number that a message made at `ms` has. */
export function sequenceAt(ms: number): bigint {
  return BigInt(Math.max(0, Math.floor(ms))) * NS_PER_MS
}

/** When a message with this number was made, by its author's clock. */
export function timeOf(sequence: bigint): number {
  return Number(sequence / NS_PER_MS)
}

export class Sequence {
  readonly #clock: Pick<Clock, 'now'>
  #last = 0n

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** The last number given out, which a restart goes on from. */
  get last(): bigint {
    return this.#last
  }

  /** Nothing at or below `last` is given out again. */
  continueFrom(last: bigint): void {
    if (last > this.#last) this.#last = last
  }

  /** A number above every other one of ours. */
  next(): bigint {
    const now = sequenceAt(this.#clock.now())
    // Our clock ran far ahead and was set right: nobody took those numbers, and none would now.
    const isLost = this.#last > now + AHEAD_NS_MAX
    this.#last = isLost || now > this.#last ? now : this.#last + 1n
    return this.#last
  }
}
