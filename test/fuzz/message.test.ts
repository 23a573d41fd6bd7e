/**
 * The decoder of relayed messages against noise and bent truth: it returns a message of the form
 * that it would write again, or throws one of its own errors.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hasCode, seededRandom } from '../../src/base/index.ts'
import { generateKeys } from '../../src/identity/index.ts'
import {
  checkSigned,
  decodeSigned,
  encodeSigned,
  signMessage,
} from '../../src/node/tools/message.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const random = seededRandom('fuzz-message')
const [alice, bob] = [1, 2].map(() => generateKeys(random).signer)
assert.ok(alice !== undefined && bob !== undefined)
const head = { from: alice.peer, to: bob.peer, id: random.bytes(16), sentAtMs: 5 }
const message = await signMessage({ ...head, body: 'hello' }, alice, 'main')
const TRUTH = Buffer.from(encodeSigned(message))

const bent = fc
  .record({ at: fc.nat(), cut: fc.nat(16), put: fc.uint8Array({ maxLength: 16 }) })
  .map(({ at, cut, put }) => {
    const start = at % (TRUTH.length + 1)
    return Buffer.concat([TRUTH.subarray(0, start), put, TRUTH.subarray(start + cut)])
  })

const CODES = ['NODE_MESSAGE_INVALID', 'WIRE_MALFORMED', 'WIRE_TOO_LONG', 'WIRE_TRUNCATED']

test('whatever comes, it is a message or a coded refusal; what is believed is the truth', () => {
  fc.assert(
    fc.property(fc.oneof(bent, fc.uint8Array({ maxLength: 256 })), (bytes) => {
      try {
        const read = decodeSigned(bytes)
        assert.deepEqual(Buffer.from(encodeSigned(read)), Buffer.from(bytes))
        checkSigned(read, { network: 'main', nowMs: 5 })
        assert.deepEqual(Buffer.from(bytes), TRUTH)
      } catch (error) {
        assert.ok(hasCode(error, ...CODES), String(error))
      }
    }),
    { numRuns: CASES, seed: SEED },
  )
})
