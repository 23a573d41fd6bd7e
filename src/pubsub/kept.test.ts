import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../identity/index.ts'
import { Kept, sizeOf } from './kept.ts'

const a = 'a' as PeerId
const message = (size: number) => ({ topic: 't', data: new Uint8Array(size) })
const place = (count: number) => ({ run: 1, count })
const at = (count: number, { author = a, run = 1, takenAtMs = 0 } = {}) => {
  return { author, run, count, takenAtMs }
}

test('the last messages are kept, within the number and the bytes of the rule', () => {
  const kept = new Kept()
  for (let i = 1; i <= 5; i += 1) kept.add(at(i), message(10), { keep: 3, bytesMax: 100 })
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((count) => kept.get(a, place(count)) !== undefined),
    [false, false, true, true, true],
  )
  kept.add(at(6), message(95), { keep: 3, bytesMax: 100 })
  assert.deepEqual([kept.size, kept.bytes], [1, 95])
  kept.add(at(7), message(101), { keep: 3, bytesMax: 100 })
  assert.deepEqual([kept.size, kept.bytes], [0, 0])
})

test('a message is kept once, by author, run and count, and without its frame', () => {
  const kept = new Kept()
  const rule = { keep: 9, bytesMax: 1_000 }
  const frame = new Uint8Array(1_000)
  const one = { topic: 't', data: frame.subarray(0, 5), from: frame.subarray(5, 7) }
  for (let i = 0; i < 2; i += 1) kept.add(at(1), one, rule)
  assert.deepEqual([kept.size, kept.bytes, sizeOf(one)], [1, 7, 7])
  assert.equal(kept.get(a, { run: 2, count: 1 }), undefined)
  assert.equal(kept.get('b' as PeerId, place(1)), undefined)
  assert.deepEqual(kept.get(a, place(1)), one)
  assert.equal(kept.get(a, place(1))?.data?.buffer.byteLength, 5)
})

test('heads are what was taken of each author in a time, of its newest run', () => {
  const kept = new Kept()
  const b = 'b' as PeerId
  const add = (...taken: Parameters<typeof at>) =>
    kept.add(at(...taken), message(1), { keep: 99, bytesMax: 1_000 })
  add(1, { takenAtMs: 9 })
  add(5, { takenAtMs: 10 })
  add(3, { takenAtMs: 15 })
  add(6, { takenAtMs: 21 })
  add(7, { author: b, run: 2, takenAtMs: 11 })
  add(9, { author: b, run: 1, takenAtMs: 12 })
  assert.deepEqual(kept.heads({ fromMs: 10, untilMs: 20 }), [
    { author: a, run: 1, first: 3, last: 5 },
    { author: b, run: 2, first: 7, last: 7 },
  ])
  add(1, { author: b, run: 3, takenAtMs: 13 })
  assert.deepEqual(kept.heads({ fromMs: 12, untilMs: 14 }), [
    { author: b, run: 3, first: 1, last: 1 },
  ])
  assert.deepEqual(kept.heads({ fromMs: 22, untilMs: 30 }), [])
})
