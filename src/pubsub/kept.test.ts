import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../identity/index.ts'
import { Kept, sizeOf } from './kept.ts'

const a = 'a' as PeerId
const message = (size: number) => ({ topic: 't', data: new Uint8Array(size) })
const place = (count: number) => ({ run: 1, count })

test('the last messages are kept, within the number and the bytes of the rule', () => {
  const kept = new Kept()
  for (let i = 1; i <= 5; i += 1) kept.add(a, place(i), message(10), { keep: 3, bytesMax: 100 })
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((count) => kept.get(a, place(count)) !== undefined),
    [false, false, true, true, true],
  )
  kept.add(a, place(6), message(95), { keep: 3, bytesMax: 100 })
  assert.deepEqual([kept.size, kept.bytes], [1, 95])
  kept.add(a, place(7), message(101), { keep: 3, bytesMax: 100 })
  assert.deepEqual([kept.size, kept.bytes], [0, 0])
})

test('a message is kept once, by author, run and count, and without its frame', () => {
  const kept = new Kept()
  const rule = { keep: 9, bytesMax: 1_000 }
  const frame = new Uint8Array(1_000)
  const one = { topic: 't', data: frame.subarray(0, 5), from: frame.subarray(5, 7) }
  for (let i = 0; i < 2; i += 1) kept.add(a, place(1), one, rule)
  assert.deepEqual([kept.size, kept.bytes, sizeOf(one)], [1, 7, 7])
  assert.equal(kept.get(a, { run: 2, count: 1 }), undefined)
  assert.equal(kept.get('b' as PeerId, place(1)), undefined)
  assert.deepEqual(kept.get(a, place(1)), one)
  assert.equal(kept.get(a, place(1))?.data?.buffer.byteLength, 5)
})
