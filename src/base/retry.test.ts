import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from './random.ts'
import { backoffMs } from './retry.ts'

test('backoffMs() lies between half and the whole of the capped, doubled pause', () => {
  const given = fc.record({
    attempt: fc.nat(2_000),
    firstMs: fc.nat(10_000),
    maxMs: fc.nat(60_000),
  })
  const random = seededRandom('retry')
  fc.assert(
    fc.property(given, ({ attempt, firstMs, maxMs }) => {
      const whole = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 32))
      const pause = backoffMs(attempt, { firstMs, maxMs }, random)
      assert.ok(pause >= whole / 2 && pause <= whole, `${pause} of ${whole}`)
    }),
  )
})

test('backoffMs() doubles, and two peers do not march in step', () => {
  const random = seededRandom('spread')
  const pauses = Array.from({ length: 50 }, () =>
    backoffMs(3, { firstMs: 100, maxMs: 9_999 }, random),
  )
  assert.ok(Math.min(...pauses) >= 400 && Math.max(...pauses) <= 800)
  assert.ok(new Set(pauses).size > 10)
})
