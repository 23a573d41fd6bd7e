/**
 * Direct ways to a peer before those through relays: a relay is asked when the direct ones have all
 * failed, or after half a second, for it costs others. Relays that are told of only by then are
 * asked for, again and again while direct ways are still tried. A direct connection that comes
 * after a relayed one is kept, so that what begins then goes there. Sans I/O.
 */

import { type Clock, either } from '../base/index.ts'
import { type RaceOptions, raceTries, type Try } from './dial-race.ts'
import { NetError } from './errors.ts'

export interface Way<T> {
  readonly isRelayed: boolean
  run(signal: AbortSignal): Promise<T>
}

export interface PathsOptions<T> extends RaceOptions<T> {
  /**
   * Ways through relays that are known by now, when none were known before; appended to `ways`.
   * `isLast` when it is time for those that hardly lead there.
   */
  more?(isLast: boolean): Promise<readonly Way<T>[]>
}

export interface PathsResult<T> {
  readonly won: T | undefined
  /** Which ways were begun, by their place. */
  readonly begun: ReadonlySet<number>
  readonly failures: ReadonlyMap<number, { readonly error: unknown; readonly tookMs: number }>
}

export const RELAY_DELAY_MS = 500
/** Rounds of waiting before ways are tried that hardly lead anywhere. */
const LAST_ROUNDS = 3

/** Resolves with the first success, or with every failure; never rejects. */
export async function racePaths<T>(
  ways: readonly Way<T>[],
  options: PathsOptions<T>,
): Promise<PathsResult<T>> {
  const { clock, signal } = options
  const begun = new Set<number>()
  const failures = new Map<number, { error: unknown; tookMs: number }>()
  let placed = 0
  const watched = ({ run }: Way<T>): Try<T> => {
    const index = placed
    placed += 1
    return async (until) => {
      begun.add(index)
      const startedMs = clock.now()
      try {
        return await run(until)
      } catch (error) {
        failures.set(index, { error, tookMs: clock.now() - startedMs })
        throw error
      }
    }
  }
  const all = ways.map((way) => ({ isRelayed: way.isRelayed, try: watched(way) }))
  const direct = all.filter((one) => !one.isRelayed).map((one) => one.try)
  const known = all.filter((one) => one.isRelayed).map((one) => one.try)
  const relayed = async (isLast: boolean) => {
    return known.length > 0 ? known : ((await options.more?.(isLast)) ?? []).map(watched)
  }
  const over = new AbortController()
  const first = raceTries(direct, options)
  const second = afterDirect(first, relayed, { clock, signal }).then(async (tries) => {
    using until = either(signal, over.signal)
    return await raceTries(tries, { ...options, signal: until.signal })
  })
  const won = await firstWon([first, second])
  if (won !== undefined) over.abort(NetError.CONNECTION_DROPPED({ reason: 'a way was found' }))
  return { won, begun, failures }
}

/** Ways through relays once their turn has come; none when a direct way won before. */
async function afterDirect<T>(
  first: Promise<{ readonly won: T | undefined }>,
  relayed: (isLast: boolean) => Promise<readonly Try<T>[]>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly Try<T>[]> {
  for (let rounds = 1; ; rounds += 1) {
    using pause = clock.deadline(RELAY_DELAY_MS, signal)
    const late = Promise.withResolvers<'late'>()
    pause.signal.addEventListener('abort', () => late.resolve('late'), { once: true })
    const state = await Promise.race([late.promise, first])
    const isOver = state !== 'late'
    if (signal.aborted || (isOver && state.won !== undefined)) return []
    const tries = await relayed(isOver || rounds >= LAST_ROUNDS).catch(() => [])
    if (tries.length > 0 || isOver) return tries
  }
}

async function firstWon<T>(
  races: readonly Promise<{ readonly won: T | undefined }>[],
): Promise<T | undefined> {
  const found = Promise.withResolvers<T | undefined>()
  const all = races.map(async (race) => {
    const { won } = await race
    if (won !== undefined) found.resolve(won)
  })
  void Promise.all(all).then(() => found.resolve(undefined))
  return found.promise
}
