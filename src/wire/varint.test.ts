import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { decodeVarint, encodeVarint, VARINT_BYTES_MAX } from './varint.ts'

const bytes = (hex: string) => Buffer.from(hex, 'hex')

test('decodeVarint() returns what encodeVarint() was given, at any offset', () => {
  const noise = fc.uint8Array({ maxLength: 5 })
  fc.assert(
    fc.property(fc.maxSafeNat(), noise, noise, (value, before, after) => {
      const varint = encodeVarint(value)
      const whole = Buffer.concat([before, varint, after])
      assert.deepEqual(decodeVarint(whole, before.length), { value, size: varint.length })
    }),
  )
})

test('varints are those of multiformats', () => {
  const vectors = [
    [0, '00'],
    [1, '01'],
    [127, '7f'],
    [128, '8001'],
    [255, 'ff01'],
    [300, 'ac02'],
    [16_384, '808001'],
    [2 ** 32, '8080808010'],
    [Number.MAX_SAFE_INTEGER, 'ffffffffffffff0f'],
  ] as const
  for (const [value, hex] of vectors) {
    assert.equal(Buffer.from(encodeVarint(value)).toString('hex'), hex)
    assert.deepEqual(decodeVarint(bytes(hex)), { value, size: hex.length / 2 })
  }
})

test('decodeVarint() waits for the rest of every proper prefix', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const whole = encodeVarint(value)
      for (let i = 0; i < whole.length; i += 1) {
        assert.equal(decodeVarint(whole.subarray(0, i)), undefined)
      }
    }),
  )
})

test('decodeVarint() refuses long forms, and numbers beyond 2⁵³ − 1', () => {
  for (const hex of ['8000', '81808000', 'ffffffffffffff10', 'ffffffffffffff7f', 'ff'.repeat(8)]) {
    assert.throws(() => decodeVarint(bytes(hex)), coded('WIRE_MALFORMED'), hex)
  }
  assert.throws(() => decodeVarint(new Uint8Array(VARINT_BYTES_MAX).fill(0x80)))
})

test('encodeVarint() refuses what is no count', () => {
  for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) {
    assert.throws(() => encodeVarint(value), coded('WIRE_MALFORMED'))
  }
})
