/**
 * Eclipse of a key: 45 Sybils nearer to it than any honest node, which answer, hold nothing and
 * name only each other. Values written while they are there are read back by honest nodes, with
 * the Sybils in many networks and in few; beside it the same without the rule of the region.
 */

import { lay, plan, type SiegeOptions, type SiegeOutcome } from '../cores/siege.ts'
import { atLeast, outcomeOf } from '../outcome.ts'
import type { Outcome, Scenario } from '../scenario.ts'

const KEYS = 4
const READS_PER_KEY = 50
const SYBILS_PER_KEY = 45
const FEW_SITES = 4
const SUCCESS_MIN = 0.99

export const scenario: Scenario = {
  name: 'eclipse',
  summary: 'Reads of a key around which 45 Sybils lie; beside the same without the region rule',
  tier: () => 'B',
  defaults: { nodes: 10_000, adversaries: 0 },

  async run({ seed, nodes, log }) {
    const keys = { keys: KEYS, readsPerKey: READS_PER_KEY, sybilsPerKey: SYBILS_PER_KEY }
    const siege = plan({ seed, nodes, ...keys })
    const besiege = async (what: string, how: SiegeOptions): Promise<SiegeOutcome> => {
      const outcome = await lay(siege, how)
      log(`${what}: ${percent(outcome.success)} of ${outcome.reads} reads`)
      return outcome
    }
    const many = await besiege('Sybils in many networks', { region: true })
    const few = await besiege('Sybils in few networks', { sites: FEW_SITES, region: true })
    const plain = await besiege('without the region', { region: false })
    return judge(many, few, plain)
  },
}

function judge(many: SiegeOutcome, few: SiegeOutcome, plain: SiegeOutcome): Outcome {
  const lost = [many, few].some(({ holdersMin }) => holdersMin === 0)
  const stale = many.stale + few.stale
  const found = {
    lookups: many.reads,
    lookupSuccess: many.success,
    rpcPerLookup: many.rpcPerRead,
    latencyMsP50: many.msP50,
    latencyMsP99: many.msP99,
    latencyMsMax: many.msMax,
    eventHash: many.eventHash,
    oracles: {
      replicas: lost ? ['a value is held by no honest node'] : [],
      versions: stale > 0 ? [`${stale} reads found an older version`] : [],
    },
    extra: {
      holdersMin: many.holdersMin,
      crowded: many.crowded,
      rpcPerWrite: many.rpcPerWrite,
      fewSitesSuccess: few.success,
      fewSitesHoldersMin: few.holdersMin,
      withoutRegionSuccess: plain.success,
      withoutRegionHoldersMin: plain.holdersMin,
      withoutRegionRpcPerRead: plain.rpcPerRead,
    },
  }
  return outcomeOf(found, [
    atLeast('share of reads, Sybils in many networks', many.success, SUCCESS_MIN),
    atLeast('share of reads, Sybils in few networks', few.success, SUCCESS_MIN),
  ])
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
