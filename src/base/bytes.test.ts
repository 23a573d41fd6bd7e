import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  compareBytes,
  concatBytes,
  equalBytes,
  fromHex,
  fromUtf8,
  indexOfByte,
  toHex,
  utf8,
} from './bytes.ts'

const bytes = fc.uint8Array({ maxLength: 40 })

test('hex and back is the same bytes', () => {
  fc.assert(fc.property(bytes, (given) => assert.deepEqual(fromHex(toHex(given)), given)))
  assert.equal(toHex(Uint8Array.of(0, 0xab, 0xff)), '00abff')
})

test('toHex() prints a view, not the memory behind it', () => {
  assert.equal(toHex(Uint8Array.of(1, 2, 3, 4).subarray(1, 3)), '0203')
})

test('UTF-8 and back is the same text', () => {
  const text = fc.string({ unit: 'binary' }).filter((given) => given.isWellFormed())
  fc.assert(fc.property(text, (given) => assert.equal(fromUtf8(utf8(given)), given)))
})

test('fromUtf8() refuses bytes that are no UTF-8, and keeps a byte order mark', () => {
  for (const wrong of ['ff', 'c328', 'e28281ff', 'eda080', 'c080']) {
    assert.throws(() => fromUtf8(fromHex(wrong)), TypeError)
  }
  assert.equal(fromUtf8(fromHex('efbbbf61')), '\ufeffa')
})

test('what is long is read and written as what is short', () => {
  const filler = 'x'.repeat(20_000)
  for (const end of ['', 'é', '€', '😀', '\ufeff', '\n', '\x00', '\x7f']) {
    const bytes = utf8(filler + end)
    assert.equal(Object.getPrototypeOf(bytes), Uint8Array.prototype)
    assert.deepEqual(bytes, new TextEncoder().encode(filler + end))
    assert.equal(fromUtf8(bytes), filler + end)
  }
  assert.equal(fromUtf8(utf8(`${filler}\ud800`)), `${filler}\ufffd`)
  const view = concatBytes(fromHex('ff'), utf8(filler), fromHex('ff'))
  assert.equal(fromUtf8(view.subarray(1, -1)), filler)
  assert.throws(() => fromUtf8(view), TypeError)
})

test('indexOfByte() finds the first byte of a value, in a view too', () => {
  for (const size of [3, 20_000]) {
    const within = new Uint8Array(size + 2).fill(1, 0, 1)
    within[size] = 1
    const view = within.subarray(1)
    assert.equal(indexOfByte(view, 1), size - 1)
    assert.equal(indexOfByte(view, 2), -1)
    assert.equal(indexOfByte(view, 0), 0)
  }
})

test('concatBytes() joins in order, and equalBytes() compares contents', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      assert.deepEqual([...concatBytes(a, b)], [...a, ...b])
      assert.equal(equalBytes(a, b), toHex(a) === toHex(b))
    }),
  )
  assert.deepEqual(concatBytes(), new Uint8Array())
})

test('compareBytes() orders as numbers of equal length do, prefixes first', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const expected = toHex(a) === toHex(b) ? 0 : toHex(a) < toHex(b) ? -1 : 1
      assert.equal(Math.sign(compareBytes(a, b)), expected)
    }),
  )
})
