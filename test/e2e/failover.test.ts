/**
 * Calls whose callee is killed, frozen or cut off: what may run twice is answered by somebody else,
 * what may not never runs twice. `node test/e2e/failover.ts --runs 20` does each many times.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAULTS, FailoverWorld } from '../support/failover.ts'

test('calls outlive their callee', async (t) => {
  await using world = await FailoverWorld.open()
  for (const fault of FAULTS) {
    for (const returns of [true, false]) {
      await t.test(`${fault}, and it ${returns ? 'comes back' : 'stays away'}`, async () => {
        const { steady, count } = await world.run(fault, { returns, at: returns ? 0.3 : 0.6 })
        assert.equal(steady.outcome, 'answered')
        assert.ok(count.ran <= 1, `it ran ${count.ran} times`)
        assert.ok(['answered', 'MCP_OUTCOME_UNKNOWN'].includes(count.outcome), count.outcome)
        if (count.outcome === 'answered') assert.equal(count.ran, 1)
        if (fault === 'kill-before' || fault === 'kill-after')
          assert.equal(count.outcome, 'answered')
      })
    }
  }
})
