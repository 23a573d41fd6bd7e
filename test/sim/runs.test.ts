/**
 * Whole runs, each in a process of its own as `npm run sim` starts it: the same seed is the same
 * run to the last event, and another seed is another.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resultOf, sim } from './sim-process.ts'

test('the same seed is the same run to the last event, another seed is another', () => {
  const runs = ['11', '11', '12'].map((seed) =>
    resultOf('formation', '--nodes', '10', '--seed', seed),
  )
  for (const { failed, eventHash = '' } of runs) {
    assert.deepEqual(failed, [])
    assert.match(eventHash, /^[0-9a-f]{64}$/)
  }
  const [one, again, other] = runs
  assert.equal(one?.eventHash, again?.eventHash)
  assert.deepEqual(one?.extra, again?.extra)
  assert.notEqual(one?.eventHash, other?.eventHash)
})

test('without a scenario there is a list, and what is no scenario is refused', () => {
  const list = sim()
  assert.equal(list.status, 0)
  assert.match(list.stdout, /^formation +\S.* \(100 nodes\)$/m)
  assert.notEqual(sim('../../etc/passwd').status, 0)
  assert.notEqual(sim('nonesuch').status, 0)
})
