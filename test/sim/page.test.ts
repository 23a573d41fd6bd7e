import assert from 'node:assert/strict'
import { test } from 'node:test'
import { growthGoals, pageOf, type SizeRow } from './page.ts'

const figures = {
  lookups: 100,
  reached: 1,
  reported: 1,
  vouched: 1,
  exact: 1,
  rpcPerLookup: 40,
  rpcMax: 50,
  hopsMean: 2,
  hopsP99: 3,
  msP50: 300,
  msP99: 400,
  msMax: 450,
  cpuMsPerLookup: 1,
}
const load = { messagesPerNodeSecond: 2, idleMessagesPerNodeSecond: 1, rssMb: 1, wallS: 1 }
const entries = { entriesMean: 100, entriesMax: 110, entriesBound: 120 }
const row = (nodes: number, more: Partial<SizeRow> = {}): SizeRow => {
  return { nodes, ...figures, ...load, ...entries, ...more }
}

test('growthGoals() holds the largest size against 1,000 nodes, by the growth of log n', () => {
  const small = row(100, { cpuMsPerLookup: 0.01 })
  const held = (cpuMsPerLookup: number) =>
    growthGoals([small, row(1_000), row(10_000, { cpuMsPerLookup })])[0]?.holds
  assert.equal(held(1.33), true)
  assert.equal(held(1.34), false)
  assert.deepEqual(growthGoals([small, row(1_000)]), [], 'nothing to compare with')
})

test('pageOf() has a line for each row, and says what was missed', () => {
  const liar = { nodes: 1_000, share: 0.2, ours: figures, stock: { ...figures, reached: 0.5 } }
  const page = pageOf({
    seed: 7,
    sizes: [row(100), row(300)],
    tiers: [{ nodes: 100, whole: figures, cores: row(100) }],
    liars: [{ ...liar, burned: figures, stockBurned: figures }],
    goals: [
      { holds: false, says: 'too slow' },
      { holds: true, says: 'small enough' },
    ],
  })
  assert.match(page, /--seed 7/)
  assert.match(page, /^\| 300 \| 100 % \| 2\.00 \/ 3 \| 40\.0 \|/m)
  assert.match(page, /^\| 1000 \| 20 % \| 100 % \| 40\.0 \| 50 % \|/m)
  assert.match(page, /^- \*\*missed\*\*: too slow$/m)
  assert.match(page, /^- reached: small enough$/m)
})
