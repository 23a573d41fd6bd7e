import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Sequence, sequenceAt, timeOf } from './sequence.ts'

const NOW_MS = 1_700_000_000_000

test('a number says when its message was made, and fits into 64 bits', async () => {
  const clock = new FakeClock(NOW_MS)
  const sequence = new Sequence(clock)
  assert.equal(timeOf(sequence.next()), NOW_MS)
  await clock.advance(1_234)
  assert.equal(timeOf(sequence.next()), NOW_MS + 1_234)
  assert.ok(sequence.last < 2n ** 63n)
})

test('numbers rise, also within a millisecond, across a restart, and when the clock is set back', () => {
  const jumps = fc.array(fc.integer({ min: -30_000, max: 30_000 }), { maxLength: 50 })
  const property = fc.property(jumps, (steps) => {
    let nowMs = NOW_MS
    let sequence = new Sequence({ now: () => nowMs })
    let last = sequence.next()
    for (const [i, step] of steps.entries()) {
      // Together no more than a clock may be off by.
      nowMs = Math.max(nowMs + step, timeOf(last) - 59_000)
      if (i % 5 === 0) {
        sequence = new Sequence({ now: () => nowMs })
        sequence.continueFrom(last)
      }
      const next = sequence.next()
      assert.ok(next > last)
      last = next
    }
  })
  fc.assert(property)
})

test('numbers from a future that nobody takes are not gone on from', () => {
  let nowMs = NOW_MS + 61_000
  const sequence = new Sequence({ now: () => nowMs })
  sequence.next()
  nowMs = NOW_MS
  assert.equal(sequence.next(), sequenceAt(NOW_MS))
})
