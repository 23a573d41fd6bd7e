/**
 * One run of one scenario, in a process of its own: `node one-run.ts '{"scenario": …}'`. Prints
 * the result as the last line on standard output. `run.ts` starts it.
 */

import { readFileSync } from 'node:fs'
import { parseRun, type RunResult } from './result.ts'
import type { Scenario } from './scenario.ts'

// A stack for each of a million aborted timers is most of what an abort costs.
Error.stackTraceLimit = 4
const realNow = performance.now.bind(performance)
const startedMs = realNow()
const { scenario: name, ...asked } = parseRun(process.argv[2] ?? '{}')
const { scenario } = (await import(`./scenarios/${name}.ts`)) as { scenario: Scenario }
const options = { ...scenario.defaults, ...asked }
const log = (line: string) => process.stderr.write(`${name}: [${cost().cpuS} s] ${line}\n`)
const result = await run()
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exitCode = result.failed.length === 0 ? 0 : 1
// Whatever still waits in virtual time waits for ever.
process.exit()

async function run(): Promise<RunResult> {
  const { nodes, adversaries, seed } = options
  const head = { scenario: name, tier: scenario.tier(nodes), nodes, adversaries, seed }
  try {
    const { missed, ...outcome } = await scenario.run({ ...options, log })
    const broken = Object.entries(outcome.oracles).flatMap(([oracle, found]) =>
      found.map((complaint) => `${oracle}: ${complaint}`),
    )
    return { ...head, ...outcome, missed, failed: [...broken, ...missed], ...cost() }
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { ...head, missed: [], oracles: {}, extra: {}, failed: [`thrown: ${why}`], ...cost() }
  }
}

function cost() {
  const wallS = Math.round((realNow() - startedMs) / 10) / 100
  const { user, system } = process.cpuUsage()
  return { rssMb: peakMb(), wallS, cpuS: Math.round((user + system) / 10_000) / 100 }
}

/** The most memory that this process ever had; only Linux says so. */
function peakMb(): number {
  try {
    const kib = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    if (kib !== undefined) return Math.round(Number(kib) / 1_024)
  } catch {
    // Elsewhere what it has now must do.
  }
  return Math.round(process.memoryUsage().rss / 1_048_576)
}
