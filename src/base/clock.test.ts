import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { either, every, systemClock } from './clock.ts'

test('a wait longer than a timer can be does not end at once', async () => {
  const month = 31 * 24 * 3_600_000
  using deadline = systemClock.deadline(month)
  const stop = new AbortController()
  const asleep = systemClock.sleep(month, stop.signal).then(() => 'woke')
  await systemClock.sleep(20)
  assert.equal(deadline.signal.aborted, false)
  stop.abort(new TypeError('still asleep'))
  await assert.rejects(asleep, /still asleep/)
})

test('now() is the time of day in milliseconds', () => {
  assert.ok(Math.abs(systemClock.now() - Date.now()) < 1_000)
})

test('every() runs after each pause, one at a time, until the signal aborts', async () => {
  const clock = new FakeClock()
  const stop = new AbortController()
  const at: number[] = []
  const work = async () => {
    at.push(clock.now())
    await clock.sleep(30)
  }
  const loop = every(clock, 100, work, stop.signal)
  await clock.advance(99)
  assert.deepEqual(at, [])
  await clock.advance(300)
  assert.deepEqual(at, [100, 230, 360])
  stop.abort()
  await clock.advance(1_000)
  await loop
  assert.equal(at.length, 3)
  assert.equal(clock.waiting, 0)
})

test('every() passes on a failure of its work, and ends', async () => {
  const clock = new FakeClock()
  const work = () => Promise.reject(new TypeError('broken'))
  const loop = every(clock, 10, work, new AbortController().signal)
  const ended = assert.rejects(loop, /broken/)
  await clock.advance(100)
  await ended
  assert.equal(clock.waiting, 0)
})

test('either() aborts with the first of two, and lets go of both when disposed', () => {
  const [one, other] = [new AbortController(), new AbortController()]
  {
    using joined = either(one.signal, other.signal)
    other.abort('other')
    assert.equal(joined.signal.reason, 'other')
  }
  const left = either(one.signal, new AbortController().signal)
  left[Symbol.dispose]()
  one.abort('one')
  assert.equal(left.signal.aborted, false)
})
