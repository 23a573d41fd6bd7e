/**
 * The frames of rpc against noise and against bent truth: a decoder returns a request or an answer,
 * or throws a coded error, and nothing else. What it accepts its encoder gives back, and the id
 * that is read of a request before the rest is the id of the request.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError } from '../../src/base/index.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  ID_MAX,
  isMethod,
  peekRequestId,
} from '../../src/rpc/protocol.ts'
import { type Cbor, encodeCbor } from '../../src/wire/index.ts'
import { CASES, SEED } from '../support/fuzz.ts'

/** Far above what one case takes; a decoder that needs longer has found a bomb. */
const CASE_MS_MAX = 500

const payload = new Map<Cbor, Cbor>([
  ['name', 'everything'],
  [1, [Uint8Array.of(1, 2, 3), null, -1, [[[]]]]],
])
const failure = { code: 'STORAGE_FULL', message: 'Cannot store: no room', retryable: true }

/** Truths to bend: each shape of frame, with ids of each size. */
const CORPUS: readonly Uint8Array[] = [
  ...[1, 23, 24, 255, 256, 65_535, 65_536, ID_MAX].map((id) =>
    encodeRequest({ id, method: 'mcp.has', payload }),
  ),
  encodeAnswer({ id: 1, ok: true, payload }),
  encodeAnswer({ id: ID_MAX, ok: true, payload: new Uint8Array(300) }),
  encodeAnswer({ id: 24, ok: false, failure }),
]

const bent = fc
  .record({
    from: fc.constantFrom(...CORPUS),
    into: fc.constantFrom(...CORPUS),
    at: fc.nat(120),
    cut: fc.nat(120),
    put: fc.uint8Array({ maxLength: 4 }),
    bit: fc.nat(1_000),
  })
  .map(({ from, into, at, cut, put, bit }) => {
    const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
    return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
  })

/** Sound CBOR in the place of each part: what gets past the first checks. */
const part: fc.Arbitrary<Cbor> = fc.oneof(
  fc.constantFrom<Cbor>(null, true, false, 0, -1, 1, ID_MAX + 1, 'mcp.has', '', 'A', payload),
  fc.integer(),
  fc.string({ maxLength: 70 }).filter((given) => given.isWellFormed()),
  fc
    .dictionary(
      fc.constantFrom(...Object.keys(failure), 'x'),
      fc.constantFrom('A_B', true, 'x', 1),
      {
        noNullPrototype: true,
      },
    )
    .map((fields) => new Map<Cbor, Cbor>(Object.entries(fields))),
)
const mixed = fc
  .array(part, { minLength: 2, maxLength: 4 })
  .filter((parts) => parts.every((one) => typeof one !== 'string' || !one.startsWith('\ufeff')))
  .map((parts) => encodeCbor(parts))

const frame = fc.oneof(fc.uint8Array({ maxLength: 200 }), bent, bent, mixed)

function fuzz(what: string, decode: (frame: Uint8Array) => void): void {
  test(`${what} decodes or throws a coded error (seed ${SEED})`, () => {
    const property = fc.property(frame, (bytes) => {
      const begun = performance.now()
      try {
        decode(bytes)
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
        assert.notEqual(error.code, 'BASE_BUG', error.message)
      }
      assert.ok(performance.now() - begun < CASE_MS_MAX, 'a case took too long')
    })
    fc.assert(property, { numRuns: CASES, seed: SEED })
  })
}

fuzz('a request', (bytes) => {
  const early = peekRequestId(bytes)
  const request = decodeRequest(bytes)
  assert.equal(early, request.id)
  assert.ok(isMethod(request.method))
  assert.deepEqual(encodeRequest(request), Uint8Array.from(bytes))
})

fuzz('an answer', (bytes) => {
  const answer = decodeAnswer(bytes)
  assert.ok(answer.id >= 1 && answer.id <= ID_MAX)
  if (answer.ok) assert.deepEqual(encodeAnswer(answer), Uint8Array.from(bytes))
  else assert.deepEqual(decodeAnswer(encodeAnswer(answer)), answer)
})
