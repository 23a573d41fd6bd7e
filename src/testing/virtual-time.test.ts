/** Virtual time without the globals: only what is asked of it here happens. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../base/index.ts'
import { VirtualTime } from './virtual-time.ts'

test('drive() lets an hour pass in the order of events, each when all before is done', async () => {
  const time = new VirtualTime(1)
  const seen: string[] = []
  await time.drive(
    (async () => {
      time.after(20, 0, () => seen.push(`late ${time.elapsedMs}`))
      time.after(10, 0, () => {
        void Promise.resolve().then(() => seen.push(`consequence ${time.elapsedMs}`))
        seen.push(`early ${time.elapsedMs}`)
      })
      await time.sleep(3_600_000)
    })(),
  )
  assert.deepEqual(seen, ['early 10', 'consequence 10', 'late 20'])
  assert.equal(time.elapsedMs, 3_600_000)
})

test('drive() rejects with what the work or an event throws', async () => {
  const failing = new VirtualTime(1)
  await assert.rejects(failing.drive(Promise.reject(new RangeError('work'))), /work/)
  const throwing = new VirtualTime(1)
  throwing.after(5, 0, () => {
    throw new RangeError('event')
  })
  await assert.rejects(throwing.drive(throwing.sleep(10)), /event/)
})

test('drive() says so when what is waited for can never come', async () => {
  const time = new VirtualTime(1)
  const never = new Promise<void>(() => {})
  await assert.rejects(time.drive(never), (error) => hasCode(error, 'TESTING_NOTHING_LEFT'))
})

test('callOff() keeps an event from happening', async () => {
  const time = new VirtualTime(1)
  const event = time.after(5, 0, () => assert.fail('it was called off'))
  time.callOff(event)
  assert.equal(time.pending, 0)
  await time.drive(time.sleep(10))
})

test('hold() keeps time where it is until the work is done', async () => {
  const time = new VirtualTime(1)
  const turns = async () => {
    for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve))
    return time.elapsedMs
  }
  const atMs = await time.drive(
    Promise.all([time.hold(turns), time.sleep(50)]).then(([heldAtMs]) => heldAtMs),
  )
  assert.equal(atMs, 0)
})

test('tieOf() is the same for one length and seed, and another for another seed', () => {
  const [one, other] = [new VirtualTime(1), new VirtualTime(2)]
  const ties = [1, 5, 100, 5_000].map((ms) => one.tieOf(ms))
  assert.deepEqual(
    ties,
    [1, 5, 100, 5_000].map((ms) => new VirtualTime(1).tieOf(ms)),
  )
  assert.notDeepEqual(
    ties,
    [1, 5, 100, 5_000].map((ms) => other.tieOf(ms)),
  )
  assert.ok(ties.every((tie) => tie >= 0 && tie < 1))
})
