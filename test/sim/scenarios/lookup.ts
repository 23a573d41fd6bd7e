/**
 * Lookups for random keys in a healthy network whose tables are warm: how many questions and hops
 * they take, how long, and whether they find the true closest.
 *
 * Up to 1,000 nodes they are whole nodes, and the protocol cores alone are run beside them: from
 * 100 nodes on the two must agree. Beyond, it is the cores.
 */

import { outcomeFigures } from '../cores/measure.ts'
import { runTrial } from '../cores/trial.ts'
import { agreement } from '../cross-check.ts'
import { atLeast, atMost, type Goal, outcomeOf } from '../outcome.ts'
import type { Outcome, RunOptions, Scenario } from '../scenario.ts'

const WHOLE_NODES_MAX = 1_000
/** Below this a table is most of the network, and each peer that it lacks shows. */
const AGREE_NODES_MIN = 100
const LOOKUPS = { whole: 1_000, cores: 2_000 }
const SUCCESS_MIN = 0.999
const HOPS_P99_MAX = 4
const QUESTIONS_MAX = 55
const MS_P99_MAX = 500

export const scenario: Scenario = {
  name: 'lookup',
  summary: 'Lookups for random keys with warm tables: success, hops, questions, latency',
  tier: (nodes) => (nodes <= WHOLE_NODES_MAX ? 'A' : 'B'),
  defaults: { nodes: 10_000, adversaries: 0 },
  run: async (options) => {
    return options.nodes <= WHOLE_NODES_MAX ? runWhole(options) : runCores(options)
  },
}

/** Tier A: whole nodes over simulated links, beside the cores. */
async function runWhole({ seed, nodes, log }: RunOptions): Promise<Outcome> {
  const cores = runTrial({ seed, nodes, lookups: LOOKUPS.cores }).figures
  // Loaded when needed: it replaces the clocks of this process.
  const { lookupsOfWholeNodes } = await import('../whole/lookups.ts')
  const figures = await lookupsOfWholeNodes({ seed, nodes, log, lookups: LOOKUPS.whole })
  const { eventHash, oracles } = figures
  const extra = {
    hopsMean: figures.hopsMean,
    exact: figures.exact,
    cpuMsPerLookup: figures.cpuMsPerLookup,
    entriesMean: figures.entriesMean,
    entriesMax: figures.entriesMax,
    coresRpcPerLookup: cores.rpcPerLookup,
    coresHopsMean: cores.hopsMean,
  }
  return outcomeOf({ ...outcomeFigures(figures), eventHash, oracles, extra }, [
    ...goals(figures),
    ...(nodes >= AGREE_NODES_MIN ? agreement(figures, cores) : []),
  ])
}

/** Tier B: the protocol cores on a heap of messages. */
function runCores({ seed, nodes, log }: RunOptions): Outcome {
  const lookups = LOOKUPS.cores
  const { figures, entries, oracles, eventHash } = runTrial({ seed, nodes, lookups })
  log(`${nodes} nodes, ${figures.rpcPerLookup.toFixed(1)} questions for each lookup`)
  const inexact = figures.exact < 1 ? [`only ${figures.exact} of the true closest`] : []
  const found = {
    ...outcomeFigures(figures),
    eventHash,
    oracles: { ...oracles, closest: inexact },
    extra: {
      hopsMean: figures.hopsMean,
      rpcMax: figures.rpcMax,
      exact: figures.exact,
      cpuMsPerLookup: figures.cpuMsPerLookup,
      entriesMean: entries.mean,
      entriesMax: entries.max,
      entriesBound: entries.bound,
    },
  }
  return outcomeOf(found, [...goals(figures), atMost('table entries', entries.mean, entries.bound)])
}

interface Reached {
  readonly reached: number
  readonly hopsP99: number
  readonly rpcPerLookup: number
  readonly msP99: number
}

function goals({ reached, hopsP99, rpcPerLookup, msP99 }: Reached): readonly Goal[] {
  return [
    atLeast('share of lookups', reached, SUCCESS_MIN),
    atMost('hops p99', hopsP99, HOPS_P99_MAX),
    atMost('questions per lookup', rpcPerLookup, QUESTIONS_MAX),
    atMost('ms p99', msP99, MS_P99_MAX),
  ]
}
