import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesText, count, durationText, facilityText } from './words.ts'

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

test('bytes have three digits that matter', () => {
  const cases = [
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1.00 KiB'],
    [12_345, '12.1 KiB'],
    [1024 ** 2 * 100, '100 MiB'],
    [1024 ** 5, '1024 TiB'],
  ] as const
  for (const [bytes, text] of cases) assert.equal(bytesText(bytes), text)
})
