/**
 * Every decoder of `wire`, `identity` and `ip` against noise and against bent truth: it returns a
 * value or throws a coded error, and nothing else. What a decoder accepts, its encoder gives back.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError, fromUtf8, utf8 } from '../../src/base/index.ts'
import { peerId, peerIdFromBytes, peerIdToBytes } from '../../src/identity/index.ts'
import { parseIp, parsePrefix, scopeOf, wordsToEndpoint } from '../../src/ip/index.ts'
import {
  decodeCbor,
  decodeVarint,
  encodeCbor,
  encodeVarint,
  FrameSplitter,
  parseJson,
  Reader,
  VARINT_BYTES_MAX,
} from '../../src/wire/index.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const BYTES_MAX = 4_096

/** Truths to bend: small, and of every shape that the decoders know. */
const CORPUS: readonly Uint8Array[] = [
  encodeCbor([new Map([[1, Uint8Array.of(1, 2, 3)]]), new Map([['k', null]]), 'text', -5]),
  encodeCbor([[[[[1_000_000, Number.MAX_SAFE_INTEGER]]]]]),
  encodeVarint(Number.MAX_SAFE_INTEGER),
  Uint8Array.of(3, 1, 2, 3, 0, 1, 9),
  utf8('{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":[1,2.5e3,"\\u0041"]}}\n'),
  utf8('[[[{"a":null}],true],-0]\n\n"x"\n'),
  utf8('12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'),
  utf8('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'),
  peerIdToBytes(peerId('12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA')),
  utf8('2001:db8::192.0.2.1/120'),
  utf8('kernish aardwolf cannikins'),
]

const noise = fc.uint8Array({ maxLength: 200 })
const bent = fc
  .record({
    from: fc.constantFrom(...CORPUS),
    into: fc.constantFrom(...CORPUS),
    at: fc.nat(200),
    cut: fc.nat(200),
    put: fc.uint8Array({ maxLength: 4 }),
    bit: fc.nat(2_000),
  })
  .map(({ from, into, at, cut, put, bit }) => {
    const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
    return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
  })
const bytes = fc.oneof(noise, bent)

/** Runs `decode` on every case; a failure prints the seed and the smallest case. */
function fuzz(name: string, decode: (bytes: Uint8Array) => unknown): void {
  test(`${name} decodes or throws a coded error (seed ${SEED})`, async () => {
    const property = fc.asyncProperty(bytes, async (given) => {
      try {
        await decode(given)
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
        assert.notEqual(error.code, 'BASE_BUG', error.message)
      }
    })
    await fc.assert(property, { numRuns: CASES, seed: SEED, endOnFailure: false })
  })
}

/** Bytes as text, one character for each: no byte is lost on the way to a text decoder. */
const latin1 = (given: Uint8Array) => Buffer.from(given).toString('latin1')

fuzz('a reader of counted fields', (given) => {
  const reader = new Reader(given)
  const kind = reader.u8()
  if (kind % 2 === 0) reader.u64('count')
  reader.take(reader.u32())
  reader.end()
})

fuzz('varint', (given) => {
  const varint = decodeVarint(given)
  if (varint === undefined) return
  assert.deepEqual(encodeVarint(varint.value), given.slice(0, varint.size))
})

fuzz('CBOR', (given) => {
  assert.deepEqual(encodeCbor(decodeCbor(given, 'value', BYTES_MAX)), Uint8Array.from(given))
})

for (const framing of ['varint', 'line'] as const) {
  fuzz(`${framing} framing`, (given) => {
    const splitter = new FrameSplitter(framing, 64)
    for (let at = 0; at < given.length; at += 7) {
      for (const frame of splitter.push(given.subarray(at, at + 7))) assert.ok(frame.length <= 64)
      assert.ok(splitter.pendingBytes <= 64 + VARINT_BYTES_MAX)
    }
  })
}

fuzz('JSON', (given) => {
  parseJson(latin1(given), 'message', { bytesMax: BYTES_MAX, depthMax: 16, valuesMax: 100 })
})

fuzz('peer id', (given) => {
  const text = latin1(given)
  assert.equal(peerId(text), text)
})

fuzz('peer id from bytes', (given) => {
  assert.deepEqual(peerIdToBytes(peerIdFromBytes(given)), Uint8Array.from(given))
})

fuzz('IP address', (given) => {
  const { text } = parseIp(latin1(given))
  assert.equal(parseIp(text).text, text)
  scopeOf(text)
})

fuzz('IP prefix', (given) => {
  parsePrefix(latin1(given))
})

test('words decode or throw a coded error', async () => {
  const word = fc.constantFrom(
    'aardvark',
    'aardwolf',
    'kernish',
    'cannikins',
    'zyzzyva',
    'nil',
    '',
    '-',
    '\0',
  )
  const text = fc.array(word, { maxLength: 10 }).map((words) => words.join(' '))
  const property = fc.asyncProperty(text, async (given) => {
    await wordsToEndpoint(given).catch((error: unknown) => assert.ok(error instanceof CodedError))
  })
  await fc.assert(property, { numRuns: Math.min(CASES, 1_000), seed: SEED })
})

test('bytes that are no UTF-8 are a TypeError, which callers turn into their own', () => {
  const property = fc.property(bytes, (given) => {
    try {
      assert.deepEqual(utf8(fromUtf8(given)), Uint8Array.from(given))
    } catch (error) {
      assert.ok(error instanceof TypeError)
    }
  })
  fc.assert(property, { numRuns: CASES, seed: SEED })
})
