/** The heap of events, against a list that is sorted each time. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventHeap, type TimedEvent } from './event-heap.ts'

const entry = fc.record({
  atMs: fc.integer({ min: 0, max: 20 }),
  tie: fc.integer({ min: 0, max: 3 }),
  isCalledOff: fc.boolean(),
})

function drained(heap: EventHeap): number[] {
  const orders: number[] = []
  for (let event = heap.next(); event !== undefined; event = heap.next()) orders.push(event.order)
  return orders
}

test('next() gives what is sooner first, then the lower tie, then what was added first', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const heap = new EventHeap()
      const events: TimedEvent[] = entries.map(({ atMs, tie }) => heap.add(atMs, tie, () => {}))
      for (const [i, event] of events.entries()) {
        if (entries[i]?.isCalledOff === true) heap.callOff(event)
      }
      const kept = events.filter((_, i) => entries[i]?.isCalledOff === false)
      assert.equal(heap.size, kept.length)
      const sorted = kept.toSorted((a, b) => a.atMs - b.atMs || a.tie - b.tie || a.order - b.order)
      assert.deepEqual(
        drained(heap),
        sorted.map(({ order }) => order),
      )
      assert.equal(heap.size, 0)
    }),
  )
})

test('callOff() of most of a large heap keeps the rest in order', () => {
  const heap = new EventHeap()
  const events = Array.from({ length: 5_000 }, (_, i) => heap.add((i * 7_919) % 5_000, 0, () => {}))
  for (const event of events) if (event.atMs >= 10) heap.callOff(event)
  assert.equal(heap.size, 10)
  const left = events.filter(({ atMs }) => atMs < 10).toSorted((a, b) => a.atMs - b.atMs)
  assert.deepEqual(
    drained(heap),
    left.map(({ order }) => order),
  )
})

test('callOff() twice, or of what has happened, changes nothing', () => {
  const heap = new EventHeap()
  const first = heap.add(1, 0, () => {})
  heap.add(2, 0, () => {})
  heap.next()
  heap.callOff(first)
  heap.callOff(first)
  assert.equal(heap.size, 1)
})
