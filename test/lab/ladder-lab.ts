/**
 * The link ladder as a table: time to connect and throughput of each transport on each rung.
 *
 *   npm run lab -- ladder [--json] [--rung slow-3g] [--seed 1]
 *
 * Last line with `--json`: an array with one object per rung and transport.
 */

import { parseArgs } from 'node:util'
import { type Climbed, climb, LADDER_TRANSPORTS, RUNGS } from './ladder.ts'

/** Prints the table; the exit code is 1 when a rung that must hold does not. */
export async function main(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      json: { type: 'boolean', default: false },
      rung: { type: 'string' },
      seed: { type: 'string', default: '1' },
    },
  })
  const rows: (Climbed & { rung: string; transport: string })[] = []
  let failed = 0
  say(row(['rung', 'Mbit/s', 'RTT ms', 'loss %', 'burst', 'over', 'connect ms', 'Mbit/s', '']))
  for (const rung of RUNGS.filter(({ name }) => [undefined, name].includes(values.rung))) {
    const climbed = await climb(rung, { seed: Number(values.seed) })
    for (const transport of LADDER_TRANSPORTS) {
      const { connectMs, mbps, dials, fetches = 1, error } = climbed[transport]
      const given = [rung.name, rung.mbps, rung.rttMs, rung.loss * 100, rung.burst, transport]
      const found = [connectMs?.toFixed(0) ?? '–', mbps?.toFixed(2) ?? '–']
      const notes = [
        ...(dials > 1 ? [`${dials} dials`] : []),
        ...(fetches > 1 ? [`asked ${fetches} times`] : []),
        ...(error === undefined ? [] : [error]),
      ]
      say(row([...given, ...found, notes.join('; ')]))
      rows.push({ rung: rung.name, transport, ...climbed[transport] })
      if (rung.must && error !== undefined) failed += 1
    }
  }
  say(failed === 0 ? 'every rung that must hold holds' : `! ${failed} did not deliver`)
  if (values.json) say(JSON.stringify(rows))
  return failed === 0 ? 0 : 1
}

function row(cells: readonly (string | number)[]): string {
  const [name = '', ...rest] = cells.map(String)
  const last = rest.pop() ?? ''
  return `${name.padEnd(19)}${rest.map((cell) => cell.padStart(11)).join('')}  ${last}`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
