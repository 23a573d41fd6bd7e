import assert from 'node:assert/strict'
import { test } from 'node:test'
import { equalBytes, seededRandom } from '../base/index.ts'
import { type Cbor, encodeCbor } from '../wire/index.ts'
import { RECEIPT_MESSAGES_MAX, RECEIPT_STATES } from './protocol.ts'
import { messagesOf, readReceipt, receiptBody } from './receipt.ts'

const hash = seededRandom('receipt').bytes(32)
const of = new Uint8Array(16)

test('a receipt is read as it was written, and a message is none', () => {
  for (const state of RECEIPT_STATES) {
    const body = receiptBody({ of, state, hash })
    const read = readReceipt({ kind: 'receipt', body })
    assert.equal(read.state, state)
    assert.ok(equalBytes(read.of, of) && equalBytes(read.hash, hash))
    const code = 'AGENT_RECEIPT_INVALID'
    assert.throws(() => readReceipt({ kind: 'message', body }), { code })
  }
})

test('a body of any other form is no receipt', () => {
  const form = (rows: readonly [Cbor, Cbor][]) => encodeCbor(new Map(rows))
  const wrong = [
    new Uint8Array(),
    encodeCbor([1]),
    form([
      [1, of],
      [2, 1],
    ]),
    form([
      [1, of],
      [2, 3],
      [3, hash],
    ]),
    form([
      [1, of.subarray(1)],
      [2, 1],
      [3, hash],
    ]),
    form([
      [1, of],
      [2, 1],
      [3, hash.subarray(1)],
    ]),
    new Uint8Array(1_025),
  ]
  for (const body of wrong) {
    const code = 'AGENT_RECEIPT_INVALID'
    assert.throws(() => readReceipt({ kind: 'receipt', body }), { code })
  }
  const body = receiptBody({ of, state: 'delivered', hash })
  assert.equal(readReceipt({ kind: 'receipt', body: new Uint8Array() }, body).state, 'delivered')
})

test('a receipt names up to sixteen messages, and no list that is empty or of another form', () => {
  const named = { of, hash }
  const listed = (count: number) => Array.from({ length: count }, () => named)
  const most = listed(RECEIPT_MESSAGES_MAX - 1)
  const body = receiptBody({ ...named, state: 'delivered', more: most })
  const read = readReceipt({ kind: 'receipt', body })
  assert.equal(messagesOf(read).length, RECEIPT_MESSAGES_MAX)
  assert.ok(equalBytes(receiptBody(read), body))
  const first: readonly [Cbor, Cbor][] = [
    [1, of],
    [2, 1],
    [3, hash],
  ]
  const wrong: readonly Cbor[] = [
    [],
    null,
    [named.of],
    [[of]],
    [[of, hash, 1]],
    [[hash, of]],
    listed(RECEIPT_MESSAGES_MAX).map(({ of, hash }) => [of, hash]),
  ]
  for (const more of wrong) {
    const bent = encodeCbor(new Map([...first, [4, more]]))
    const code = 'AGENT_RECEIPT_INVALID'
    assert.throws(() => readReceipt({ kind: 'receipt', body: bent }), { code })
  }
})
