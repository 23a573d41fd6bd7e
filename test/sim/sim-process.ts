/** `npm run sim` as a test starts it, and what it printed. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { RunResult } from './result.ts'

const RUNNER = join(import.meta.dirname, 'run.ts')
const OUTPUT_BYTES_MAX = 2 ** 26

/** Runs to the end; `last` is the last line of standard output. */
export function sim(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUNNER, ...args], {
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
  })
  return { status, stdout, stderr, last: stdout.trim().split('\n').at(-1) ?? '' }
}

/** The result of one run with one seed. */
export function resultOf(...args: readonly string[]): RunResult {
  return JSON.parse(sim(...args, '--json').last) as RunResult
}
