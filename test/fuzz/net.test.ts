/**
 * What strangers on the link say by mDNS, and `peers.json` as a disk may give it back, against
 * noise and against bent truth: a decoder returns a value, within its limits and soon, or refuses
 * as it promises: mDNS with silence, the file with a coded error.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as dns from 'dns-packet'
import fc from 'fast-check'
import { CodedError, utf8 } from '../../src/base/index.ts'
import {
  ADDRESSES_MAX,
  decodeMessage,
  encodeAnswers,
  encodeQuery,
  MESSAGE_BYTES_MAX,
  readLinkAddress,
  serviceName,
  TTL_SECONDS,
} from '../../src/net/mdns-records.ts'
import {
  ADDRESSES_MAX as FILE_ADDRESSES_MAX,
  parsePeers,
  REMEMBERED_MAX,
} from '../../src/net/peers-file.ts'
import { CASES, SEED } from '../support/fuzz.ts'

/** Far above what one case takes; a decoder that needs longer has found a bomb. */
const CASE_MS_MAX = 500

const PEER = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
const SERVICE = serviceName('main')
const NAME = 'abcdefghijklmnopqrstuvwxyz012345'
const ADDRESSES = ['/ip4/10.0.0.1/tcp/9000', '/ip6/fe80::1/udp/9001/quic-v1'].map(
  (address) => `${address}/p2p/${PEER}`,
)
const text = { type: 'TXT', name: `${NAME}.${SERVICE}`, ttl: 120 } as const

const MESSAGES: readonly Uint8Array[] = [
  encodeQuery(SERVICE),
  ...encodeAnswers(SERVICE, NAME, ADDRESSES),
  dns.encode({
    type: 'response',
    questions: [{ type: 'PTR', name: SERVICE }],
    answers: [{ ...text, data: ADDRESSES.map((address) => `dnsaddr=${address}`) }],
    additionals: Array.from({ length: 40 }, () => ({ ...text, data: [`dnsaddr=${ADDRESSES[0]}`] })),
  }),
]

const entry = { peer: PEER, addresses: ['/ip4/9.9.9.9/tcp/9000'], seenAtMs: 1, dialled: true }
const FILES: readonly Uint8Array[] = [
  { version: 1, peers: [] },
  { version: 1, peers: [entry, { ...entry, dialled: false }] },
  { version: 1, peers: Array.from({ length: 200 }, () => entry) },
].map((file) => utf8(`${JSON.stringify(file)}\n`))

/** A truth that is cut and goes on as another, with some bytes between and one bit turned. */
const bentOf = (corpus: readonly Uint8Array[]) =>
  fc
    .record({
      from: fc.constantFrom(...corpus),
      into: fc.constantFrom(...corpus),
      at: fc.nat(600),
      cut: fc.nat(600),
      put: fc.uint8Array({ maxLength: 4 }),
      bit: fc.nat(4_000),
    })
    .map(({ from, into, at, cut, put, bit }) => {
      const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
      return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
    })

/** Names that point at themselves or at each other (RFC 1035 §4.1.4), behind a sound beginning. */
const pointers = fc
  .tuple(fc.constantFrom(...MESSAGES), fc.array(fc.nat(255), { maxLength: 40 }))
  .map(([message, targets]) => {
    const loops = targets.flatMap((target) => [0xc0, target])
    return Uint8Array.from([...message.subarray(0, message.length - 1), ...loops])
  })

const field = fc
  .record({
    key: fc.constantFrom(
      'version',
      'peers',
      'peer',
      'addresses',
      'seenAtMs',
      'dialled',
      '__proto__',
    ),
    value: fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(...ADDRESSES, '/dnsaddr/x')),
    inEntry: fc.boolean(),
  })
  .map(({ key, value, inEntry }) => {
    const bad = Object.defineProperty({ ...entry }, key, { value, enumerable: true })
    const file = { version: 1, peers: [entry, bad] }
    return JSON.stringify(inEntry ? file : Object.defineProperty(file, key, { value }))
  })

function fuzz<T>(what: string, cases: fc.Arbitrary<T>, decode: (given: T) => void): void {
  test(`${what} (seed ${SEED})`, () => {
    const property = fc.property(cases, (given) => {
      const begun = performance.now()
      decode(given)
      assert.ok(performance.now() - begun < CASE_MS_MAX, 'a case took too long')
    })
    fc.assert(property, { numRuns: CASES, seed: SEED })
  })
}

const datagram = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.uint8Array({ size: 'max', maxLength: MESSAGE_BYTES_MAX + 1 }),
  bentOf(MESSAGES),
  bentOf(MESSAGES),
  pointers,
)

fuzz('an mDNS message says something within limits, or nothing', datagram, (bytes) => {
  const message = decodeMessage(bytes, SERVICE)
  if (message?.kind !== 'answer') return
  assert.ok(message.announced.length <= ADDRESSES_MAX)
  for (const { ttlSeconds, ...announced } of message.announced) {
    assert.ok(ttlSeconds > 0 && ttlSeconds <= TTL_SECONDS)
    assert.deepEqual(readLinkAddress(announced.address), announced)
  }
})

const file = fc.oneof(
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString()),
  bentOf(FILES).map((bytes) => Buffer.from(bytes).toString()),
  field,
)

fuzz('peers.json is read or refused with a code', file, (given) => {
  try {
    const peers = parsePeers(given)
    assert.ok(peers.length <= REMEMBERED_MAX)
    for (const { addresses } of peers) assert.ok(addresses.length <= FILE_ADDRESSES_MAX)
    assert.deepEqual(parsePeers(JSON.stringify({ version: 1, peers })), peers)
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    assert.notEqual(error.code, 'BASE_BUG', error.message)
  }
})
