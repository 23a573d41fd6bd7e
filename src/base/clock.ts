/** Time, as a dependency. Nothing outside this file reads the wall clock or sets a timer. */

import { setTimeout as wait } from 'node:timers/promises'
import { BaseError } from './base-errors.ts'

/** Node fires a longer timer at once (2³¹ − 1 ms); 24 days serve every wait of ours as well. */
const TIMER_MS_MAX = 2 ** 31 - 1

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
  /** Resolves after `ms`, or rejects with the signal's reason if that comes first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /**
   * A signal that aborts after `ms` with `BASE_DEADLINE`, or together with `signal`, whichever
   * comes first. Dispose of it when the work is done, so that no timer outlives it.
   */
  deadline(ms: number, signal?: AbortSignal): Deadline
}

/** A signal with a timer behind it; `using` takes the timer away. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
}

/** The real one. Tests have `FakeClock`. */
export const systemClock: Clock = {
  now: () => Date.now(),

  async sleep(ms, signal) {
    try {
      await wait(Math.min(ms, TIMER_MS_MAX), undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },

  deadline(ms, signal) {
    const timer = new AbortController()
    const fire = () => timer.abort(BaseError.DEADLINE({ afterMs: ms }))
    const handle = setTimeout(fire, Math.min(ms, TIMER_MS_MAX))
    return joinDeadline(timer, () => clearTimeout(handle), signal)
  },
}

/** A deadline from its timer: shared by the system clock and the clocks of tests. */
export function joinDeadline(
  timer: AbortController,
  cancel: () => void,
  signal?: AbortSignal,
): Deadline {
  const follow = () => timer.abort(signal?.reason)
  if (signal?.aborted === true) follow()
  else signal?.addEventListener('abort', follow, { once: true })
  return {
    signal: timer.signal,
    [Symbol.dispose]() {
      cancel()
      signal?.removeEventListener('abort', follow)
    },
  }
}

/**
 * Aborts with whichever of the two comes first, until it is disposed. `AbortSignal.any` never lets
 * go of a signal that lives as long as the node, so what is joined to one often is joined here.
 */
export function either(one: AbortSignal, other: AbortSignal): Deadline {
  const joined = new AbortController()
  const first = joinDeadline(joined, () => undefined, one)
  return joinDeadline(joined, () => first[Symbol.dispose](), other)
}

/**
 * Runs `work` every `ms`, one at a time, until `signal` aborts; the first run is after one pause.
 * `work` handles its own failures: one that escapes ends the loop and rejects.
 */
export async function every(
  clock: Clock,
  ms: number,
  work: () => Promise<void> | void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(ms, signal)
    } catch {
      return
    }
    await work()
  }
}
