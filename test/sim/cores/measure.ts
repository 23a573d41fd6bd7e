/**
 * Many lookups for random keys over one world, and what can be said of them.
 *
 * A lookup has reached its goal when the honest, living node closest to the key was asked and has
 * answered: from then on what it holds is known, whoever else claims to be closer. Whether it is
 * also among the k closest of the report, or among those vouched for, is counted apart.
 */

import type { DhtKey } from '../../../src/dht/key.ts'
import type { Outcome } from '../scenario.ts'
import type { Chance } from './chance.ts'
import type { EventHeap } from './heap.ts'
import { type WalkDeps, type WalkResult, walk } from './walk.ts'
import { randomKey, type SimNode } from './world.ts'

export interface TrialDeps extends WalkDeps {
  readonly chance: Chance
}

export interface TrialOptions {
  readonly lookups: number
  /** Of all nodes together, in virtual time. */
  readonly lookupsPerSecond: number
}

export interface Figures {
  readonly lookups: number
  /** Shares of the lookups, 0 to 1. */
  readonly reached: number
  readonly reported: number
  readonly vouched: number
  /** Of the k closest honest nodes, the share that was found and reported, on average. */
  readonly exact: number
  readonly rpcPerLookup: number
  readonly rpcMax: number
  readonly hopsMean: number
  readonly hopsP99: number
  readonly msP50: number
  readonly msP99: number
  readonly msMax: number
  /** Of this process, for asking and for answering. */
  readonly cpuMsPerLookup: number
}

/** A lookup that has ended. */
interface Done {
  readonly from: SimNode
  readonly target: DhtKey
  readonly result: WalkResult
}

/** What came of one lookup. */
interface Sample {
  readonly reached: boolean
  readonly reported: boolean
  readonly vouched: boolean
  readonly exact: number
  readonly questions: number
  readonly hops: number | undefined
  readonly tookMs: number
}

/** Runs the heap until all lookups have ended. */
export function measure(deps: TrialDeps, options: TrialOptions): Figures {
  const { world, heap, chance } = deps
  const ended: Done[] = []
  const askers = world.honest.filter(({ alive }) => alive)
  const look = (): void => {
    const from = askers[chance.int(askers.length)]
    if (from === undefined) return
    const target = randomKey(chance)
    walk(deps, from, target, (result) => ended.push({ from, target, result }))
  }
  const cpu = process.cpuUsage()
  schedule(heap, options, look)
  heap.run(() => ended.length === options.lookups)
  const { user, system } = process.cpuUsage(cpu)
  // Who knows the truth looks at every node: that is no cost of a lookup.
  const samples = ended.map((one) => sampleOf(deps, one))
  return figuresOf(samples, (user + system) / 1_000)
}

/** Spreads `count` events evenly over virtual time. */
function schedule(heap: EventHeap, options: TrialOptions, happen: () => void): void {
  for (let i = 0; i < options.lookups; i += 1) {
    heap.after((1_000 * i) / options.lookupsPerSecond, happen)
  }
}

function sampleOf({ world }: TrialDeps, done: Done): Sample {
  const { from, target, result } = done
  const { report, questions, tookMs, hops } = result
  const counts = (node: SimNode) => node.honest && node.alive && node !== from
  const truth = world.nearest(target, world.config.k, counts).map(({ contact }) => contact.peer)
  const found = new Set(report.closest.map(({ peer }) => peer))
  const best = truth[0]
  const reached = best !== undefined && report.answered.includes(best)
  return {
    reached,
    reported: best !== undefined && found.has(best),
    vouched: report.vouched?.some(({ peer }) => peer === best) === true,
    exact: truth.filter((peer) => found.has(peer)).length / Math.max(1, truth.length),
    questions,
    hops: reached ? hops.get(best) : undefined,
    tookMs,
  }
}

function figuresOf(samples: readonly Sample[], cpuMs: number): Figures {
  const questions = samples.map((sample) => sample.questions)
  const took = samples.map(({ tookMs }) => tookMs)
  const hops = samples.flatMap((sample) => sample.hops ?? [])
  return {
    lookups: samples.length,
    reached: mean(samples.map(({ reached }) => Number(reached))),
    reported: mean(samples.map(({ reported }) => Number(reported))),
    vouched: mean(samples.map(({ vouched }) => Number(vouched))),
    exact: mean(samples.map(({ exact }) => exact)),
    rpcPerLookup: mean(questions),
    rpcMax: quantile(questions, 1),
    hopsMean: mean(hops),
    hopsP99: quantile(hops, 0.99),
    msP50: quantile(took, 0.5),
    msP99: quantile(took, 0.99),
    msMax: quantile(took, 1),
    cpuMsPerLookup: cpuMs / Math.max(1, samples.length),
  }
}

/** What both tiers count. */
type Reported = Pick<
  Figures,
  'lookups' | 'reached' | 'rpcPerLookup' | 'hopsP99' | 'msP50' | 'msP99' | 'msMax'
>

/** What every scenario reports of its lookups. */
export function outcomeFigures(figures: Reported): Partial<Outcome> {
  return {
    lookups: figures.lookups,
    lookupSuccess: figures.reached,
    rpcPerLookup: figures.rpcPerLookup,
    hopsP99: figures.hopsP99,
    latencyMsP50: figures.msP50,
    latencyMsP99: figures.msP99,
    latencyMsMax: figures.msMax,
  }
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

/** The value that a share of all does not exceed; 0 when there are none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))
  return sorted[at] ?? 0
}
