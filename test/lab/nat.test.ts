/**
 * Every pair of NATs, once: what `npm run lab -- nat` prints as a table, as tests.
 *
 *   a ── [NAT of kind a] ── 10 ms ──┐
 *                                   ├── internet ── relay 5.9.77.10
 *   b ── [NAT of kind b] ── 10 ms ──┘
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linkUnavailable } from './link.ts'
import { canPunch, runCell, SIDES } from './nat-cell.ts'
import { complaints, shareComplaints } from './nat-lab.ts'

const unavailable = linkUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const LINE = { delayMs: 10, loss: 0 }

/** Each world has namespaces of its own; what takes time in one is waiting. */
test('every pair of NATs', { skip, concurrency: 2, timeout: 1_200_000 }, async (t) => {
  const pairs = SIDES.flatMap((a) => SIDES.map((b) => ({ a, b })))
  await Promise.all(
    pairs.map(({ a, b }) => {
      const way = canPunch(a, b) ? 'without the relay' : 'through the relay'
      return t.test(`${a} and ${b} connect ${way}`, { timeout: 180_000 }, async (cell) => {
        const report = await runCell(a, b, { line: LINE, measureRelay: true })
        cell.diagnostic(`${report.path ?? 'not connected'} after ${report.seconds} s`)
        const wrong = [...complaints(report), ...shareComplaints([report])]
        assert.deepEqual(wrong, [], report.logs.join('\n'))
      })
    }),
  )
})
