/**
 * The NAT matrix: none, cone, restricted (port-restricted) and symmetric against the same, and
 * carrier-grade against each, over IPv4. What one cell does is drawn in `nat-cell.ts`.
 *
 *   npm run lab -- nat [--json] [--runs 20] [--a cone] [--b symmetric] [--delay 10] [--log DIR]
 *
 * Last line with `--json`: an array with one object per cell: a, b, connected, path, seconds. With
 * several runs `connected` is true when every run connected, `path` is what most runs ended with,
 * `seconds` the slowest, and `runs` and `paths` count them.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Cell, type CellReport, canPunch, type Path, runCell, SIDES } from './nat-cell.ts'

const SECONDS_MAX = 10
/** What of a mebibyte may still pass the relay's interface: pings and the DHT of three nodes. */
export const RELAY_BYTES_MAX = 128 * 1_024
/** How often a pair that can be punched must be. */
const PUNCHED_SHARE = 0.95

export interface Row extends Cell {
  readonly runs?: number
  readonly paths?: Readonly<Partial<Record<Path | 'none', number>>>
}

/** Prints the matrix; the exit code is 1 when a cell does not do what it must. */
export async function main(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string', default: '1' },
      a: { type: 'string' },
      b: { type: 'string' },
      delay: { type: 'string', default: '10' },
      log: { type: 'string' },
    },
  })
  const runs = Number(values.runs)
  const delayMs = Number(values.delay)
  const rows: Row[] = []
  const wrong: string[] = []
  for (const { a, b } of pairs(values.a, values.b)) {
    const reports: CellReport[] = []
    for (let run = 0; run < runs; run += 1) {
      const line = delayMs > 0 ? { line: { delayMs, loss: 0 } } : {}
      const report = await runCell(a, b, { ...line, measureRelay: run === 0 })
      reports.push(report)
      say(lineOf(report))
      if (values.log !== undefined) keepLogs(values.log, report, run)
    }
    rows.push(rowOf(reports))
    wrong.push(...reports.flatMap(complaints), ...shareComplaints(reports))
  }
  for (const complaint of wrong) say(`! ${complaint}`)
  say(`${rows.length} cells, ${runs} runs each, ${wrong.length} complaints`)
  if (values.json) say(JSON.stringify(rows))
  return wrong.length === 0 ? 0 : 1
}

/** What a cell must do and did not. */
export function complaints(report: CellReport): readonly string[] {
  const { a, b, connected, path, seconds, relayBytes, reason } = report
  const cell = `${a} × ${b}`
  if (!connected) return [`${cell}: not connected: ${reason ?? 'no reason'}`]
  const found: string[] = []
  if (seconds > SECONDS_MAX) found.push(`${cell}: ${seconds} s are more than ${SECONDS_MAX}`)
  if (path !== 'relayed' && !canPunch(a, b)) found.push(`${cell}: ${path}, which cannot be`)
  if (relayBytes !== undefined && relayBytes > RELAY_BYTES_MAX) {
    found.push(`${cell}: the relay still carried ${relayBytes} bytes of a mebibyte`)
  }
  return found
}

/** Relayed where a hole can be punched, and no symmetric NAT is an excuse: at most 5 %. */
export function shareComplaints(reports: readonly CellReport[]): readonly string[] {
  const [first] = reports
  if (first === undefined || [first.a, first.b].includes('symmetric')) return []
  const straight = reports.filter(({ path }) => path !== null && path !== 'relayed').length
  if (straight >= PUNCHED_SHARE * reports.length) return []
  return [`${first.a} × ${first.b}: only ${straight} of ${reports.length} without the relay`]
}

function pairs(onlyA: string | undefined, onlyB: string | undefined) {
  const all = SIDES.flatMap((a) => SIDES.map((b) => ({ a, b })))
  return all.filter(
    ({ a, b }) =>
      [a, undefined].includes(onlyA as typeof a) && [b, undefined].includes(onlyB as typeof b),
  )
}

function rowOf(reports: readonly CellReport[]): Row {
  const [first] = reports
  if (first === undefined) throw new Error('a cell has at least one run')
  const { a, b } = first
  const connected = reports.every((report) => report.connected)
  const seconds = Math.max(...reports.map((report) => report.seconds))
  if (reports.length === 1) return { a, b, connected, path: first.path, seconds }
  const groups = Object.groupBy(reports, ({ path }) => path ?? 'none')
  const paths = Object.fromEntries(
    Object.entries(groups).map(([path, { length }]) => [path, length]),
  )
  const [most] = Object.entries(paths).toSorted(([, x], [, y]) => y - x)
  const path = most === undefined || most[0] === 'none' ? null : (most[0] as Path)
  return { a, b, connected, path, seconds, runs: reports.length, paths }
}

function lineOf(report: CellReport): string {
  const { a, b, path, first, transport, seconds, upgradedSeconds, relayBytes, reason } = report
  const way = first === path ? (path ?? 'not connected') : `${first}, then ${path}`
  const parts = [
    `${a} × ${b}:`.padEnd(30),
    `${way}${transport === undefined ? '' : ` (${transport})`}`.padEnd(28),
    `${seconds.toFixed(2)} s`,
    ...(first === path || upgradedSeconds === undefined ? [] : [`better at ${upgradedSeconds} s`]),
    ...(relayBytes === undefined ? [] : [`relay ${Math.round(relayBytes / 1_024)} KiB`]),
    ...(reason === undefined ? [] : [reason]),
  ]
  return parts.join('  ')
}

function keepLogs(folder: string, { a, b, logs }: CellReport, run: number): void {
  mkdirSync(folder, { recursive: true })
  for (const [index, name] of ['a', 'b', 'relay'].entries()) {
    writeFileSync(join(folder, `${a}-${b}-${run}-${name}.log`), logs[index] ?? '')
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
