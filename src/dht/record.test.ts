import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  dataName,
  NETWORK,
  recordBytes,
  signerOf,
  WORK_BITS,
} from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { utf8 } from '../base/index.ts'
import { encodeCbor } from '../wire/index.ts'
import { dhtKey } from './key.ts'
import {
  compareRecords,
  decodeRecord,
  encodeRecord,
  RECORD_BYTES_MAX,
  signRecord,
  VALUE_BYTES_MAX,
  verifyRecord,
} from './record.ts'

const signer = signerOf(1)
const name = dataName(signer, 'a')
const rules = { network: NETWORK, workBits: WORK_BITS }

test('a record comes back as it was signed, and holds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 64 }),
      fc.integer({ min: 1, max: 86_400 }),
      fc.maxSafeNat(),
      async (value, ttlSeconds, version) => {
        const claim = {
          key: name.key,
          value,
          publisher: signer.peer,
          ttlSeconds,
          version,
          issuedMs: 7,
        }
        const record = await signRecord(claim, signer, rules)
        const decoded = decodeRecord(encodeRecord(record))
        assert.deepEqual(decoded, { ...record, signature: Uint8Array.from(record.signature) })
        verifyRecord(decoded, rules, 8)
      },
    ),
    { numRuns: 30 },
  )
})

test('the largest value fits, one byte more does not', async () => {
  const bytes = await recordBytes(name, signer, { value: new Uint8Array(VALUE_BYTES_MAX) })
  assert.ok(bytes.length <= RECORD_BYTES_MAX)
  verifyRecord(decodeRecord(bytes), rules, 1)
  const over = recordBytes(name, signer, { value: new Uint8Array(VALUE_BYTES_MAX + 1) })
  await assert.rejects(over, coded('DHT_RECORD_INVALID'))
})

test('verifyRecord() refuses a record in which any signed field was changed', async () => {
  const record = decodeRecord(await recordBytes(name, signer))
  const none = { ...rules, workBits: 0 }
  verifyRecord(record, none, 1)
  const changes = [
    { key: dhtKey(utf8('other')) },
    { value: utf8('hallo') },
    { publisher: signerOf(2).peer },
    { ttlSeconds: 3_601 },
    { version: 2 },
    { issuedMs: 1 },
    { signature: record.signature.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) },
  ]
  for (const change of changes) {
    const bent = { ...record, ...change }
    assert.throws(() => verifyRecord(bent, none, 1), coded('DHT_RECORD_INVALID'))
  }
  const elsewhere = { network: 'other', workBits: 0 }
  assert.throws(() => verifyRecord(record, elsewhere, 1), /signature/)
})

test('verifyRecord() refuses a record without enough work', async () => {
  const record = decodeRecord(await recordBytes(name, signer, { workBits: 0 }))
  const strict = { ...rules, workBits: 20 }
  assert.throws(() => verifyRecord(record, strict, 1), /work is less than 20 bits/)
})

test('verifyRecord() refuses a record whose time is over or far ahead', async () => {
  const record = decodeRecord(
    await recordBytes(name, signer, { issuedMs: 100_000, ttlSeconds: 10 }),
  )
  verifyRecord(record, rules, 109_999)
  assert.throws(() => verifyRecord(record, rules, 110_000), /time is over/)
  verifyRecord(record, rules, 40_000)
  assert.throws(() => verifyRecord(record, rules, 39_999), /in the future/)
})

test('signRecord() and decodeRecord() refuse a ttl outside 1 to 86,400 seconds', async () => {
  for (const ttlSeconds of [0, 86_401, 1.5]) {
    await assert.rejects(recordBytes(name, signer, { ttlSeconds }), coded('DHT_RECORD_INVALID'))
  }
  const fields = new Map([...Array(8).keys()].map((i) => [i + 1, 0] as const))
  assert.throws(() => decodeRecord(encodeCbor(fields)), coded('DHT_RECORD_INVALID'))
})

test('compareRecords(): higher version, then larger hash of the value, then later issue', async () => {
  const of = async (version: number, value: string, issuedMs: number) =>
    decodeRecord(await recordBytes(name, signer, { version, value, issuedMs }))
  const old = await of(1, 'b', 5)
  assert.ok(compareRecords(await of(2, 'a', 0), old) > 0)
  // SHA-256 of "b" begins with 3e, that of "a" with ca.
  assert.ok(compareRecords(await of(1, 'a', 0), old) > 0)
  assert.ok(compareRecords(await of(1, 'b', 6), old) > 0)
  assert.equal(compareRecords(old, old), 0)
})
