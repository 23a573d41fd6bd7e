import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../../test/support/expect.ts'
import { signerFromSeed } from '../../identity/index.ts'
import {
  AGE_MS_MAX,
  BODY_BYTES_MAX,
  checkSigned,
  decodeSigned,
  encodeSigned,
  isReceipt,
  MESSAGE_BYTES_MAX,
  signMessage,
  signReceipt,
} from './message.ts'

const [alice, bob, mallory] = [1, 2, 3].map((n) => signerFromSeed(new Uint8Array(32).fill(n)))
assert.ok(alice !== undefined && bob !== undefined && mallory !== undefined)

const draft = (body: string, sentAtMs = 1_000_000) => {
  return { from: alice.peer, to: bob.peer, id: new Uint8Array(16).fill(7), sentAtMs, body }
}

test('a message comes out as it went in, whatever its text', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ minLength: 1, maxLength: 64, unit: 'grapheme' }), async (body) => {
      const message = await signMessage(draft(body), alice, 'main')
      const read = decodeSigned(encodeSigned(message))
      assert.deepEqual(read, message)
      checkSigned(read, { network: 'main', nowMs: 1_000_000 })
    }),
    { numRuns: 50 },
  )
})

test('decodeSigned() refuses every other text of bytes, with a coded error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.throws(
        () => decodeSigned(bytes),
        (error: Error) => 'code' in error,
      )
    }),
  )
})

test('a message is refused when it was altered, forged, old, or of another network', async () => {
  const message = await signMessage(draft('hello'), alice, 'main')
  const at = { network: 'main', nowMs: 1_000_000 }
  const refused = coded('NODE_MESSAGE_INVALID')
  assert.throws(() => checkSigned({ ...message, body: 'hallo' }, at), refused)
  assert.throws(() => checkSigned({ ...message, from: mallory.peer }, at), refused)
  assert.throws(() => checkSigned({ ...message, to: mallory.peer }, at), refused)
  assert.throws(() => checkSigned(message, { ...at, network: 'x' }), refused)
  const late = { ...at, nowMs: at.nowMs + AGE_MS_MAX + 1 }
  assert.throws(() => checkSigned(message, late), refused)
  const early = { ...at, nowMs: at.nowMs - AGE_MS_MAX - 1 }
  assert.throws(() => checkSigned(message, early), refused)
})

test('a body is bounded on its way out and on its way in', async () => {
  const largest = await signMessage(draft('x'.repeat(BODY_BYTES_MAX)), alice, 'main')
  assert.ok(encodeSigned(largest).length <= MESSAGE_BYTES_MAX)
  const refused = coded('NODE_MESSAGE_INVALID')
  await assert.rejects(signMessage(draft(''), alice, 'main'), refused)
  await assert.rejects(
    signMessage(draft('ö'.repeat(BODY_BYTES_MAX / 2 + 1)), alice, 'main'),
    refused,
  )
  const long = encodeSigned({ ...largest, body: `${largest.body}x` })
  assert.throws(() => decodeSigned(long), refused)
})

test('a receipt is the word of the receiver about one message', async () => {
  const message = await signMessage(draft('hello'), alice, 'main')
  const other = await signMessage(draft('other'), alice, 'main')
  const receipt = await signReceipt(message, bob, 'main')
  assert.equal(isReceipt(message, receipt, 'main'), true)
  assert.equal(isReceipt(other, receipt, 'main'), false)
  assert.equal(isReceipt(message, await signReceipt(message, mallory, 'main'), 'main'), false)
})
