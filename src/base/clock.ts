/** Time, as a dependency. Nothing outside this file reads the wall clock or sets a timer. */

import { setTimeout as wait } from 'node:timers/promises'
import { BaseError } from './base-errors.ts'

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

export interface Deadline extends Disposable {
  readonly signal: AbortSignal
}

export const systemClock: Clock = {
  now: () => Date.now(),

  async sleep(ms, signal) {
    try {
      await wait(ms, undefined, signal === undefined ? {} : { signal })
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    }
  },

  deadline(ms, signal) {
    const timer = new AbortController()
    const handle = setTimeout(() => timer.abort(BaseError.DEADLINE({ afterMs: ms })), ms)
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
