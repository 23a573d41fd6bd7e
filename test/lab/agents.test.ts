/**
 * The laboratory `agents` in short: five agents, 500 messages, one packet in twenty lost.
 * `npm run lab -- agents` is the whole of it.
 *
 *   agent 1 … agent 5, a stranger who forges ── one link
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentsUnderLoss, SHORT } from './agents-lab.ts'
import { described, missed } from './agents-table.ts'
import { labUnavailable } from './netns.ts'

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

test('every message is confirmed or reported, once, though packets are lost and agents fall away', {
  skip,
}, async (t) => {
  const tally = await agentsUnderLoss(SHORT)
  for (const line of described(tally).split('\n')) t.diagnostic(line)
  assert.deepEqual(missed(tally), [])
  assert.ok(tally.storedFirst > 0, 'somebody was away')
  assert.ok(tally.copiesAnswered > 0, 'copies came')
  assert.ok(tally.refused >= tally.forged.forged, 'forgeries came')
})
