/**
 * Whether the two tiers say the same of one network: whole nodes over simulated links, and the
 * protocol cores on a heap of messages. Where they do, what tier B shows of ten thousand nodes may
 * be believed; they may differ by a tenth, for whole nodes join, refresh and forget.
 */

import type { Goal } from './outcome.ts'

const DIFFERENCE_MAX = 0.1

/** What both tiers count. */
export interface Counted {
  readonly rpcPerLookup: number
  readonly hopsMean: number
}

export function agreement(whole: Counted, cores: Counted): readonly Goal[] {
  const compare = (what: string, a: number, b: number): Goal => ({
    holds: Math.abs(a - b) <= DIFFERENCE_MAX * b,
    says: `${what}: ${a.toFixed(2)} in tier A, ${b.toFixed(2)} in tier B`,
  })
  return [
    compare('questions per lookup', whole.rpcPerLookup, cores.rpcPerLookup),
    compare('hops', whole.hopsMean, cores.hopsMean),
  ]
}
