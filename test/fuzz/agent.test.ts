/**
 * What agents send each other against noise and bent truth: an envelope is believed only as it was
 * signed, a body opens only as it was sealed, and receipts, pre-keys and OpenPond's messages are
 * read or refused with a code.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { envelopeHash } from '../../src/agent/envelope.ts'
import { readOpenPond, writeOpenPond } from '../../src/agent/openpond.ts'
import { readOpenPondNotice, writeOpenPondNotice } from '../../src/agent/openpond-notice.ts'
import { packPreKey, readPreKey } from '../../src/agent/pre-keys.ts'
import { readReceipt, receiptBody } from '../../src/agent/receipt.ts'
import { CodedError } from '../../src/base/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../../src/wire/index.ts'
import { agentOf, messageOf, NETWORK, NOW_MS, takenBy } from '../support/agent-messages.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const [alice, bob] = await Promise.all(['alice', 'bob'].map((name) => agentOf(name)))
assert.ok(alice !== undefined && bob !== undefined)
const TRUTH = Buffer.from(await messageOf(alice, bob, { conversation: 'c', sequence: 5 }))
const whole = takenBy(bob, TRUTH)
const RECEIPT = Buffer.from(
  receiptBody({ of: whole.id, state: 'delivered', hash: envelopeHash(TRUTH) }),
)
const PRE_KEY = Buffer.from(encodeCbor(packPreKey(bob.preKey)))
const said = { to: bob.eth.address, body: Buffer.from('hi'), sentAtMs: NOW_MS }
const OPENPOND = Buffer.from(writeOpenPond(said, alice.eth, alice.random))

const own = {
  address: alice.eth.address,
  peer: alice.identity.signer.peer,
  name: 'alice',
  atMs: NOW_MS,
}
const OPENPOND_NOTICE = Buffer.from(writeOpenPondNotice(own).openpond)

const bentOf = (truth: Buffer) =>
  fc
    .record({ at: fc.nat(), cut: fc.nat(16), put: fc.uint8Array({ maxLength: 16 }) })
    .map(({ at, cut, put }) => {
      const start = at % (truth.length + 1)
      return Buffer.concat([truth.subarray(0, start), put, truth.subarray(start + cut)])
    })
const noise = fc.uint8Array({ maxLength: 256 })

/** Fields of the right keys with values of any kind, as one who knows the form would send. */
const value: fc.Arbitrary<Cbor> = fc.oneof(
  fc.integer(),
  fc.stringMatching(/^[ -~]{0,80}$/),
  fc.uint8Array({ maxLength: 70 }),
  fc.tuple(fc.integer({ min: 0, max: 4 }), fc.uint8Array({ maxLength: 40 })),
)
const fields = decodeCbor(TRUTH, 'truth', 4_096) as ReadonlyMap<Cbor, Cbor>
const shaped = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 17 }), value), { maxLength: 3 })
  .map((changes) => encodeCbor(new Map<Cbor, Cbor>([...fields, ...changes])))

/** Runs `holds` over inputs; whatever it throws must carry a code. */
function check(input: fc.Arbitrary<Uint8Array>, holds: (bytes: Uint8Array) => void): void {
  const survives = (bytes: Uint8Array) => {
    try {
      holds(bytes)
    } catch (error) {
      assert.ok(error instanceof CodedError, String(error))
      assert.match(String(error.code), /^AGENT_/)
    }
  }
  fc.assert(fc.property(input, survives), { numRuns: CASES, seed: SEED })
}

test(`whatever comes, what is believed is the truth (seed ${SEED})`, () => {
  check(fc.oneof(bentOf(TRUTH), shaped, noise), (bytes) => {
    takenBy(bob, bytes)
    assert.deepEqual(Buffer.from(bytes), TRUTH)
  })
})

test('a body opens only as it was sealed', () => {
  check(fc.oneof(bentOf(Buffer.from(whole.body)), noise), (body) => {
    if (body.length < 52) return
    const opened = bob.opener.open({ ...whole, body })
    assert.equal(Buffer.from(opened).toString(), 'hello')
    assert.deepEqual(Buffer.from(body), Buffer.from(whole.body))
  })
})

test('a receipt is read as it would be written, or refused', () => {
  check(fc.oneof(bentOf(RECEIPT), noise), (body) => {
    const receipt = readReceipt({ kind: 'receipt', body })
    assert.deepEqual(Buffer.from(receiptBody(receipt)), Buffer.from(body))
  })
})

test('a pre-key is the one that its owner signed, or refused', () => {
  check(fc.oneof(bentOf(PRE_KEY), noise), (bytes) => {
    let read: Cbor
    try {
      read = decodeCbor(bytes, 'pre-key', 512)
    } catch {
      return
    }
    readPreKey(read, { peer: bob.peer, network: NETWORK, nowMs: NOW_MS })
    assert.deepEqual(Buffer.from(bytes), PRE_KEY)
  })
})

test("a message in OpenPond's form is believed with what was signed in it, or refused", () => {
  check(fc.oneof(bentOf(OPENPOND), noise), (bytes) => {
    const read = readOpenPond(bytes, { nowMs: NOW_MS, own: bob.eth.address })
    assert.equal(Buffer.from(read.body).toString(), 'hi')
    assert.equal(read.from, alice.eth.address)
  })
})

test("a notice of OpenPond's is read whole, or refused", () => {
  const text = fc.json().map((json) => Buffer.from(json))
  check(fc.oneof(bentOf(OPENPOND_NOTICE), text, noise), (bytes) => {
    const { isSigned, ...notice } = readOpenPondNotice(bytes, NOW_MS)
    assert.equal(isSigned(), false)
    assert.match(notice.address, /^0x[0-9a-fA-F]{40}$/)
  })
})
