import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EventHeap } from './heap.ts'

test('run() lets events happen by time, and those of one time as they were posted', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20)), (delays) => {
      const heap = new EventHeap()
      const seen: { at: number; order: number }[] = []
      for (const [order, ms] of delays.entries()) {
        heap.after(ms, () => seen.push({ at: heap.nowMs, order }))
      }
      heap.run(() => false)
      const wanted = delays
        .map((at, order) => ({ at, order }))
        .sort((a, b) => a.at - b.at || a.order - b.order)
      assert.deepEqual(seen, wanted)
      assert.equal(heap.waiting, 0)
    }),
  )
})

test('after() counts from the event that posts', () => {
  const heap = new EventHeap()
  const times: number[] = []
  heap.after(5, () => heap.after(7, () => times.push(heap.nowMs)))
  heap.run(() => false)
  assert.deepEqual(times, [12])
})

test('eventHash() depends on every field of every note, and reading it changes nothing', () => {
  const hashOf = (notes: readonly [number, number, number][], peek = false): string => {
    const heap = new EventHeap()
    for (const [from, to, kind] of notes) {
      heap.note(from, to, kind)
      if (peek) heap.eventHash()
    }
    return heap.eventHash()
  }
  const base = hashOf([
    [1, 2, 3],
    [4, 5, 6],
  ])
  assert.equal(
    hashOf(
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
      true,
    ),
    base,
  )
  for (const other of [
    [[1, 2, 3]],
    [
      [4, 5, 6],
      [1, 2, 3],
    ],
    [
      [9, 2, 3],
      [4, 5, 6],
    ],
    [
      [1, 2, 3],
      [4, 9, 6],
    ],
    [
      [1, 2, 3],
      [4, 5, 9],
    ],
  ] as const) {
    assert.notEqual(hashOf(other.map(([from, to, kind]) => [from, to, kind])), base)
  }
})
