import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { fromHex, toHex } from '../base/index.ts'
import { isSoundKey } from './sound-key.ts'

const P = 2n ** 255n - 19n

/** All encodings of a y-coordinate: with both signs of x, and beyond p where there is room. */
function spellings(y: bigint): Uint8Array[] {
  return [y, y + P]
    .filter((each) => each < 2n ** 255n)
    .flatMap((each) => [each, each + 2n ** 255n])
    .map((each) => fromHex(each.toString(16).padStart(64, '0')).reverse())
}

test('all eight points of small order are refused, in every spelling', () => {
  // Any point times the order of the large group is one of small order; all eight turn up soon.
  const { ORDER } = ed25519.Point.Fn
  const torsion = new Set<string>()
  for (let y = 2n; torsion.size < 8; y += 1n) {
    const [key = new Uint8Array()] = spellings(y)
    try {
      const point = ed25519.Point.fromBytes(key)
      torsion.add(
        toHex(
          point
            .multiplyUnsafe(ORDER - 1n)
            .add(point)
            .toBytes(),
        ),
      )
    } catch {
      // Every second y belongs to no point.
    }
  }
  for (const hex of torsion) {
    const bytes = fromHex(hex).reverse()
    const y = BigInt(`0x${toHex(bytes)}`) & (2n ** 255n - 1n)
    for (const key of spellings(y)) assert.equal(isSoundKey(key), false, toHex(key))
  }
})

test('of the keys that are points, those of large order are sound', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      let point: { isSmallOrder(): boolean } | undefined
      try {
        point = ed25519.Point.fromBytes(bytes)
      } catch {
        return
      }
      assert.equal(isSoundKey(bytes), !point.isSmallOrder())
    }),
  )
})

test('a second spelling of a y-coordinate is refused', () => {
  for (let y = 0n; y < 19n; y += 1n) {
    for (const key of spellings(y).slice(2)) assert.equal(isSoundKey(key), false, toHex(key))
  }
  const [below = new Uint8Array()] = spellings(P - 2n)
  assert.equal(isSoundKey(below), true)
})

test('what does not have 32 bytes is no key', () => {
  for (const length of [0, 31, 33]) assert.equal(isSoundKey(new Uint8Array(length).fill(9)), false)
})
