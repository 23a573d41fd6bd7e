import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../identity/index.ts'
import { type Message, Subscription } from './subscription.ts'

const message = (value: number): Message<number> => ({
  topic: 't',
  from: 'a' as PeerId,
  value,
  atMs: 0,
  id: String(value),
})

function setup(queueMax = 3, queueBytesMax = 1e6) {
  const said: string[] = []
  const subscription = new Subscription<number>({
    queueMax,
    queueBytesMax,
    dropped: () => said.push('dropped'),
    left: () => said.push('left'),
  })
  const value = async () => (await subscription.next()).value?.value
  return { subscription, said, value }
}

test('messages are read in order, those that waited and those that come', async () => {
  const { subscription, value } = setup()
  subscription.push(message(1), 1)
  subscription.push(message(2), 1)
  assert.deepEqual([await value(), await value()], [1, 2])
  const [third, fourth] = [value(), value()]
  subscription.push(message(3), 1)
  subscription.push(message(4), 1)
  assert.deepEqual([await third, await fourth], [3, 4])
})

test('push() drops the oldest when the queue is full, and says so', async () => {
  const { subscription, said, value } = setup()
  for (const n of [1, 2, 3, 4, 5]) subscription.push(message(n), 1)
  assert.deepEqual(said, ['dropped', 'dropped'])
  assert.deepEqual([await value(), await value(), await value()], [3, 4, 5])
})

test('push() drops the oldest when their bytes are too many, but never the only one', async () => {
  const { subscription, said, value } = setup(100, 10)
  subscription.push(message(1), 4)
  subscription.push(message(2), 4)
  subscription.push(message(3), 4)
  assert.deepEqual(said, ['dropped'])
  assert.equal(await value(), 2)
  subscription.push(message(4), 6)
  assert.equal(said.length, 1, 'what was read makes room')
  subscription.push(message(5), 50)
  assert.equal(said.length, 3)
  assert.equal(await value(), 5)
})

test('end() lets the queue be read, then ends; nothing more comes in', async () => {
  const { subscription, said, value } = setup()
  subscription.push(message(1), 1)
  subscription.end()
  subscription.end()
  subscription.push(message(2), 1)
  assert.deepEqual(said, ['left'])
  assert.equal(await value(), 1)
  assert.deepEqual(await subscription.next(), { done: true, value: undefined })
})

test('end() wakes whoever waits', async () => {
  const { subscription, value } = setup()
  const waiting = [value(), value()]
  subscription.end()
  assert.deepEqual(await Promise.all(waiting), [undefined, undefined])
})

test('leaving a loop leaves the subscription', async () => {
  const { subscription, said } = setup()
  subscription.push(message(1), 1)
  subscription.push(message(2), 1)
  for await (const { value } of subscription) {
    assert.equal(value, 1)
    break
  }
  assert.deepEqual(said, ['left'])
  assert.deepEqual(await subscription.next(), { done: true, value: undefined })
})

test('`await using` leaves the subscription', async () => {
  const { subscription, said } = setup()
  {
    await using _ = subscription
  }
  assert.deepEqual(said, ['left'])
})
