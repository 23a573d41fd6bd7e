/**
 * What a peer can send to the DHT, against noise and against bent truth: messages, records, names
 * and addresses are decoded or refused with a coded error, in bounded time and memory. Whatever a
 * decoder accepts it gives back the same from its own encoding.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { CodedError, seededRandom, utf8 } from '../../src/base/index.ts'
import { dhtConfig } from '../../src/dht/config.ts'
import { contactOf } from '../../src/dht/key.ts'
import { addressFromBytes, addressToBytes } from '../../src/dht/multiaddrs.ts'
import { decodeRecord, encodeRecord, VALUE_BYTES_MAX } from '../../src/dht/record.ts'
import { Records } from '../../src/dht/records.ts'
import { SqliteStore } from '../../src/dht/sqlite-store.ts'
import { parseRecordNameBytes } from '../../src/dht/validators.ts'
import {
  ADDRESSES_MAX,
  decodeMessage,
  encodeMessage,
  MESSAGE_TYPES,
  PEERS_MAX,
} from '../../src/dht/wire.ts'
import { dataName, NETWORK, recordBytes, signerOf, WORK_BITS } from '../support/dht-fixture.ts'
import { CASES, SEED } from '../support/fuzz.ts'

/** Far above what one case takes; a decoder that needs longer has found a bomb. */
const CASE_MS_MAX = 500

const alice = signerOf(1)
const name = dataName(alice, 'a')
const record = await recordBytes(name, alice)
const peer = {
  peer: alice.peer,
  addresses: [
    '/ip4/192.0.2.1/tcp/9000',
    '/ip6/2001:db8::1/udp/9001/quic-v1',
    '/dns4/a.example/tcp/1',
  ],
}

/** Truths to bend: every kind of message, every field, and the parts themselves. */
const CORPUS: readonly Uint8Array[] = [
  ...MESSAGE_TYPES.map((type) =>
    encodeMessage({
      type,
      key: name.bytes,
      record: { key: name.bytes, value: record, receivedMs: 1_000 },
      closer: [peer, peer],
      providers: [peer],
    }),
  ),
  encodeMessage({ type: 'ping' }),
  record,
  await recordBytes(name, alice, { value: new Uint8Array(VALUE_BYTES_MAX) }),
  name.bytes,
  utf8(`/mcp/calc/${alice.peer}`),
  ...peer.addresses.map((address) => addressToBytes(address) ?? new Uint8Array()),
]

const noise = fc.uint8Array({ maxLength: 200 })
const bent = fc
  .record({
    from: fc.constantFrom(...CORPUS),
    into: fc.constantFrom(...CORPUS),
    at: fc.nat(600),
    cut: fc.nat(600),
    put: fc.uint8Array({ maxLength: 6 }),
    bit: fc.nat(4_000),
  })
  .map(({ from, into, at, cut, put, bit }) => {
    const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
    return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
  })
const input = fc.oneof(noise, bent, bent, bent)

/** Runs `decode` over the inputs: a value or a coded error, and never slow. */
function fuzz(what: string, decode: (bytes: Uint8Array) => void): void {
  test(`${what}: seed ${SEED}`, async () => {
    const before = process.memoryUsage().heapUsed
    fc.assert(
      fc.property(input, (bytes) => {
        const startedMs = performance.now()
        try {
          decode(bytes)
        } catch (error) {
          if (!(error instanceof CodedError)) throw error
        }
        assert.ok(performance.now() - startedMs < CASE_MS_MAX, 'a case took too long')
      }),
      { numRuns: CASES, seed: SEED },
    )
    await setImmediate()
    const grownMb = (process.memoryUsage().heapUsed - before) / 1024 ** 2
    assert.ok(grownMb < 256, `the heap grew by ${grownMb.toFixed(0)} MiB`)
  })
}

fuzz('decodeMessage()', (bytes) => {
  const message = decodeMessage(bytes)
  for (const infos of [message.closer ?? [], message.providers ?? []]) {
    assert.ok(infos.length <= PEERS_MAX)
    assert.ok(infos.every(({ addresses }) => addresses.length <= ADDRESSES_MAX))
  }
  assert.deepEqual(decodeMessage(encodeMessage(message)), message)
})

fuzz('decodeRecord()', (bytes) => {
  const decoded = decodeRecord(bytes)
  assert.ok(decoded.value.length <= VALUE_BYTES_MAX)
  assert.equal(Buffer.compare(encodeRecord(decoded), bytes), 0)
})

fuzz('parseRecordNameBytes()', (bytes) => {
  const parsed = parseRecordNameBytes(bytes)
  assert.deepEqual(parsed.bytes, bytes)
})

fuzz('addressFromBytes()', (bytes) => {
  const text = addressFromBytes(bytes)
  assert.ok(text === undefined || typeof text === 'string')
})

const records = new Records(
  {
    storage: new SqliteStore(':memory:'),
    self: contactOf(signerOf(9).peer),
    clock: { now: () => 1_000 },
    random: seededRandom('fuzz'),
    network: NETWORK,
    responsible: () => true,
  },
  dhtConfig.parse({ workBits: WORK_BITS }),
)

fuzz('Records.put() stores nothing but what its publisher signed', (bytes) => {
  records.put(name, bytes)
  assert.ok(CORPUS.some((truth) => Buffer.compare(truth, bytes) === 0))
})
