/** Writes the counts of a whole run of node's test runner, and its coverage, as one JSON object. */

import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Nobody takes so long to write what was just opened. */
const WRITTEN_MS = 2_000

export default async function* countReporter(source) {
  let counts = { passed: 0, failed: 1, skipped: 0 }
  let lines = null
  for await (const { type, data } of source) {
    if (type === 'test:coverage') lines = data.summary.totals.coveredLinePercent
    if (type !== 'test:summary') continue
    if (data.file !== undefined) {
      removeUnwritten(process.env.NODE_V8_COVERAGE)
      continue
    }
    const { passed, tests, skipped, todo, cancelled } = data.counts
    const failed = tests - passed - skipped - todo
    counts = { passed, failed: Math.max(failed, cancelled), skipped: skipped + todo }
  }
  yield JSON.stringify({ ...counts, lines })
}

/**
 * A process that a test kills at its end leaves an empty file where it was to write what it
 * covered; over one such the runner gives up the whole report.
 */
function removeUnwritten(folder) {
  if (!folder) return
  for (const name of readdirSync(folder)) {
    const file = join(folder, name)
    const { size, mtimeMs } = statSync(file)
    if (size === 0 && Date.now() - mtimeMs > WRITTEN_MS) rmSync(file)
  }
}
