import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { encodeCbor } from '../wire/index.ts'
import { cborCodec } from './codec.ts'

const MACHINERY = ['__proto__', 'constructor', 'prototype']
const key = fc
  .string({ unit: 'grapheme' })
  .filter((text) => !MACHINERY.includes(text) && !text.startsWith('\ufeff'))
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => n + 0),
    key,
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}))

test('decode() returns what encode() was given', () => {
  fc.assert(
    fc.property(value, (given) => {
      assert.deepEqual(cborCodec.decode(cborCodec.encode(given)), given)
    }),
  )
})

test('decode() returns maps with numbers among their keys as maps', () => {
  const given = new Map<unknown, unknown>([
    [1, { deep: true }],
    ['a', []],
  ])
  assert.deepEqual(cborCodec.decode(cborCodec.encode(given)), given)
})

test('encode() refuses what would not arrive as it was given', () => {
  const itself: unknown[] = []
  itself.push(itself)
  const refused = [0.5, Number.NaN, undefined, { a: undefined }, new Date(0), () => 1, 1n, itself]
  for (const given of [
    ...refused,
    Symbol('s'),
    new (class Own {})(),
    JSON.parse('{"__proto__":1}'),
  ]) {
    assert.throws(() => cborCodec.encode(given), coded('WIRE_MALFORMED'))
  }
})

test('decode() refuses keys that name the machinery of objects, at any depth', () => {
  for (const name of MACHINERY) {
    const bytes = encodeCbor([new Map([['a', new Map([[name, 1]])]])])
    assert.throws(() => cborCodec.decode(bytes), coded('WIRE_MALFORMED'))
  }
})

test('decode() refuses bytes that are no value, or more than one', () => {
  const one = cborCodec.encode({ a: 1 })
  const refused = [
    new Uint8Array(),
    one.subarray(0, 2),
    Uint8Array.of(...one, 0),
    Uint8Array.of(0xf7),
  ]
  for (const bytes of refused) {
    assert.throws(() => cborCodec.decode(bytes), coded('WIRE_MALFORMED'))
  }
})
