/**
 * What a scenario is: a world made from a seed, what is done to it, and what came of it.
 *
 * A scenario is a value: its faults and attackers are data, so that a failing seed can be run again
 * and made smaller. `run.ts` runs it and prints its outcome as one JSON object.
 */

import type { Fault } from '../../src/testing/index.ts'

/** How a scenario is run; all of it comes from the command line. */
export interface RunOptions {
  /** Everything that happens by chance follows from it. */
  readonly seed: number
  readonly nodes: number
  /** The share of attackers, 0 to 1; a scenario without any ignores it. */
  readonly adversaries: number
  /** In place of the scenario's own faults, as when a failing run is made smaller. */
  readonly faults?: readonly Fault[]
  /** For people, on standard error. */
  readonly log: (line: string) => void
}

/** What every scenario reports; a figure that it does not have is null. */
export interface Outcome {
  readonly lookups: number | null
  /** Share of the lookups that found what is true, 0 to 1. */
  readonly lookupSuccess: number | null
  readonly rpcPerLookup: number | null
  readonly hopsP99: number | null
  readonly delivered: number | null
  readonly expected: number | null
  readonly latencyMsP50: number | null
  readonly latencyMsP99: number | null
  readonly latencyMsMax: number | null
  /** SHA-256 over every event in its order, as hex. */
  readonly eventHash: string
  /** Every oracle that looked, and what it found wrong: an empty list is good. */
  readonly oracles: Readonly<Record<string, readonly string[]>>
  /** Why the run does not reach its goal; empty when it does. */
  readonly missed: readonly string[]
  /** Figures of this scenario alone. */
  readonly extra: Readonly<Record<string, number | string | boolean | null>>
  /** What was done to the world, where it can be taken away piece by piece. */
  readonly faults?: readonly Fault[]
}

/** One kind of world and what happens in it. */
export interface Scenario {
  readonly name: string
  readonly summary: string
  /** A: whole nodes over simulated links; B: the protocol cores on a heap of messages. */
  readonly tier: (nodes: number) => 'A' | 'B'
  readonly defaults: { readonly nodes: number; readonly adversaries: number }
  readonly run: (options: RunOptions) => Promise<Outcome>
}
