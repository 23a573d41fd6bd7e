import assert from 'node:assert/strict'
import { test } from 'node:test'
import { count, durationText, facilityText } from './words.ts'

test('durationText() says the two largest units', () => {
  assert.equal(durationText(999), '0 s')
  assert.equal(durationText(65_000), '1 min 5 s')
  assert.equal(durationText(3 * 3_600_000 + 5 * 60_000), '3 h 5 min')
  assert.equal(durationText(49 * 3_600_000), '2 d 1 h')
})

test('count() and facilityText() read like sentences', () => {
  assert.equal(count(1, 'peer'), '1 peer')
  assert.equal(count(0, 'peer'), '0 peers')
  assert.equal(facilityText({ state: 'active' }), 'active')
  const off = { state: 'off', reason: 'not wanted', remedy: 'Want it' } as const
  assert.equal(facilityText(off), 'off: not wanted. Want it')
})
