/** The page of figures that `plot.ts` writes: rows in, Markdown out. */

import type { Figures } from './cores/measure.ts'
import type { SteadyFigures } from './cores/steady.ts'
import type { Goal } from './outcome.ts'

export interface SizeRow extends Figures, SteadyFigures {
  readonly nodes: number
  readonly entriesMean: number
  readonly entriesMax: number
  readonly entriesBound: number
  readonly rssMb: number
  readonly wallS: number
}

export interface TierRow {
  readonly nodes: number
  readonly whole: Pick<Figures, 'reached' | 'rpcPerLookup' | 'hopsMean' | 'msP99'>
  readonly cores: SizeRow
}

export interface LiarRow {
  readonly nodes: number
  readonly share: number
  readonly ours: Figures
  readonly stock: Figures
  readonly burned: Figures
  readonly stockBurned: Figures
}

export type Row = SizeRow | LiarRow

export interface Page {
  readonly seed: number
  readonly sizes: readonly SizeRow[]
  readonly tiers: readonly TierRow[]
  readonly liars: readonly LiarRow[]
  readonly goals: readonly Goal[]
}

/** From here on nothing may grow faster than log n. */
const GROWTH_FROM = 1_000
const GROWING = ['cpuMsPerLookup', 'messagesPerNodeSecond', 'rpcPerLookup'] as const

/** What must grow no faster than log n, from 1,000 nodes to the largest size. */
export function growthGoals(rows: readonly SizeRow[]): readonly Goal[] {
  const from = rows.find(({ nodes }) => nodes >= GROWTH_FROM)
  const to = rows.at(-1)
  if (from === undefined || to === undefined || from === to) return []
  const most = Math.log(to.nodes) / Math.log(from.nodes)
  return GROWING.map((figure) => {
    const times = to[figure] / from[figure]
    const says =
      `${figure} grows × ${times.toFixed(2)} from ${from.nodes} to ${to.nodes} nodes; ` +
      `log n grows × ${most.toFixed(2)}`
    return { holds: times <= most, says }
  })
}

export function pageOf({ seed, sizes, tiers, liars, goals }: Page): string {
  return `# Lookups, simulated

Written by \`node test/sim/plot.ts --seed ${seed}\`; do not edit. How it works: [simulator](../simulator.md).
Tier B is the production code of \`src/dht\` (table, lookup, search, members, upkeep) on a heap of
messages, with filled tables and 50 ms there and back.

${sizeTable(sizes)}

CPU: of one core, for asking and for all who answer. Messages: sent by one node whose user looks for
something once a minute; idle: without the user.

![Questions of a lookup and peers in a table, by size](lookup.svg)

## Both tiers

Whole nodes over simulated links (A), beside the cores alone (B). They must agree within a tenth.

${tierTable(tiers)}

## Among liars

Liars name 20 made-up peers closer to the key than anybody, and these answer too. Burned: they name
the honest closest under dead addresses. Stock's paths: the logic of @libp2p/kad-dht 16.4.5 on the
same network (\`test/sim/cores/stock-paths.ts\`).

${liarTable(liars)}

![Lookups that reach the true closest, by share of liars](liars.svg)

## Goals

${goals.map(({ holds, says }) => `- ${holds ? 'reached' : '**missed**'}: ${says}`).join('\n')}
`
}

function sizeTable(rows: readonly SizeRow[]): string {
  const load = ['CPU ms', 'messages / node / s', 'idle', 'table', 'k·log₂(n/k) + 2k']
  return table(
    ['nodes', 'found', 'hops mean / p99', 'questions', 'ms p50 / p99', ...load],
    rows.map((row) => [
      row.nodes,
      percent(row.reached),
      `${row.hopsMean.toFixed(2)} / ${row.hopsP99}`,
      row.rpcPerLookup.toFixed(1),
      `${row.msP50.toFixed(0)} / ${row.msP99.toFixed(0)}`,
      row.cpuMsPerLookup.toFixed(2),
      row.messagesPerNodeSecond.toFixed(2),
      row.idleMessagesPerNodeSecond.toFixed(2),
      `${row.entriesMean.toFixed(0)} (most ${row.entriesMax})`,
      row.entriesBound.toFixed(0),
    ]),
  )
}

function tierTable(rows: readonly TierRow[]): string {
  return table(
    ['nodes', 'found A', 'questions A / B', 'hops A / B', 'ms p99 A / B'],
    rows.map(({ nodes, whole, cores }) => [
      nodes,
      percent(whole.reached),
      `${whole.rpcPerLookup.toFixed(1)} / ${cores.rpcPerLookup.toFixed(1)}`,
      `${whole.hopsMean.toFixed(2)} / ${cores.hopsMean.toFixed(2)}`,
      `${whole.msP99.toFixed(0)} / ${cores.msP99.toFixed(0)}`,
    ]),
  )
}

function liarTable(rows: readonly LiarRow[]): string {
  const stock = ['stock found', 'questions', 'burned found', 'stock burned found']
  return table(
    ['nodes', 'liars', 'found', 'questions', ...stock],
    rows.map((row) => [
      row.nodes,
      percent(row.share),
      percent(row.ours.reached),
      row.ours.rpcPerLookup.toFixed(1),
      percent(row.stock.reached),
      row.stock.rpcPerLookup.toFixed(1),
      percent(row.burned.reached),
      percent(row.stockBurned.reached),
    ]),
  )
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function percent(share: number): string {
  return `${Math.round(1_000 * share) / 10} %`
}
