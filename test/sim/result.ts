/** What a run is asked for and what it prints, and many runs of one scenario as one summary. */

import type { Outcome, RunOptions } from './scenario.ts'

/** One run, as it crosses to its process. */
export interface Run extends Partial<Omit<RunOptions, 'log'>> {
  readonly scenario: string
  readonly seed: number
}

/** One line of JSON. `failed` is empty when every oracle is content and every goal reached. */
export interface RunResult extends Partial<Outcome> {
  readonly scenario: string
  readonly tier: 'A' | 'B'
  readonly nodes: number
  readonly adversaries: number
  readonly seed: number
  readonly failed: readonly string[]
  readonly rssMb: number
  readonly wallS: number
  readonly cpuS: number
}

export function parseRun(text: string): Run {
  const run = JSON.parse(text) as Run
  if (!/^[a-z][a-z0-9-]*$/.test(run.scenario)) throw new RangeError(`no scenario: ${text}`)
  return run
}

/** Means of figures over several seeds, and the worst of each latency. */
export function summaryOf(results: readonly RunResult[]): Record<string, unknown> {
  const [first] = results
  const mean = (figure: keyof RunResult) => {
    const values = results.map((one) => one[figure]).filter((one) => typeof one === 'number')
    if (values.length === 0) return null
    return Math.round((10_000 * values.reduce((sum, one) => sum + one, 0)) / values.length) / 10_000
  }
  const sum = (figure: keyof RunResult) => {
    const values = results.map((one) => one[figure]).filter((one) => typeof one === 'number')
    return values.length === 0 ? null : values.reduce((total, one) => total + one, 0)
  }
  const most = (figure: keyof RunResult) => {
    const values = results.map((one) => one[figure]).filter((one) => typeof one === 'number')
    return values.length === 0 ? null : Math.max(...values)
  }
  return {
    scenario: first?.scenario,
    tier: first?.tier,
    nodes: first?.nodes,
    adversaries: first?.adversaries,
    seed: first?.seed,
    seeds: results.length,
    eventHash: first?.eventHash ?? null,
    eventHashes: new Set(results.map(({ eventHash }) => eventHash)).size,
    lookups: sum('lookups'),
    lookupSuccess: mean('lookupSuccess'),
    rpcPerLookup: mean('rpcPerLookup'),
    hopsP99: most('hopsP99'),
    delivered: sum('delivered'),
    expected: sum('expected'),
    latencyMsP50: mean('latencyMsP50'),
    latencyMsP99: most('latencyMsP99'),
    latencyMsMax: most('latencyMsMax'),
    rssMb: most('rssMb'),
    wallS: sum('wallS'),
    failed: results.flatMap(({ seed, failed }) => failed.map((why) => `seed ${seed}: ${why}`)),
  }
}
