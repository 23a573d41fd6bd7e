/**
 * Telling everybody, with nothing wrong: each node is connected to six others, random ones speak.
 * Everything must come to everybody, once, within six ways and a heartbeat.
 *
 * Up to 1,000 nodes they are whole nodes, and the model of the mesh is run beside them: from 60
 * on the two must agree. Beyond, it is the model, around the production modules.
 */

import { type MeshFigures, MeshWorld } from '../gossip/mesh/world.ts'
import { HEARTBEAT_MS, ONE_WAY_MS, PADDING, RINGS } from '../gossip/size.ts'
import { atLeast, atMost, type Goal, outcomeOf, quantile } from '../outcome.ts'
import type { Outcome, RunOptions, Scenario } from '../scenario.ts'

const WHOLE_NODES_MAX = 1_000
/** With fewer the draws of one world say little. */
const COMPARED_NODES_MIN = 60
const DIFFERENCE_MAX = 0.15
const MESSAGES = 50
const PAUSE_MS = 250
/** Until every mesh has its size. */
const MESH_MS = 6_000
const WINDOW_MS = 10_000
const LATENCY_MS_P99_MAX = 6 * ONE_WAY_MS + HEARTBEAT_MS
const TALK = { messages: MESSAGES, pauseMs: PAUSE_MS, windowMs: WINDOW_MS }

export const scenario: Scenario = {
  name: 'gossip',
  summary: 'Messages of random nodes to all others over a mesh, with nothing wrong',
  tier: (nodes) => (nodes <= WHOLE_NODES_MAX ? 'A' : 'B'),
  defaults: { nodes: 100, adversaries: 0 },
  run: (options) => (options.nodes <= WHOLE_NODES_MAX ? runWhole(options) : runModel(options)),
}

async function runWhole(options: RunOptions): Promise<Outcome> {
  const model = modelled(options)
  // Loaded when needed: it replaces the clocks of this process.
  const { talkOfWholeNodes } = await import('../gossip/whole.ts')
  const whole = await talkOfWholeNodes(options, { ...TALK, settleMs: MESH_MS })
  const { figures, oracles, goals, eventHash } = whole
  const latencyMsMean = mean(whole.latenciesMs)
  const extra = {
    messages: MESSAGES,
    latencyMsMean,
    admissionsPerDelivery: whole.admissionsPerDelivery,
    modelLatencyMsMean: mean(model.latenciesMs),
    modelLatencyMsP50: quantile(model.latenciesMs, 0.5),
    modelLatencyMsP99: quantile(model.latenciesMs, 0.99),
    modelAdmissionsPerDelivery: model.admissionsPerDelivery,
  }
  const compared =
    options.nodes < COMPARED_NODES_MIN ? [] : agreement({ ...whole, ...extra }, model)
  return outcomeOf({ ...figures, eventHash, oracles, extra }, [
    ...goals(1),
    atMost('ms p99', figures.latencyMsP99, LATENCY_MS_P99_MAX),
    ...compared,
  ])
}

/** Tier B: the model of the mesh on a heap of messages. */
async function runModel(options: RunOptions): Promise<Outcome> {
  const { latenciesMs, delivered, expected, eventHash, ...found } = modelled(options)
  const figures = {
    delivered,
    expected,
    latencyMsP50: quantile(latenciesMs, 0.5),
    latencyMsP99: quantile(latenciesMs, 0.99),
    latencyMsMax: quantile(latenciesMs, 1),
  }
  const { admissionsPerDelivery } = found
  const extra = { messages: MESSAGES, latencyMsMean: mean(latenciesMs), admissionsPerDelivery }
  return outcomeOf({ ...figures, eventHash, oracles: {}, extra }, [
    atLeast('delivered', delivered, expected),
    atMost('delivered', delivered, expected),
    atMost('ms p99', figures.latencyMsP99, LATENCY_MS_P99_MAX),
  ])
}

function modelled({ seed, nodes, log }: RunOptions): MeshFigures {
  const world = new MeshWorld({ seed, nodes, rings: RINGS, oneWayMs: ONE_WAY_MS })
  world.settle(MESH_MS)
  const figures = world.talk({ ...TALK, text: PADDING })
  log(`the model of ${nodes} nodes has spoken`)
  return figures
}

/** Ways are whole, so a median may jump by one; means do not. */
function agreement(
  whole: Pick<MeshFigures, 'admissionsPerDelivery' | 'latenciesMs'>,
  model: MeshFigures,
): readonly Goal[] {
  const compare = (what: string, a: number, b: number): Goal => ({
    holds: Math.abs(a - b) <= DIFFERENCE_MAX * b,
    says: `${what}: ${a.toFixed(2)} in tier A, ${b.toFixed(2)} in tier B`,
  })
  return [
    compare('mean ms', mean(whole.latenciesMs), mean(model.latenciesMs)),
    compare('admissions', whole.admissionsPerDelivery, model.admissionsPerDelivery),
  ]
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
