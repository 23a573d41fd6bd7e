/**
 * Calls whose callee is killed, frozen or cut off: what may run twice is answered by somebody else,
 * what may not never runs twice. `node test/e2e/failover.ts --runs 20` does each many times.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAULTS, FailoverWorld, type Fault } from '../support/failover.ts'

test('calls outlive their callee', async (t) => {
  await using world = await FailoverWorld.open()
  for (const [i, fault] of FAULTS.entries()) {
    // Both ways of the one in which most can go wrong; the script does both of all.
    for (const returns of fault === 'kill-during' ? [true, false] : [i % 2 === 0]) {
      const name = `${fault}, and it ${returns ? 'comes back' : 'stays away'}`
      await t.test(name, () => outlives(world, fault, returns))
    }
  }
})

async function outlives(world: FailoverWorld, fault: Fault, returns: boolean): Promise<void> {
  const { steady, count } = await world.run(fault, { returns, at: returns ? 0.3 : 0.6 })
  assert.equal(steady.outcome, 'answered')
  assert.ok(count.ran.length <= 1, `it ran at ${count.ran}`)
  assert.equal(count.ranAgain, '', 'a key that was repeated ran again')
  assert.ok(['answered', 'MCP_OUTCOME_UNKNOWN'].includes(count.outcome), count.outcome)
  if (count.outcome === 'answered') assert.equal(count.ran, count.by, 'who answered ran it')
  if (fault === 'kill-before' || fault === 'kill-after') assert.equal(count.outcome, 'answered')
}
