/**
 * Several ways to one peer, in the manner of RFC 8305 §5 ("happy eyeballs"): the best is tried
 * first, the next when one has failed or a while has passed, a few at once at most. The first to
 * answer wins, and the others are called off. Sans I/O.
 */

import { type Clock, either, race } from '../base/index.ts'
import { NetError } from './errors.ts'

/** Makes one try; ends soon after `signal` aborts. */
export type Try<T> = (signal: AbortSignal) => Promise<T>

export interface RaceOptions<T> {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** What becomes of a success that came too late. */
  readonly discard: (late: T) => void
}

export interface RaceResult<T> {
  readonly won: T | undefined
  /** How many were begun: the first of them, in their order. */
  readonly begun: number
  /** Why each of those failed, unless it was called off. */
  readonly failures: ReadonlyMap<number, unknown>
}

/** RFC 8305 §8: the Connection Attempt Delay that is recommended. */
const STAGGER_MS = 250
const AT_ONCE_MAX = 4

/** Resolves with the first success, or with every failure; never rejects. */
export async function raceTries<T>(
  tries: readonly Try<T>[],
  { clock, signal, discard }: RaceOptions<T>,
): Promise<RaceResult<T>> {
  const over = new AbortController()
  using calledOff = either(signal, over.signal)
  const failures = new Map<number, unknown>()
  const winners: T[] = []
  let begun = 0
  let settled = Promise.withResolvers<void>()

  const begin = async (make: Try<T>, index: number): Promise<void> => {
    try {
      const won = await make(calledOff.signal)
      if (winners.length === 0) winners.push(won)
      else if (winners[0] !== won) discard(won)
    } catch (error) {
      failures.set(index, error)
    }
    settled.resolve()
  }
  const isOpen = () =>
    winners.length === 0 && failures.size < (signal.aborted ? begun : tries.length)

  while (isOpen()) {
    const next = begun - failures.size < AT_ONCE_MAX && !signal.aborted ? tries[begun] : undefined
    if (next === undefined) await settled.promise
    else {
      void begin(next, begun)
      begun += 1
      using pause = clock.deadline(STAGGER_MS, signal)
      await race(settled.promise, pause.signal).catch(() => undefined)
    }
    settled = Promise.withResolvers()
  }
  over.abort(NetError.CONNECTION_DROPPED({ reason: 'another address answered first' }))
  return { won: winners[0], begun, failures: new Map(failures) }
}
