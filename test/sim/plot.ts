/**
 * `node test/sim/plot.ts [--seed s] [--sizes 100,300,…] [--whole 100,300] [--liars n]`
 *
 * Measures lookups at each size in tier B, at some sizes in tier A too, and among liars, each in a
 * process of its own, and writes what came of it to `docs/simulation/`: a page of tables, and
 * plots. Exits with 1 when something grows faster than log n, or the tiers disagree.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { agreement } from './cross-check.ts'
import { growthGoals, type LiarRow, pageOf, type Row, type SizeRow, type TierRow } from './page.ts'
import type { RunResult } from './result.ts'
import { svgOf } from './svg.ts'

const FOLDER = join(import.meta.dirname, '../../docs/simulation')
const SHARES = [0.1, 0.2, 0.3]

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    sizes: { type: 'string', default: '100,300,1000,3000,10000' },
    whole: { type: 'string', default: '100,300' },
    liars: { type: 'string', default: '10000' },
  },
})
const numbers = (list: string) => list.split(',').filter(Boolean).map(Number)
const seed = Number(values.seed)

const sizes = numbers(values.sizes).map(sizeRow)
const tiers = numbers(values.whole).map((nodes) => tierRow(nodes, sizes))
const liars = SHARES.map((share) => {
  return measured('liars', { seed, nodes: Number(values.liars), share }) as LiarRow
})
const goals = [...growthGoals(sizes), ...tiers.flatMap((row) => agreement(row.whole, row.cores))]
mkdirSync(FOLDER, { recursive: true })
writeFileSync(join(FOLDER, 'lookup.md'), pageOf({ seed, sizes, tiers, liars, goals }))
writeFileSync(join(FOLDER, 'lookup.svg'), lookupPlot(sizes))
writeFileSync(join(FOLDER, 'liars.svg'), liarsPlot(liars))
for (const { says, holds } of goals) process.stdout.write(`${holds ? 'ok' : 'MISSED'}: ${says}\n`)
process.exitCode = goals.every(({ holds }) => holds) ? 0 : 1

function sizeRow(nodes: number): SizeRow {
  return measured('size', { seed, nodes }) as SizeRow
}

/** One measurement in a process of its own, so that none pays for the memory of another. */
function measured(what: string, asked: object): Row {
  process.stderr.write(`${what} ${JSON.stringify(asked)}\n`)
  const file = join(import.meta.dirname, 'measure-one.ts')
  const { stdout, status } = spawnSync(process.execPath, [file, what, JSON.stringify(asked)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`${what} ended with ${status ?? 'a signal'}`)
  return JSON.parse(stdout) as Row
}

/** A size in tier A, beside the same size in tier B. */
function tierRow(nodes: number, all: readonly SizeRow[]): TierRow {
  process.stderr.write(`whole nodes ${nodes}\n`)
  const args = [join(import.meta.dirname, 'run.ts'), 'lookup', '--json']
  args.push('--nodes', `${nodes}`, '--seed', `${seed}`)
  const { stdout } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const run = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as RunResult
  const cores = all.find((row) => row.nodes === nodes) ?? sizeRow(nodes)
  const { lookupSuccess, rpcPerLookup, latencyMsP99, extra } = run
  if (typeof extra?.hopsMean !== 'number') throw new Error(`tier A at ${nodes} found nothing`)
  const whole = {
    reached: lookupSuccess ?? 0,
    rpcPerLookup: rpcPerLookup ?? 0,
    hopsMean: extra.hopsMean,
    msP99: latencyMsP99 ?? 0,
  }
  return { nodes, whole, cores }
}

function lookupPlot(rows: readonly SizeRow[]): string {
  const line = (name: string, value: (row: SizeRow) => number) => {
    return { name, points: rows.map((row) => [row.nodes, value(row)] as const) }
  }
  return svgOf({
    title: 'A lookup, by size of the network',
    x: 'nodes',
    y: 'count',
    lines: [
      line('peers in a table', ({ entriesMean }) => entriesMean),
      line('k·log2(n/k) + 2k', ({ entriesBound }) => entriesBound),
      line('questions of a lookup', ({ rpcPerLookup }) => rpcPerLookup),
    ],
  })
}

function liarsPlot(rows: readonly LiarRow[]): string {
  const line = (name: string, value: (row: LiarRow) => number) => {
    return { name, points: rows.map((row) => [100 * row.share, 100 * value(row)] as const) }
  }
  return svgOf({
    title: 'Lookups that reach the true closest among liars',
    x: 'liars, % of all nodes',
    y: '%',
    lines: [
      line('ours', ({ ours }) => ours.reached),
      line("stock's paths", ({ stock }) => stock.reached),
      line("stock's, burned", ({ stockBurned }) => stockBurned.reached),
    ],
  })
}
