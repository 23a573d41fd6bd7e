import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './nearest.ts'

const LIST = ['apple', 'apples', 'ample', 'maple', 'pear', 'peach', 'angle']

test('nearest() gives at most three words, the nearest first', () => {
  assert.deepEqual(nearest('appel', LIST), ['apple', 'apples', 'ample'])
  assert.deepEqual(nearest('mpale', LIST), ['maple', 'apple', 'ample'])
  assert.deepEqual(nearest('apple', LIST), ['apple', 'apples', 'ample'])
})

test('nearest() gives nothing that is more than two typing errors away', () => {
  assert.deepEqual(nearest('zzzzz', LIST), [])
  assert.deepEqual(nearest('', LIST), [])
  assert.deepEqual(nearest('pe', LIST), ['pear'])
})
