/**
 * Tries that overlap: the next one begins when the last failed, or when it has taken a while. The
 * first answer counts, and whoever else is in work is told to stop. Knows nothing of calls.
 */

import { BaseError, type Clock, either } from '../base/index.ts'

/** At once in work; a third peer asked would be paid for by the network and gain little. */
const IN_WORK_MAX = 2

/** A peer that takes so many times as long as usual is slow enough to ask another. */
const SLOW_TIMES = 3
const DELAY_MS = { min: 20, usual: 250, max: 2_000 }

/** How long a peer that usually takes `latencyMs` is asked alone. */
export function hedgeDelayMs(latencyMs: number | undefined): number {
  const ms = latencyMs === undefined ? DELAY_MS.usual : SLOW_TIMES * latencyMs
  return Math.max(DELAY_MS.min, Math.min(DELAY_MS.max, ms))
}

/** Resolves with `undefined` when it failed and another may be tried; throws when none may. */
export type Try<T> = (signal: AbortSignal) => Promise<T | undefined>

export interface HedgeOptions {
  readonly clock: Clock
  /** How long a try is alone. */
  readonly delayMs: number
  readonly signal: AbortSignal
}

/** The first answer of the tries, in their order; `undefined` when each failed. */
export async function hedged<T>(
  tries: readonly Try<T>[],
  { clock, delayMs, signal }: HedgeOptions,
): Promise<T | undefined> {
  const ended = new AbortController()
  using joined = either(ended.signal, signal)
  const left = [...tries]
  const inWork = new Set<Promise<Ended<T>>>()
  const begin = () => {
    const next = left.shift()
    if (next === undefined || signal.aborted) return
    const work: Promise<Ended<T>> = next(joined.signal).then((value) => ({ work, value }))
    work.catch(() => {})
    inWork.add(work)
  }
  try {
    begin()
    while (inWork.size > 0) {
      const first = await firstOf(inWork, { clock, delayMs, hasNext: left.length > 0 })
      if (first === undefined) begin()
      else {
        inWork.delete(first.work)
        if (first.value !== undefined) return first.value
        if (inWork.size === 0) begin()
      }
    }
    return undefined
  } finally {
    ended.abort(BaseError.DEADLINE({ afterMs: delayMs }))
  }
}

interface Ended<T> {
  readonly work: Promise<Ended<T>>
  readonly value: T | undefined
}

/** Whoever ends first; `undefined` when it is time for another one. */
async function firstOf<T>(
  inWork: ReadonlySet<Promise<Ended<T>>>,
  {
    clock,
    delayMs,
    hasNext,
  }: {
    readonly clock: Clock
    readonly delayMs: number
    readonly hasNext: boolean
  },
): Promise<Ended<T> | undefined> {
  if (!hasNext || inWork.size >= IN_WORK_MAX) return Promise.race(inWork)
  using pause = clock.deadline(delayMs)
  const late = new Promise<undefined>((resolve) => {
    pause.signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  return await Promise.race([...inWork, late])
}

/** One after the other, until one has an answer. */
export async function inTurn<T>(
  tries: readonly ((signal: AbortSignal) => Promise<T | undefined>)[],
  signal: AbortSignal,
): Promise<T | undefined> {
  for (const each of tries) {
    if (signal.aborted) return undefined
    const result = await each(signal)
    if (result !== undefined) return result
  }
  return undefined
}
