import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteBudget } from './byte-budget.ts'

test('a budget gives what it has, and what was given back again', () => {
  const budget = new ByteBudget(100)
  assert.equal(budget.take(60), true)
  assert.equal(budget.take(41), false)
  assert.equal(budget.fits(40), true)
  budget.give(60)
  assert.equal(budget.take(100), true)
})

test('a reader that reads nothing holds half, and leaves the rest to others', () => {
  const budget = new ByteBudget(64)
  const mute = budget.of('mute')
  let held = 0
  while (mute.take(4)) held += 4
  assert.equal(held, 32)
  const other = budget.of('other')
  assert.equal(other.take(16), true)
  other.give(16)
  mute.give(32)
  assert.equal(budget.take(64), true, 'nothing stays counted')
})

test('one frame of any size that fits goes to whoever holds nothing', () => {
  const budget = new ByteBudget(64)
  assert.equal(budget.of('a').take(64), true)
  assert.equal(budget.of('b').take(1), false)
})
