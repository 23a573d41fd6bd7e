/**
 * One trial from its seed alone: a world with its tables filled, a network, its liars if there are
 * any, and lookups over it. Nothing is kept from one trial to the next.
 */

import { type Chance, chance } from './chance.ts'
import { EventHeap } from './heap.ts'
import { type Lie, liars } from './liars.ts'
import { type Figures, mean, measure, quantile } from './measure.ts'
import { Network } from './network.ts'
import { type Oracles, worldOracles } from './oracles.ts'
import { STOCK, StockPaths } from './stock-paths.ts'
import type { WalkDeps } from './walk.ts'
import { World } from './world.ts'

export interface Trial {
  readonly seed: number
  readonly nodes: number
  readonly lookups: number
  readonly adversaries?: number
  readonly lie?: Lie
  /** Ours unless told otherwise. */
  readonly paths?: 'ours' | 'stock'
}

/** Peers in a table. */
export interface Entries {
  readonly mean: number
  readonly max: number
  /** What the mean may be: k for each prefix that k others share, and 2k beyond. */
  readonly bound: number
}

/** Figures only: the world of a trial takes hundreds of megabytes and is let go. */
export interface TrialOutcome {
  readonly figures: Figures
  readonly entries: Entries
  readonly oracles: Oracles
  readonly eventHash: string
}

/** Lookups of all nodes together; low enough that they hardly meet. */
const LOOKUPS_PER_SECOND = 100

export function runTrial(trial: Trial): TrialOutcome {
  const { seed, nodes, lookups, adversaries = 0, lie, paths = 'ours' } = trial
  const world = new World({ seed, nodes, adversaries })
  world.fillTables(seed)
  const heap = new EventHeap()
  const draw = chance(seed, 'run')
  const adversary = lie === undefined ? {} : { adversary: liars(lie, world, draw) }
  const network = new Network({ world, heap, chance: draw, ...adversary })
  const core = paths === 'stock' ? stockCore(draw) : {}
  const figures = measure(
    { world, heap, network, chance: draw, ...core },
    { lookups, lookupsPerSecond: LOOKUPS_PER_SECOND },
  )
  // What is still on its way comes to rest, so that what was lost shows.
  heap.run(() => false)
  const oracles = worldOracles(world, network)
  return { figures, entries: entriesOf(world), oracles, eventHash: heap.eventHash() }
}

function entriesOf({ nodes, config: { k } }: World): Entries {
  const sizes = nodes.map(({ table }) => table.size)
  const bound = k * Math.max(0, Math.log2(nodes.length / k)) + 2 * k
  return { mean: mean(sizes), max: quantile(sizes, 1), bound }
}

function stockCore(draw: Chance): Pick<WalkDeps, 'core' | 'timeoutMs'> {
  return {
    core: (target, self, seeds) => new StockPaths(target, self, seeds, draw),
    timeoutMs: STOCK.timeoutMs,
  }
}
