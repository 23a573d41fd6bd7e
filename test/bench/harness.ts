/**
 * What a bench is, and how one is run: ours and its peers in turn, in processes of their own.
 *
 * A bench is a file `test/bench/<name>.ts` that exports `bench`. In every round each side is asked
 * once, ours first, so that whatever else the machine does falls on all of them alike. A side
 * starts its processes with `run.start` (see `harness-worker.ts`); they end with the round.
 */

import { type Machine, machine } from './harness-machine.ts'
import { type WorkerOptions, WorkerProcess } from './harness-process.ts'

/** Metric → number, as one side measured them in one round. */
export type Measured = Readonly<Record<string, number>>

/** One round of one side. */
export type Side = (run: Run) => Promise<Measured>

export interface Metric {
  readonly unit: string
  readonly better: 'higher' | 'lower'
}

/** A bound for a median (`ours.<metric>`) or for a ratio (`ratio.<name>`). */
export type Goal = { readonly atLeast: number } | { readonly atMost: number }

export interface Bench {
  readonly name: string
  /** One sentence: what is done, and how it is counted. */
  readonly what: string
  /** Packages whose versions the result names, from `node_modules` or `test/bench/peers`. */
  readonly packages: readonly string[]
  readonly metrics: Readonly<Record<string, Metric>>
  readonly ours: Side
  readonly peers: Readonly<Record<string, Side>>
  /** Name of a ratio → the metric of ours and `<peer>.<metric>`; above 1, ours is better. */
  readonly ratios: Readonly<Record<string, readonly [ours: string, peer: string]>>
  readonly goals: Readonly<Record<string, Goal>>
  /** How to read the figures: conditions, who served what, what is not comparable. */
  readonly notes?: readonly string[]
  /** Once before the first round; what it returns is disposed of after the last. */
  readonly prepare?: (run: Run) => Promise<AsyncDisposable | undefined>
}

/** What a side has at hand in one round. */
export interface Run {
  /** The form for CI: as little as still shows that it works. */
  readonly short: boolean
  /** From 0; −1 while preparing. */
  readonly round: number
  /** Starts a worker; it is ended with the round (one started in `prepare`: with the bench). */
  start(file: string | URL, options?: WorkerOptions): Promise<WorkerProcess>
}

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export type Spreads = Readonly<Record<string, Spread>>

/** The one object that `--json` prints. */
export interface Result {
  readonly name: string
  readonly ours: Spreads
  readonly peer: Readonly<Record<string, Spreads>>
  readonly ratio: Readonly<Record<string, number>>
  readonly runs: number
  readonly machine: Machine
}

export interface RunOptions {
  readonly short: boolean
  readonly rounds: number
  /** Told after each side of each round. */
  readonly progress: (line: string) => void
}

/** Runs a bench. Throws when a side fails or leaves out what the bench promises. */
export async function runBench(bench: Bench, options: RunOptions): Promise<Result> {
  const { short, rounds, progress } = options
  const sides = { ours: bench.ours, ...bench.peers }
  const rows = new Map(Object.keys(sides).map((side) => [side, [] as Measured[]]))
  await using forAll = new RunOf(short, -1)
  await using _ = await bench.prepare?.(forAll)
  for (let round = 0; round < rounds; round += 1) {
    for (const [side, measure] of Object.entries(sides)) {
      await using run = new RunOf(short, round)
      const measured = await measure(run)
      checkMeasured(bench, side, measured)
      rows.get(side)?.push(measured)
      progress(`${bench.name} ${round + 1}/${rounds} ${side}: ${show(measured)}`)
    }
  }
  return summary(bench, rows, rounds)
}

/** Puts the rounds together. Throws when a ratio or a goal names what nobody measured. */
export function summary(
  bench: Bench,
  rows: ReadonlyMap<string, readonly Measured[]>,
  runs: number,
): Result {
  const spreads = new Map([...rows].map(([side, measured]) => [side, spreadsOf(measured)]))
  const { ours = {}, ...peer } = Object.fromEntries(spreads)
  const ratio: Record<string, number> = {}
  for (const [name, [metric, other]] of Object.entries(bench.ratios)) {
    const [side = '', theirMetric = ''] = other.split('.')
    const mine = need(ours[metric], bench, `ours.${metric}`).median
    const theirs = need(peer[side]?.[theirMetric], bench, other).median
    const better = need(bench.metrics[metric], bench, metric).better
    ratio[name] = round3(better === 'higher' ? mine / theirs : theirs / mine)
  }
  const result = { name: bench.name, ours, peer, ratio, runs, machine: machine(bench.packages) }
  for (const path of Object.keys(bench.goals)) need(valueAt(result, path), bench, `goal ${path}`)
  return result
}

/** What a goal's name stands for: a ratio, or the median of a metric of ours. */
export function valueAt({ ours, ratio }: Result, path: string): number | undefined {
  const [of, name = ''] = path.split('.')
  return of === 'ratio' ? ratio[name] : ours[name]?.median
}

/** Whether a value keeps to a goal. */
export function meets(value: number, goal: Goal): boolean {
  return 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost
}

function checkMeasured(bench: Bench, side: string, measured: Measured): void {
  for (const [metric, value] of Object.entries(measured)) {
    need(bench.metrics[metric], bench, `metrics.${metric}`)
    if (!Number.isFinite(value)) {
      throw new TypeError(`bench ${bench.name}: ${side}.${metric} is ${String(value)}`)
    }
  }
}

function spreadsOf(rows: readonly Measured[]): Spreads {
  const metrics = new Set(rows.flatMap((row) => Object.keys(row)))
  return Object.fromEntries([...metrics].map((metric) => [metric, spreadOf(rows, metric)]))
}

function spreadOf(rows: readonly Measured[], metric: string): Spread {
  const values = rows.flatMap((row) => row[metric] ?? []).sort((a, b) => a - b)
  if (values.length !== rows.length) throw new TypeError(`${metric}: not measured in every round`)
  const middle = values.length >> 1
  const [low = 0, high = 0] = [values[middle - 1], values[middle]]
  const median = values.length % 2 === 1 ? high : (low + high) / 2
  return { min: round3(values.at(0) ?? 0), median: round3(median), max: round3(values.at(-1) ?? 0) }
}

function need<T>(value: T | undefined, { name }: Bench, what: string): T {
  if (value === undefined) throw new TypeError(`bench ${name}: nobody measured ${what}`)
  return value
}

/** Three digits behind the point, and three that count for what is small. */
export function round3(value: number): number {
  return Math.abs(value) < 1 ? Number(value.toPrecision(3)) : Math.round(value * 1_000) / 1_000
}

function show(measured: Measured): string {
  return Object.entries(measured)
    .map(([metric, value]) => `${metric} ${round3(value)}`)
    .join(', ')
}

class RunOf implements Run, AsyncDisposable {
  readonly short: boolean
  readonly round: number
  readonly #workers: WorkerProcess[] = []

  constructor(short: boolean, round: number) {
    this.short = short
    this.round = round
  }

  async start(file: string | URL, options: WorkerOptions = {}): Promise<WorkerProcess> {
    const worker = new WorkerProcess(file, options)
    this.#workers.push(worker)
    await worker.ready
    return worker
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker[Symbol.asyncDispose]()))
  }
}
