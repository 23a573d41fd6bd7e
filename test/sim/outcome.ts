/** An outcome from what a scenario has; the figures that it does not have are null. */

import type { Outcome } from './scenario.ts'

const NONE = {
  lookups: null,
  lookupSuccess: null,
  rpcPerLookup: null,
  hopsP99: null,
  delivered: null,
  expected: null,
  latencyMsP50: null,
  latencyMsP99: null,
  latencyMsMax: null,
} as const

/** `missed` is found by the goals: figure, comparison, wanted. */
export function outcomeOf(
  found: Pick<Outcome, 'eventHash' | 'oracles'> & Partial<Outcome>,
  goals: readonly Goal[] = [],
): Outcome {
  const missed = goals.filter(({ holds }) => !holds).map(({ says }) => says)
  return { ...NONE, extra: {}, ...found, missed: [...(found.missed ?? []), ...missed] }
}

/** What a run must reach, and what is said when it does not. */
export interface Goal {
  readonly holds: boolean
  readonly says: string
}

export function atMost(what: string, found: number, most: number): Goal {
  return { holds: found <= most, says: `${what}: ${round(found)}, wanted ${most} at most` }
}

export function atLeast(what: string, found: number, least: number): Goal {
  return { holds: found >= least, says: `${what}: ${round(found)}, wanted ${least} at least` }
}

/** The value below which a share of all lies; 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
}

function round(value: number): number {
  return Math.round(1_000 * value) / 1_000
}
