/**
 * The attacks of `hostile-lab.ts` in short, over TCP. `npm run lab -- hostile` is the whole of it.
 *
 *   attacker: 50 addresses ── link ── victim;   honest: 20 addresses ── the same link
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attackAll, SHORT } from './hostile-lab.ts'
import { labUnavailable } from './netns.ts'

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

test('honest peers get in under attack, and the node stays small and prompt', {
  skip,
}, async (t) => {
  const outcomes = await attackAll(SHORT, 'tcp')
  assert.equal(outcomes.length, 2)
  for (const { attack, honest, missed, rssGrownMiB, lagP99Ms } of outcomes) {
    t.diagnostic(`${attack}: ${honest.connected} of ${honest.peers} honest peers`)
    t.diagnostic(`RSS + ${rssGrownMiB.toFixed(0)} MiB, lag p99 ${lagP99Ms.toFixed(0)} ms`)
    assert.deepEqual(missed, [], attack)
  }
})
