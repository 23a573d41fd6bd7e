import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import type { PeerId } from '../identity/index.ts'
import { AnswerTimes, Patience, SLOW_MS_MIN } from './patience.ts'

const [a, b] = ['a', 'b'] as [PeerId, PeerId]

function setup() {
  const clock = new FakeClock(1_000)
  const times = new AnswerTimes()
  const slow: string[] = []
  const tell = (peer: PeerId) => void slow.push(`${peer} ${clock.now()}`)
  const patience = new Patience(clock, times, tell)
  return { clock, times, slow, patience }
}

test('who takes longer than a second is slow, and is told of once', async () => {
  const { clock, slow, patience } = setup()
  patience.asked(a)
  await clock.advance(400)
  patience.asked(b)
  await clock.advance(10_000)
  assert.deepEqual(slow, ['a 2000', 'b 2400'])
  assert.equal(clock.waiting, 0)
})

test('who has answered is not slow', async () => {
  const { clock, slow, patience } = setup()
  const first = patience.asked(a)
  patience.asked(b)
  await clock.advance(300)
  patience.ended(first, true)
  await clock.advance(10_000)
  assert.deepEqual(slow, ['b 2000'])
})

test('where answers take long, patience is three times as long as they do', async () => {
  const { clock, times, slow, patience } = setup()
  for (let i = 0; i < 33; i += 1) times.add(600)
  patience.asked(a)
  await clock.advance(1_799)
  assert.deepEqual(slow, [])
  await clock.advance(1)
  assert.deepEqual(slow, ['a 2800'])
})

test('a few who are slow on purpose change nothing, and old answers do not count', () => {
  const times = new AnswerTimes()
  assert.equal(times.slowMs(), SLOW_MS_MIN)
  for (let i = 0; i < 17; i += 1) times.add(50)
  for (let i = 0; i < 16; i += 1) times.add(4_900)
  assert.equal(times.slowMs(), SLOW_MS_MIN)
  for (let i = 0; i < 33; i += 1) times.add(2_000)
  assert.equal(times.slowMs(), 6_000)
  for (let i = 0; i < 33; i += 1) times.add(50)
  assert.equal(times.slowMs(), SLOW_MS_MIN)
})

test('what failed says nothing of how long answers take', async () => {
  const { clock, times, patience } = setup()
  for (let i = 0; i < 33; i += 1) {
    const pending = patience.asked(a)
    await clock.advance(900)
    patience.ended(pending, false)
  }
  assert.equal(times.slowMs(), SLOW_MS_MIN)
  const answered = patience.asked(a)
  await clock.advance(900)
  patience.ended(answered, true)
  assert.equal(times.slowMs(), 2_700)
  patience.stop()
})

test('after stop() nobody is told of, and no timer is left', async () => {
  const { clock, slow, patience } = setup()
  patience.asked(a)
  patience.stop()
  assert.equal(clock.waiting, 0)
  patience.asked(b)
  await clock.advance(10_000)
  assert.deepEqual([slow, clock.waiting], [[], 0])
})

test('who is asked in place of the slow is waited for in turn, by one timer', async () => {
  const clock = new FakeClock(1_000)
  const slow: PeerId[] = []
  const patience = new Patience(clock, new AnswerTimes(), (peer) => {
    slow.push(peer)
    if (slow.length < 3) patience.asked(b)
  })
  patience.asked(a)
  for (let i = 0; i < 30; i += 1) {
    await clock.advance(100)
    assert.ok(clock.waiting <= 1)
  }
  assert.deepEqual(slow, [a, b, b])
  assert.equal(clock.waiting, 0)
})
