/**
 * `npm run sim -- <scenario> [--nodes n] [--adversaries f] [--seed s] [--seeds n] [--json]`
 *
 * Runs a scenario, each seed in a process of its own, because a simulation replaces the clocks of
 * the process it runs in. Prints for people; with `--json` one object a line, the last of them the
 * summary, which for one seed is the run itself. Without a scenario it lists what there is. Exits
 * with 1 when an oracle complains or a goal is missed.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Fault } from '../../src/testing/index.ts'
import { type Run, type RunResult, summaryOf } from './result.ts'
import type { Scenario } from './scenario.ts'
import { shrink } from './shrink.ts'

const here = import.meta.dirname

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: 'string' },
    adversaries: { type: 'string' },
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    faults: { type: 'string' },
    shrink: { type: 'boolean', default: false },
  },
})

const [name] = positionals
if (name === undefined) await list()
else process.exitCode = (await runAll(name)) ? 0 : 1

async function list(): Promise<void> {
  const names = readdirSync(join(here, 'scenarios')).filter((file) => /^[a-z-]+\.ts$/.test(file))
  for (const file of names.sort()) {
    const { scenario } = (await import(`./scenarios/${file}`)) as { scenario: Scenario }
    const { nodes, adversaries } = scenario.defaults
    const usual = `${nodes} nodes${adversaries > 0 ? `, ${adversaries} attackers` : ''}`
    process.stdout.write(`${scenario.name.padEnd(16)} ${scenario.summary} (${usual})\n`)
  }
}

/** Whether every seed did what it must. */
async function runAll(scenario: string): Promise<boolean> {
  const first = Number(values.seed)
  const results: RunResult[] = []
  for (let seed = first; seed < first + Number(values.seeds); seed += 1) {
    const result = await runOne(asked(scenario, seed))
    results.push(result)
    if (values.json && Number(values.seeds) > 1) print(result)
    if (!values.json) tell(result)
    if (result.failed.length > 0 && values.shrink) await makeSmaller(asked(scenario, seed), result)
  }
  const [only] = results
  if (values.json) print(results.length === 1 && only ? only : summaryOf(results))
  return results.every(({ failed }) => failed.length === 0)
}

function asked(scenario: string, seed: number): Run {
  return {
    scenario,
    seed,
    ...(values.nodes !== undefined && { nodes: Number(values.nodes) }),
    ...(values.adversaries !== undefined && { adversaries: Number(values.adversaries) }),
    ...(values.faults !== undefined && { faults: JSON.parse(values.faults) as Fault[] }),
  }
}

async function runOne(run: Run): Promise<RunResult> {
  const flags = ['--max-old-space-size=12288', join(here, 'one-run.ts')]
  const child = spawn(process.execPath, [...flags, JSON.stringify(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const pieces: Buffer[] = []
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  const [code] = (await once(child, 'close')) as [number | null]
  const last = Buffer.concat(pieces).toString().trim().split('\n').at(-1) ?? ''
  if (!last.startsWith('{')) throw new Error(`${run.scenario} ended with ${code} and no result`)
  return JSON.parse(last) as RunResult
}

/** Finds the least that still fails, and prints how to see it. */
async function makeSmaller(run: Run, failing: RunResult): Promise<void> {
  const log = (line: string) => process.stderr.write(`shrink: ${line}\n`)
  const full: Run = {
    ...run,
    nodes: failing.nodes,
    ...(failing.faults && { faults: failing.faults }),
  }
  const fails = async (one: Run) => (await runOne(one)).failed.length > 0
  const least = await shrink(full, fails, log)
  process.stderr.write(`least that fails:\n  ${commandOf(least)}\n`)
}

function commandOf({ scenario, seed, nodes, adversaries, faults }: Run): string {
  const parts = [`npm run sim -- ${scenario} --seed ${seed}`]
  if (nodes !== undefined) parts.push(`--nodes ${nodes}`)
  if (adversaries !== undefined) parts.push(`--adversaries ${adversaries}`)
  if (faults !== undefined) parts.push(`--faults '${JSON.stringify(faults)}'`)
  return parts.join(' ')
}

function tell(result: RunResult): void {
  const { scenario, seed, nodes, failed, wallS, rssMb } = result
  const how = failed.length === 0 ? 'ok' : 'FAILED'
  process.stdout.write(
    `${scenario} seed ${seed}: ${how}, ${nodes} nodes, ${wallS} s, ${rssMb} MB\n`,
  )
  for (const [figure, value] of Object.entries({ ...result, ...result.extra })) {
    if (typeof value === 'number') process.stdout.write(`  ${figure.padEnd(16)} ${value}\n`)
  }
  process.stdout.write(`  ${'eventHash'.padEnd(16)} ${result.eventHash ?? ''}\n`)
  for (const why of failed) process.stdout.write(`  failed: ${why}\n`)
}

function print(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`)
}
