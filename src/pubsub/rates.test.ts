import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Rates } from './rates.ts'

test('take() admits two seconds of the rate at once, then the rate', async () => {
  const clock = new FakeClock()
  const rates = new Rates(clock)
  const takes = () => rates.take('a', 1, 10)
  assert.equal(Array.from({ length: 30 }, takes).filter(Boolean).length, 20)
  assert.equal(rates.take('b', 1, 10), true, 'each key has a bucket of its own')
  await clock.advance(1_000)
  assert.equal(Array.from({ length: 30 }, takes).filter(Boolean).length, 10)
})

test('take() lets one cost through that is more than two seconds of a slow rate', async () => {
  const clock = new FakeClock()
  const rates = new Rates(clock)
  assert.deepEqual([rates.take('a', 1, 0.1), rates.take('a', 1, 0.1)], [true, false])
  await clock.advance(9_000)
  assert.equal(rates.take('a', 1, 0.1), false)
  await clock.advance(1_000)
  assert.equal(rates.take('a', 1, 0.1), true)
})

test('take() gives and takes nothing when the clock is set back', () => {
  let now = 10_000
  class SetBack extends FakeClock {
    override now = () => now
  }
  const rates = new Rates(new SetBack())
  for (let i = 0; i < 10; i += 1) rates.take('a', 1, 10)
  now = 9_000
  assert.equal(Array.from({ length: 30 }, () => rates.take('a', 1, 10)).filter(Boolean).length, 10)
})

test('take() never admits more than the burst and the rate over any stretch of time', async () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ max: 40 })))
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const clock = new FakeClock()
      const rates = new Rates(clock)
      let taken = 0
      for (const [ms, tries] of all) {
        await clock.advance(ms)
        for (let i = 0; i < tries; i += 1) if (rates.take('a', 1, 10)) taken += 1
      }
      assert.ok(taken <= 20 + clock.now() / 100 + 1e-6)
    }),
    { numRuns: 50 },
  )
})
