import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { toHex } from './bytes.ts'
import { newId, secureRandom, seededRandom, shuffled } from './random.ts'

test('the same seed gives the same bytes, however they are asked for', () => {
  const whole = seededRandom('a').bytes(100)
  const parts = seededRandom('a')
  const joined = [...parts.bytes(1), ...parts.bytes(40), ...parts.bytes(0), ...parts.bytes(59)]
  assert.deepEqual(joined, [...whole])
  assert.notEqual(toHex(seededRandom('b').bytes(100)), toHex(whole))
  // SHA-256 of "a/0", so that another language can replay a simulation.
  assert.equal(
    toHex(whole.subarray(0, 32)),
    'd7e98967056f4828cb388a7930d88594b59e4374a7927afdd93890273682c804',
  )
})

for (const [name, random] of [
  ['secure', secureRandom],
  ['seeded', seededRandom('int')],
] as const) {
  test(`${name} random: int() stays below, and reaches every number`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 32 }), (below) => {
        const drawn = random.int(below)
        assert.ok(Number.isInteger(drawn) && drawn >= 0 && drawn < below)
      }),
    )
    const seen = new Set(Array.from({ length: 300 }, () => random.int(4)))
    assert.equal(seen.size, 4)
    assert.equal(random.bytes(17).length, 17)
  })
}

test('shuffled() keeps every item, leaves its input, and reaches every order', () => {
  const items = Object.freeze([1, 2, 3])
  const random = seededRandom('shuffle')
  const orders = new Set<string>()
  for (let i = 0; i < 200; i += 1) {
    const order = shuffled(items, random)
    assert.deepEqual(order.toSorted(), [1, 2, 3])
    orders.add(order.join(''))
  }
  assert.equal(orders.size, 6)
  assert.deepEqual(shuffled([], random), [])
})

test('newId() is 32 hex digits, and new', () => {
  assert.match(newId(secureRandom), /^[0-9a-f]{32}$/)
  assert.notEqual(newId(secureRandom), newId(secureRandom))
})
