/**
 * The messages of lasting channels against noise and bent truth: each is decoded or refused with a
 * code, and encodes back to the same bytes. A session takes any message of the other side, or
 * refuses it with a code, and keeps no more than its window.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError } from '../../src/base/index.ts'
import {
  decodeMessage,
  encodeMessage,
  type Message,
  PAYLOAD_BYTES_MAX,
} from '../../src/net/lasting-codec.ts'
import { LastingSession } from '../../src/net/lasting-session.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const position = { received: 7, taken: 5 }
const window = { frames: 1_024, bytes: 1_048_576 }
const session = new Uint8Array(16).fill(7)
const MESSAGES: readonly Message[] = [
  { kind: 'hello', isNew: true, session, position, window, protocol: 'files/1' },
  { kind: 'hello', isNew: false, session, position, window, protocol: 'x'.repeat(128) },
  { kind: 'welcome', position, window },
  { kind: 'refuse', reason: 'unknown' },
  { kind: 'drop', reason: 'unread' },
  { kind: 'data', number: 1, payload: new Uint8Array(20) },
  { kind: 'data', number: 2 ** 40, payload: new Uint8Array() },
  { kind: 'end', number: 9 },
  { kind: 'receipt', taken: 3 },
]
const CORPUS = MESSAGES.map(encodeMessage)

const bent = fc
  .record({
    from: fc.constantFrom(...CORPUS),
    into: fc.constantFrom(...CORPUS),
    at: fc.nat(60),
    cut: fc.nat(60),
    put: fc.uint8Array({ maxLength: 4 }),
    bit: fc.nat(400),
  })
  .map(({ from, into, at, cut, put, bit }) => {
    const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
    return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
  })
const frame = fc.oneof(fc.uint8Array({ maxLength: 80 }), bent, bent, fc.constantFrom(...CORPUS))
const options = { numRuns: CASES, seed: SEED }

/** What `work` gives, or nothing where it refused with a code that is not our own mistake. */
function orRefused<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof CodedError)) throw error
    assert.notEqual(error.code, 'BASE_BUG', error.message)
    return undefined
  }
}

test(`a message decodes to what encodes to the same bytes: seed ${SEED}`, () => {
  for (const [i, message] of MESSAGES.entries()) {
    assert.deepEqual(decodeMessage(CORPUS[i] ?? new Uint8Array()), message)
  }
  fc.assert(
    fc.property(frame, (bytes) => {
      const message = orRefused(() => decodeMessage(bytes))
      if (message !== undefined) assert.deepEqual(encodeMessage(message), Uint8Array.from(bytes))
    }),
    options,
  )
})

test(`a session takes or refuses whatever comes, within its window: seed ${SEED}`, () => {
  const small = { frames: 4, bytes: PAYLOAD_BYTES_MAX }
  const number = fc.integer({ min: 0, max: 12 })
  const said: fc.Arbitrary<Message> = fc.oneof(
    fc.record({
      kind: fc.constant('data' as const),
      number,
      payload: fc.constantFrom(...[0, 9, 200_000].map((size) => new Uint8Array(size))),
    }),
    fc.record({ kind: fc.constant('end' as const), number }),
    fc.record({ kind: fc.constant('receipt' as const), taken: number }),
    fc.constantFrom(...MESSAGES),
  )
  const place = fc.record({ received: number, taken: number })
  const act = fc.oneof(said, place, fc.constant('take' as const), fc.constant('write' as const))
  fc.assert(
    fc.property(fc.array(act, { maxLength: 40 }), (acts) => {
      const one = new LastingSession(small)
      for (const what of acts) {
        if (what === 'take') one.take()
        else if (what === 'write') {
          if (one.hasRoom(1)) one.write(Uint8Array.of(1))
          one.next(true)
        } else {
          orRefused(() => ('kind' in what ? one.receive(what) : one.attach(what, small)))
        }
        assert.ok(one.unread <= small.frames && one.unconfirmed <= small.frames)
        assert.ok(one.confirmed >= 0 && one.confirmed <= one.written)
        assert.ok(one.unconfirmedBytes <= small.bytes)
      }
    }),
    options,
  )
})
