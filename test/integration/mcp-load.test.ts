/**
 * Calls of four peers beside a tool that is stuck, a result of 64 MiB and a peer that never reads:
 * all are answered, and the node that serves stays small. How fast is for `bench:mcp-crowd` to say.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { measureCrowd, SMALL } from '../bench/mcp-crowd.ts'

/** The result as text, as JSON and as bytes, what waits for the deaf peer, and the node itself. */
const PEAK_MIB_MAX = 700

test('peers are answered beside a stuck tool, a long result and a peer that reads nothing', async (t) => {
  const { alone, beside, longChars, calleePeakMib } = await measureCrowd(SMALL)
  const calls = SMALL.peersEach * SMALL.callsEach
  for (const { answered, failed, failure } of [alone, beside]) {
    assert.deepEqual(
      { answered, failed, failure },
      { answered: calls, failed: 0, failure: undefined },
    )
  }
  assert.equal(longChars, 64 * 1024 * 1024)
  t.diagnostic(`peak of the callee: ${Math.round(calleePeakMib.beside)} MiB`)
  assert.ok(calleePeakMib.beside < PEAK_MIB_MAX, `${calleePeakMib.beside} MiB`)
})
