/**
 * What becomes of calls whose callee is killed, frozen or cut off, many times over:
 * `node test/e2e/failover.ts --runs 20 --json`. Without `--json` it prints a table.
 */

import { parseArgs } from 'node:util'
import { type CallReport, FAULTS, FailoverWorld, type RunReport } from '../support/failover.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    fault: { type: 'string', multiple: true },
    json: { type: 'boolean', default: false },
  },
})

interface Line {
  readonly fault: string
  readonly tool: string
  readonly runs: number
  readonly answered: number
  readonly unknown: number
  readonly other: number
  /** A key ran at both: the caller moved on although the first had run. */
  readonly ranAtBoth: number
  /** A key ran at one callee more than once: its journal let it. */
  readonly ranAgain: number
  readonly slowestMs: number
}

function lineOf(fault: string, tool: string, calls: readonly CallReport[]): Line {
  const count = (is: (call: CallReport) => boolean) => calls.filter(is).length
  const answered = count(({ outcome }) => outcome === 'answered')
  const unknown = count(({ outcome }) => outcome === 'MCP_OUTCOME_UNKNOWN')
  return {
    fault,
    tool,
    runs: calls.length,
    answered,
    unknown,
    other: calls.length - answered - unknown,
    ranAtBoth: count(({ ran }) => new Set(ran).size > 1),
    ranAgain: count(({ ran, ranAgain }) => /A.*A|B.*B/.test(ran) || ranAgain !== ''),
    slowestMs: Math.round(Math.max(...calls.map(({ ms }) => ms))),
  }
}

await using world = await FailoverWorld.open()
const runs = Number(values.runs)
const reports: RunReport[] = []
for (const fault of FAULTS.filter((one) => values.fault?.includes(one) ?? true)) {
  for (let i = 0; i < runs; i += 1) {
    const report = await world.run(fault, { returns: i % 2 === 0, at: (i + 0.5) / runs })
    reports.push(report)
    process.stderr.write(`${JSON.stringify(report)}\n`)
  }
}
const lines = FAULTS.flatMap((fault) => {
  const ofFault = reports.filter((report) => report.fault === fault)
  if (ofFault.length === 0) return []
  return [
    lineOf(
      fault,
      'steady',
      ofFault.map(({ steady }) => steady),
    ),
    lineOf(
      fault,
      'count',
      ofFault.map(({ count }) => count),
    ),
  ]
})
if (values.json) process.stdout.write(`${JSON.stringify(lines)}\n`)
// biome-ignore lint/suspicious/noConsole: a table is what it prints.
else console.table(lines)
const wrong = lines.filter(({ tool, runs: all, answered, other, ranAtBoth, ranAgain }) => {
  return other > 0 || ranAtBoth > 0 || ranAgain > 0 || (tool === 'steady' && answered < all)
})
process.exitCode = wrong.length === 0 ? 0 : 1
