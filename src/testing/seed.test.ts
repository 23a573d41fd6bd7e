/** Chance from a seed: the same every time, even, and independent where it is forked. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simRandom } from './seed.ts'

const drawn = (seed: string) => {
  const random = simRandom(seed)
  return Array.from({ length: 20 }, () => random.int(1_000))
}

test('the same seed draws the same, another seed something else', () => {
  assert.deepEqual(drawn('a'), drawn('a'))
  assert.notDeepEqual(drawn('a'), drawn('b'))
})

test('fork() follows from the seed and the name, not from what was drawn before', () => {
  const [fresh, used] = [simRandom('a'), simRandom('a')]
  used.bytes(100)
  assert.deepEqual(fresh.fork('x').bytes(8), used.fork('x').bytes(8))
  assert.notDeepEqual(fresh.fork('x').bytes(8), fresh.fork('y').bytes(8))
})

test('int() and fraction() stay within bounds and reach every part of them', () => {
  const random = simRandom('even')
  const counts = Array.from({ length: 10 }, () => 0)
  for (let i = 0; i < 10_000; i += 1) {
    const at = random.int(10)
    counts[at] = (counts[at] ?? 0) + 1
    const share = random.fraction()
    assert.ok(share >= 0 && share < 1)
  }
  assert.ok(
    counts.every((count) => count > 850 && count < 1_150),
    String(counts),
  )
})
