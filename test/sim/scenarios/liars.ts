/**
 * Liars: a share of all nodes answers every question with made-up peers that are closer to the key
 * than anybody, and these answer too, with more of the same.
 *
 * Beside our lookup the logic of stock kad-dht's walks on the same world, with the same liars; and
 * two other lies: peers that come closer with every answer, and honest peers named under addresses
 * at which nobody answers.
 */

import type { Lie } from '../cores/liars.ts'
import { outcomeFigures } from '../cores/measure.ts'
import { runTrial, type TrialOutcome } from '../cores/trial.ts'
import { atLeast, outcomeOf } from '../outcome.ts'
import type { Outcome, RunOptions, Scenario } from '../scenario.ts'

const LOOKUPS = 1_000
/** The variants cost more for each lookup and need show only how large the difference is. */
const LOOKUPS_OF_VARIANTS = 200

export const scenario: Scenario = {
  name: 'liars',
  summary: 'Lookups while a share of the nodes names made-up peers; beside stock kad-dht',
  tier: () => 'B',
  defaults: { nodes: 10_000, adversaries: 0.2 },

  async run(options) {
    const { seed, nodes, adversaries, log } = options
    const trial = (lie: Lie, lookups: number, paths: 'ours' | 'stock' = 'ours') => {
      const outcome = runTrial({ seed, nodes, adversaries, lie, lookups, paths })
      log(`${paths} against ${lie}: ${percent(outcome.figures.reached)} of ${lookups} lookups`)
      return outcome
    }
    return judge(options, {
      ours: trial('inventing', LOOKUPS),
      stock: trial('inventing', LOOKUPS_OF_VARIANTS, 'stock'),
      lured: trial('luring', LOOKUPS_OF_VARIANTS),
      burned: trial('burning', LOOKUPS_OF_VARIANTS),
      stockBurned: trial('burning', LOOKUPS_OF_VARIANTS, 'stock'),
    })
  },
}

type Variant = 'ours' | 'stock' | 'lured' | 'burned' | 'stockBurned'

function judge(
  { adversaries }: RunOptions,
  { ours, stock, lured, burned, stockBurned }: Record<Variant, TrialOutcome>,
): Outcome {
  const { figures, oracles, eventHash } = ours
  const goal = goalFor(adversaries)
  const extra = {
    inClosest: figures.reported,
    inVouched: figures.vouched,
    stockSuccess: stock.figures.reached,
    stockRpcPerLookup: stock.figures.rpcPerLookup,
    lureSuccess: lured.figures.reached,
    lureRpcPerLookup: lured.figures.rpcPerLookup,
    burnSuccess: burned.figures.reached,
    burnMsP50: burned.figures.msP50,
    stockBurnSuccess: stockBurned.figures.reached,
    stockBurnRpcPerLookup: stockBurned.figures.rpcPerLookup,
  }
  return outcomeOf({ ...outcomeFigures(figures), eventHash, oracles, extra }, [
    atLeast('share of lookups', figures.reached, goal),
    atLeast('share of lookups that are lured on', lured.figures.reached, goal),
    atLeast('share of lookups among burned addresses', burned.figures.reached, goal),
  ])
}

/** Of the issue: 99 % at a fifth of liars, 95 % at three tenths; nothing is promised beyond. */
function goalFor(adversaries: number): number {
  if (adversaries <= 0.2) return 0.99
  return adversaries <= 0.3 ? 0.95 : 0
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
