/** Results as text: a table for a person, and the page `docs/benchmarks.md`. Pure. */

import { type Bench, type Goal, meets, type Result, type Spread, valueAt } from './harness.ts'

/** What a person reads after a run. */
export function tableOf(bench: Bench, result: Result): string {
  const { runs, machine } = result
  return [
    `${bench.name}: ${bench.what}`,
    '',
    ...columns(rowsOf(bench, result)),
    '',
    ...goalsOf(bench, result).map((goal) => `${goal.met ? 'met   ' : 'MISSED'}  ${goal.text}`),
    '',
    `${runs} rounds on ${machine.cores} × ${machine.model}, Node ${machine.node}, ${machine.date}`,
    '',
  ].join('\n')
}

/** The page about all benches: nothing on it is typed by hand. */
export function pageOf(all: readonly { readonly bench: Bench; readonly result: Result }[]): string {
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --docs` from the files in `test/bench/results`; do not edit.',
    'Ours and each peer run in turn, in processes of their own, within one run; a figure is the',
    'median of its rounds, with the least and the greatest beside it. A ratio above 1 means that',
    'ours is better, for rates and times alike. `npm run bench -- <name>` measures again.',
    '',
    ...all.flatMap(({ bench, result }) => sectionOf(bench, result)),
  ].join('\n')
}

function sectionOf(bench: Bench, result: Result): string[] {
  const { machine, runs } = result
  const [head = [], ...rows] = rowsOf(bench, result)
  const packages = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`)
  return [
    `## ${bench.name}`,
    '',
    bench.what,
    '',
    row(head),
    row(head.map((_, i) => (i < 2 ? '---' : '---:'))),
    ...rows.map(row),
    '',
    ...(bench.notes ?? []).map((note) => `- ${note}`),
    ...(bench.notes === undefined ? [] : ['']),
    ...goalsOf(bench, result).map(
      ({ text, met }) => `- ${met ? 'Goal met' : '**Goal missed**'}: ${text}`,
    ),
    '',
    `${runs} rounds, ${machine.date}, ${machine.cores} × ${machine.model}, ${machine.memoryGiB} GiB, ` +
      `${machine.kernel}, Node ${machine.node}; ${packages.join(', ')}.`,
    '',
  ]
}

/** One row for each metric: its name and unit, ours, each peer; then one for each ratio. */
function rowsOf(bench: Bench, { ours, peer, ratio }: Result): string[][] {
  const peers = Object.keys(peer)
  const metrics = Object.entries(bench.metrics).map(([metric, { unit, better }]) => [
    metric,
    `${unit}, ${better} is better`,
    ...[ours, ...peers.map((name) => peer[name] ?? {})].map((side) => spread(side[metric])),
  ])
  const ratios = Object.entries(ratio).map(([name, value]) => {
    const [, against = ''] = bench.ratios[name] ?? []
    const cells = peers.map((side) => (against.startsWith(`${side}.`) ? '1' : ''))
    return [`ratio.${name}`, '×', figure(value), ...cells]
  })
  return [['metric', 'unit', 'ours', ...peers], ...metrics, ...ratios]
}

function goalsOf(bench: Bench, result: Result): { readonly text: string; readonly met: boolean }[] {
  return Object.entries(bench.goals).map(([path, goal]) => {
    const value = valueAt(result, path) ?? Number.NaN
    return { met: meets(value, goal), text: `${path} ${bound(goal)} (is ${figure(value)})` }
  })
}

function bound(goal: Goal): string {
  return 'atLeast' in goal ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`
}

function spread(value: Spread | undefined): string {
  if (value === undefined) return '–'
  return `${figure(value.median)} (${figure(value.min)}–${figure(value.max)})`
}

function figure(value: number): string {
  if (Math.abs(value) >= 100) return String(Math.round(value))
  return String(Number(value.toPrecision(3)))
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map((cells) => cells[i]?.length ?? 0)),
  )
  return rows.map((cells) =>
    cells
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
}
