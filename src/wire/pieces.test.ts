import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { concatBytes } from '../base/index.ts'
import { Pieces } from './pieces.ts'

test('taken, the pieces are what was put in, and nothing waits', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.nat(40_000).map((length) => new Uint8Array(length).fill(length)),
  )
  fc.assert(
    fc.property(fc.array(piece), fc.uint8Array(), (all, last) => {
      const pieces = new Pieces()
      const whole = concatBytes(...all, last)
      for (const one of all) pieces.add(one, whole.length - pieces.size)
      assert.equal(pieces.size, whole.length - last.length)
      assert.deepEqual(Buffer.from(pieces.take(last)), Buffer.from(whole))
      assert.equal(pieces.size, 0)
    }),
  )
})

test('a million single bytes are a million bytes, and no piece keeps a larger buffer alive', () => {
  const pieces = new Pieces()
  const all = new Uint8Array(1_000_000).fill(7)
  for (let at = 0; at < all.length; at += 1) pieces.add(all.subarray(at, at + 1), all.length - at)
  const whole = pieces.take()
  assert.equal(whole.length, all.length)
  assert.notEqual(whole.buffer, all.buffer)
  assert.ok(whole.buffer.byteLength <= all.length)
})
