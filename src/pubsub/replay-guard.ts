/**
 * No message twice, however late: what is kept of the numbers of each author. Sans I/O.
 *
 *   strict    the number is the author's time in nanoseconds, within `windowMs` of our clock, and
 *             was not seen
 *   counted   the number was not seen, as far back as numbers are kept: for topics shared with
 *             go-, rust- or js-libp2p, whose authors count on from the time of their start
 *   cache     nothing beyond GossipSub's own cache: for authors whose numbers are random
 *
 * Paths differ in length, so numbers come out of order. The last ones of an author are kept one by
 * one; what is not above the oldest kept counts as seen. When all of them together are too many,
 * the authors heard longest ago keep their newest number only. An author that is forgotten whole is
 * still held by GossipSub's cache, which remembers each message for `seenTtlMs`: at twice the
 * window, a strict message leaves the window before the cache.
 */

import type { PeerId } from '../identity/index.ts'
import { sequenceAt, timeOf } from './sequence.ts'

export const REPLAY_RULES = ['strict', 'counted', 'cache'] as const
export type ReplayRule = (typeof REPLAY_RULES)[number]

/** Why a message is not taken, and how far its author's clock is from ours. */
export interface ReplayRefusal {
  readonly reason: 'stale' | 'future' | 'replay'
  readonly offMs: number
}

export interface ReplayGuardConfig {
  readonly replayWindowMs: number
  readonly replayAuthorsMax: number
}

/** Numbers kept one by one: of an author, and of all. */
export const AUTHOR_NUMBERS_MAX = 1_024
export const NUMBERS_MAX = 65_536

interface Author {
  /** At and below it everything counts as seen. */
  floor: bigint
  /** Ascending, all above the floor. */
  numbers: bigint[]
}

export class ReplayGuard {
  readonly #config: ReplayGuardConfig
  /** Who was heard longest ago comes first. */
  readonly #authors = new Map<PeerId, Author>()
  #notBefore = 0n
  #kept = 0
  #isWhole = true

  constructor(config: ReplayGuardConfig) {
    this.#config = config
  }

  /** How many numbers are kept one by one. */
  get kept(): number {
    return this.#kept
  }

  get authors(): number {
    return this.#authors.size
  }

  /** Whether something is known of every author that was heard. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** Why the message of this number is not taken now, if it is not. Changes nothing. */
  refusal(
    author: PeerId,
    sequence: bigint,
    { nowMs, rule }: { readonly nowMs: number; readonly rule: ReplayRule },
  ): ReplayRefusal | undefined {
    if (rule === 'cache') return undefined
    const offMs = timeOf(sequence) - nowMs
    if (rule === 'strict') {
      const { replayWindowMs } = this.#config
      if (offMs < -replayWindowMs) return { reason: 'stale', offMs }
      if (offMs > replayWindowMs) return { reason: 'future', offMs }
      if (sequence <= this.#notBefore) return { reason: 'replay', offMs }
    }
    return this.#isSeen(author, sequence) ? { reason: 'replay', offMs } : undefined
  }

  /** The message was taken: its number is used up. */
  note(author: PeerId, sequence: bigint): void {
    const known = this.#authors.get(author) ?? { floor: -1n, numbers: [] }
    this.#authors.delete(author)
    this.#authors.set(author, known)
    if (sequence <= known.floor) return
    const { numbers } = known
    const at = placeOf(numbers, sequence)
    if (numbers[at - 1] === sequence) return
    numbers.splice(at, 0, sequence)
    this.#kept += 1
    if (numbers.length > AUTHOR_NUMBERS_MAX) {
      known.floor = numbers.shift() ?? known.floor
      this.#kept -= 1
    }
    this.#makeRoom()
  }

  /** The newest number of each author, for a file. */
  floors(): [PeerId, bigint][] {
    return [...this.#authors].map(([author, one]) => [author, newestOf(one)])
  }

  /**
   * Goes on from what an earlier run kept. `notBeforeMs`, after a run that could not say goodbye:
   * what was made before is not taken from anybody, as nobody knows what was heard by then.
   */
  restore(floors: Iterable<readonly [PeerId, bigint]>, notBeforeMs = 0): void {
    this.#notBefore = sequenceAt(notBeforeMs)
    for (const [author, floor] of floors) {
      if (!this.#authors.has(author)) this.#authors.set(author, { floor, numbers: [] })
    }
    this.#makeRoom()
  }

  #isSeen(author: PeerId, sequence: bigint): boolean {
    const known = this.#authors.get(author)
    if (known === undefined) return false
    if (sequence <= known.floor) return true
    return known.numbers[placeOf(known.numbers, sequence) - 1] === sequence
  }

  #makeRoom(): void {
    for (const [author, { numbers }] of this.#authors) {
      if (this.#authors.size <= this.#config.replayAuthorsMax) break
      this.#authors.delete(author)
      this.#kept -= numbers.length
      this.#isWhole = false
    }
    if (this.#kept <= NUMBERS_MAX) return
    for (const one of this.#authors.values()) {
      // Some room at once, so that not every message has to look for it.
      if (this.#kept <= NUMBERS_MAX * 0.75) return
      one.floor = newestOf(one)
      this.#kept -= one.numbers.length
      one.numbers = []
    }
  }
}

function newestOf({ floor, numbers }: Author): bigint {
  return numbers.at(-1) ?? floor
}

/** Behind every number that is not above `sequence`; most are newer than all, so from the end. */
function placeOf(numbers: readonly bigint[], sequence: bigint): number {
  let low = 0
  let high = numbers.length
  if ((numbers.at(-1) ?? -1n) <= sequence) return high
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((numbers[middle] ?? 0n) <= sequence) low = middle + 1
    else high = middle
  }
  return low
}
