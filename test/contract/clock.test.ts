/** What every `Clock` promises, held by the system's and by the fake one that other tests trust. */

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { type Clock, systemClock } from '../../src/base/index.ts'
import { coded } from '../support/expect.ts'
import { FakeClock } from '../support/fake-clock.ts'

const fake = new FakeClock()

/** Each clock with the way in which its time passes. */
const CLOCKS: readonly (readonly [string, Clock, (ms: number) => Promise<void>])[] = [
  ['system', systemClock, (ms) => systemClock.sleep(ms)],
  ['fake', fake, (ms) => fake.advance(ms)],
]

const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

for (const [name, clock, pass] of CLOCKS) {
  test(`${name} clock: a deadline aborts with BASE_DEADLINE when its time is over`, async () => {
    using deadline = clock.deadline(5)
    assert.equal(deadline.signal.aborted, false)
    await pass(20)
    assert.ok(coded('BASE_DEADLINE')(deadline.signal.reason))
  })

  test(`${name} clock: a deadline aborts with its signal, and for the same reason`, () => {
    const outer = new AbortController()
    using deadline = clock.deadline(60_000, outer.signal)
    const reason = new TypeError('outer')
    outer.abort(reason)
    assert.equal(deadline.signal.reason, reason)
    using late = clock.deadline(60_000, outer.signal)
    assert.equal(late.signal.reason, reason)
  })

  test(`${name} clock: a deadline disposed of leaves no timer and no listener`, async () => {
    const outer = new AbortController()
    const before = timers()
    {
      using deadline = clock.deadline(60_000, outer.signal)
      assert.equal(getEventListeners(outer.signal, 'abort').length, 1)
      assert.equal(deadline.signal.aborted, false)
    }
    assert.equal(timers(), before)
    assert.equal(getEventListeners(outer.signal, 'abort').length, 0)
    if (clock instanceof FakeClock) assert.equal(clock.waiting, 0)
  })

  test(`${name} clock: sleep() ends with its signal, for the signal's reason`, async () => {
    const stop = new AbortController()
    const before = timers()
    const asleep = clock.sleep(60_000, stop.signal)
    const reason = new TypeError('up')
    stop.abort(reason)
    await assert.rejects(asleep, (error) => error === reason)
    await assert.rejects(clock.sleep(60_000, stop.signal), (error) => error === reason)
    assert.equal(timers(), before)
  })
}
