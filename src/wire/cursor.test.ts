import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { Reader, Writer } from './cursor.ts'

const field = fc.oneof(
  fc.record({ kind: fc.constant('u8' as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ kind: fc.constant('u64' as const), value: fc.maxSafeNat() }),
)
const SIZES = { u8: 1, u32: 4, u64: 8 } as const

test('Reader reads what Writer wrote', () => {
  fc.assert(
    fc.property(fc.array(field), fc.uint8Array({ maxLength: 30 }), (fields, tail) => {
      const size = fields.reduce((sum, { kind }) => sum + SIZES[kind], tail.length)
      const writer = new Writer(size)
      for (const { kind, value } of fields) writer[kind](value)
      const bytes = writer.put(tail).end()
      assert.equal(bytes.length, size)
      const reader = new Reader(bytes)
      for (const { kind, value } of fields) assert.equal(reader[kind](kind), value)
      assert.deepEqual(reader.take(tail.length), tail)
      reader.end()
    }),
  )
})

test('numbers are big endian', () => {
  const bytes = new Writer(13).u8(1).u32(0x02030405).u64(0x060708090a0b0c).end()
  assert.equal(Buffer.from(bytes).toString('hex'), '010203040500060708090a0b0c')
})

test('Reader reads a view, not the memory around it', () => {
  const reader = new Reader(Uint8Array.of(9, 1, 2, 9).subarray(1, 3))
  assert.deepEqual([reader.u8(), reader.u8()], [1, 2])
  assert.throws(() => reader.u8(), coded('WIRE_TRUNCATED'))
})

test('Reader refuses to read beyond the end, and stays where it was', () => {
  const reader = new Reader(Uint8Array.of(1, 2, 3))
  for (const read of [
    () => reader.u32(),
    () => reader.u64('n'),
    () => reader.take(4),
    () => reader.take(2 ** 32),
  ]) {
    assert.throws(read, coded('WIRE_TRUNCATED'))
  }
  assert.deepEqual([...reader.take(3)], [1, 2, 3])
  reader.end()
})

test('end() refuses any byte beyond the end', () => {
  const reader = new Reader(Uint8Array.of(1, 2))
  reader.u8()
  assert.throws(() => reader.end(), coded('WIRE_TRAILING'))
})

test('u64() refuses counts that a number cannot hold', () => {
  const read = (hex: string) => new Reader(Buffer.from(hex, 'hex')).u64('count')
  assert.equal(read('001fffffffffffff'), Number.MAX_SAFE_INTEGER)
  for (const hex of ['0020000000000000', '0020000000000001', 'ffffffffffffffff']) {
    assert.throws(() => read(hex), coded('WIRE_MALFORMED'))
  }
})

test('a count that is none is a bug of the caller', () => {
  for (const count of [-1, 0.5, Number.NaN]) {
    assert.throws(() => new Reader(new Uint8Array(4)).take(count), coded('BASE_BUG'))
  }
})

test('Writer refuses numbers that do not fit, where a DataView would cut them', () => {
  const writer = () => new Writer(8)
  for (const bad of [-1, 0.5, Number.NaN]) {
    assert.throws(() => writer().u8(bad), coded('BASE_BUG'))
    assert.throws(() => writer().u32(bad), coded('BASE_BUG'))
    assert.throws(() => writer().u64(bad), coded('BASE_BUG'))
  }
  assert.throws(() => writer().u8(256), coded('BASE_BUG'))
  assert.throws(() => writer().u32(2 ** 32), coded('BASE_BUG'))
  assert.throws(() => writer().u64(2 ** 53), coded('BASE_BUG'))
})

test('Writer refuses to write more or less than its size', () => {
  assert.throws(() => new Writer(3).u32(1), coded('WIRE_TRUNCATED'))
  assert.throws(() => new Writer(1).put(new Uint8Array(2)), coded('WIRE_TRUNCATED'))
  assert.throws(() => new Writer(2).u8(1).end(), coded('WIRE_TRAILING'))
})
