/**
 * `npm run lab` runs the ring of tests; `npm run lab -- nat --json` runs one laboratory of
 * `test/lab/run.ts`, whose name comes first.
 */

import { spawnSync } from 'node:child_process'
import { runRing } from './rings.mjs'

const words = process.argv.slice(2)
if (words.length === 0) {
  process.exitCode = runRing('lab').exitCode
} else {
  const run = spawnSync(process.execPath, ['test/lab/run.ts', ...words], { stdio: 'inherit' })
  process.exitCode = run.status ?? 1
}
