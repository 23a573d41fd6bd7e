/** What a ledger says, as the figures and complaints of a scenario. */

import { atLeast, type Goal, quantile } from '../outcome.ts'
import type { Due, Ledger } from './ledger.ts'

const COMPLAINTS_MAX = 10

export function figuresOf(ledger: Ledger, due: Due) {
  const { delivered, expected, unsaid, latenciesMs, missing } = ledger.heard(due)
  const whatIsLacking = missing.length === 0 ? '' : `; ${missing[0] ?? ''}`
  return {
    unsaid,
    latenciesMs,
    figures: {
      delivered,
      expected,
      latencyMsP50: quantile(latenciesMs, 0.5),
      latencyMsP99: quantile(latenciesMs, 0.99),
      latencyMsMax: quantile(latenciesMs, 1),
    },
    // Nothing twice, and nothing that its author did not say.
    oracles: { once: ledger.wrong.slice(0, COMPLAINTS_MAX) },
    /** That something was due, and which share of it must have come. */
    goals: (shareMin: number): readonly Goal[] => {
      const share = atLeast('share delivered', delivered / Math.max(1, expected), shareMin)
      return [
        { ...share, says: `${share.says}${whatIsLacking}` },
        atLeast('deliveries due', expected, 1),
      ]
    },
  }
}
