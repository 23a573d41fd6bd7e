import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agreement } from './cross-check.ts'

const cores = { rpcPerLookup: 40, hopsMean: 2 }

test('tiers agree within a tenth of what tier B says', () => {
  const holds = (rpcPerLookup: number, hopsMean: number) =>
    agreement({ rpcPerLookup, hopsMean }, cores).map((goal) => goal.holds)
  assert.deepEqual(holds(43.9, 1.81), [true, true])
  assert.deepEqual(holds(44.1, 2), [false, true])
  assert.deepEqual(holds(40, 1.79), [true, false])
})

test('a disagreement says what each tier found', () => {
  const [questions] = agreement({ rpcPerLookup: 50, hopsMean: 2 }, cores)
  assert.equal(questions?.says, 'questions per lookup: 50.00 in tier A, 40.00 in tier B')
})
