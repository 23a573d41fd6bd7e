import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { equalBytes, seededRandom, toHex } from '../base/index.ts'
import { type PeerId, signerFromSeed } from '../identity/index.ts'
import { openEnvelope } from './envelope.ts'
import { messagesOf, readReceipt } from './receipt.ts'
import { ReceiptWriter } from './receipt-writer.ts'

const NOW_MS = 1_800_000_000_000
const KEPT = Promise.resolve()
const [bob, ann, eve] = [2, 1, 3].map((n) => signerFromSeed(new Uint8Array(32).fill(n)))
assert.ok(bob !== undefined && ann !== undefined && eve !== undefined)

function setup() {
  let signed = 0
  const sign = (bytes: Uint8Array) => {
    signed += 1
    return bob?.sign(bytes) ?? assert.fail()
  }
  const room = { self: bob?.peer ?? assert.fail(), network: 'test', clock: new FakeClock(NOW_MS) }
  const writer = new ReceiptWriter({ ...room, random: seededRandom('receipts'), signer: { sign } })
  return { writer, signed: () => signed }
}

const messageOf = (peer: PeerId, n: number) => ({
  id: n.toString(16).padStart(32, '0'),
  peer,
  hash: new Uint8Array(32).fill(n),
})

function idsIn(receipt: Uint8Array, to: PeerId): string[] {
  const isFor = (found: object) => 'peer' in found && found.peer === to
  const envelope = openEnvelope(receipt, { network: 'test', nowMs: NOW_MS, isFor })
  assert.equal(envelope.from.peer, bob?.peer)
  return messagesOf(readReceipt(envelope)).map(({ of, hash }) => {
    assert.equal(hash[0], of.at(-1))
    return toHex(of)
  })
}

test('messages of one sender in one turn share a receipt, and others have their own', async () => {
  const { writer, signed } = setup()
  const ofAnn = [1, 2, 3].map((n) => messageOf(ann.peer, n))
  const receipts = ofAnn.map((message) => writer.delivered(message, KEPT))
  const ofEve = writer.delivered(messageOf(eve.peer, 4), KEPT)
  const [first = assert.fail(), ...rest] = await Promise.all(receipts)
  assert.ok(rest.every((receipt) => equalBytes(receipt, first)))
  assert.deepEqual(
    idsIn(first, ann.peer),
    ofAnn.map(({ id }) => id),
  )
  assert.deepEqual(idsIn(await ofEve, eve.peer), [messageOf(eve.peer, 4).id])
  assert.equal(signed(), 2)

  const next = await writer.delivered(messageOf(ann.peer, 5), KEPT)
  assert.deepEqual(idsIn(next, ann.peer), [messageOf(ann.peer, 5).id])
})

test('one receipt confirms sixteen messages at most, and that one was read alone', async () => {
  const { writer, signed } = setup()
  const messages = Array.from({ length: 20 }, (_, i) => messageOf(ann.peer, i + 1))
  const receipts = await Promise.all(messages.map((message) => writer.delivered(message, KEPT)))
  assert.equal(idsIn(receipts[0] ?? assert.fail(), ann.peer).length, 16)
  assert.equal(idsIn(receipts[19] ?? assert.fail(), ann.peer).length, 4)
  assert.equal(signed(), 2)
  const [one = assert.fail(), other = assert.fail()] = messages
  const read = await Promise.all([writer.read(one), writer.read(other)])
  assert.deepEqual(
    read.map((receipt) => idsIn(receipt, ann.peer)),
    [[one.id], [other.id]],
  )
})

test('a message that could not be kept is in no receipt, whoever else is told in that turn', async () => {
  const { writer } = setup()
  const [lost, kept] = [messageOf(ann.peer, 1), messageOf(ann.peer, 2)]
  const refused = writer.delivered(lost, Promise.reject(new TypeError('disk full')))
  const receipt = writer.delivered(kept, KEPT)
  await assert.rejects(refused, /disk full/)
  assert.deepEqual(idsIn(await receipt, ann.peer), [kept.id])
})
