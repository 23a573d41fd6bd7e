import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { nodeOf } from '../../test/support/mail.ts'
import { fromUtf8 } from '../base/index.ts'
import { ethAddress } from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import {
  addresseeOf,
  boxOf,
  mailboxKey,
  packAck,
  packPage,
  packPut,
  packPutAnswer,
  packTake,
  priceAt,
  readAck,
  readPage,
  readPut,
  readPutAnswer,
  readTake,
  WORK_BITS_FULL,
  WORK_BITS_MIN,
} from './mailbox-protocol.ts'

const BOB = nodeOf(1).peer
const ADDRESS = ethAddress('0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed')
const malformed = coded('AGENT_MAIL_MALFORMED')

test('a mailbox has one place however its address is written', () => {
  const lower = ethAddress(ADDRESS.toLowerCase())
  assert.equal(fromUtf8(mailboxKey(ADDRESS)), `agent:mailbox:${ADDRESS.toLowerCase()}`)
  assert.deepEqual(mailboxKey(lower), mailboxKey(ADDRESS))
  assert.equal(boxOf(BOB), BOB)
  assert.equal(addresseeOf({ address: ADDRESS }), ADDRESS)
  assert.equal(addresseeOf({ peer: BOB }), BOB)
  assert.equal(addresseeOf({ topic: 'all' }), undefined)
})

test('property: what is packed is read back', () => {
  const bytes = fc.uint8Array({ maxLength: 500 })
  const binding = fc.option(fc.uint8Array({ maxLength: 512 }))
  const to = fc.constantFrom(BOB, ADDRESS)
  fc.assert(
    fc.property(bytes, binding, to, fc.nat(), (envelope, proof, whose, number) => {
      assert.deepEqual(readPut(packPut({ envelope, work: number })), { envelope, work: number })
      const take = { to: whose, binding: proof, after: number }
      assert.deepEqual(readTake(packTake(take)), take)
      const hash = new Uint8Array(32).fill(number % 256)
      const ack = { to: whose, binding: proof, hashes: [hash] }
      assert.deepEqual(readAck(packAck(ack)), ack)
      const page = { mails: [{ number: number + 1, envelope }], more: true }
      assert.deepEqual(readPage(packPage(page), number), page)
      const kept = { kind: 'kept', expiresMs: number } as const
      assert.deepEqual(readPutAnswer(packPutAnswer(kept)), kept)
      const work = { kind: 'work', bits: number } as const
      assert.deepEqual(readPutAnswer(packPutAnswer(work)), work)
    }),
  )
})

test('other shapes are refused', () => {
  const hash = new Uint8Array(32)
  const many = Array.from({ length: 65 }, () => hash)
  const wrong: [(payload: Cbor) => unknown, Cbor][] = [
    [readPut, null],
    [readPut, [new Uint8Array(600_000), 1]],
    [readPut, [new Uint8Array(1), -1]],
    [readPutAnswer, ['kept', 'soon']],
    [readPutAnswer, ['maybe', 1]],
    [readTake, [BOB, new Uint8Array(513), 0]],
    [readTake, [BOB.repeat(2), null, 0]],
    [readAck, [BOB, null, []]],
    [readAck, [BOB, null, many]],
    [readAck, [BOB, null, [new Uint8Array(33)]]],
    [(payload) => readPage(payload, 0), [many.map((_, i) => [i + 1, hash]), false]],
    [(payload) => readPage(payload, 0), [[[1, hash]], 1]],
    [(payload) => readPage(payload, 5), [[[5, hash]], false]],
  ]
  for (const [read, payload] of wrong) assert.throws(() => read(payload), malformed)
  assert.throws(() => readTake(['nobody', null, 0]), coded('IDENTITY_PEER_ID_INVALID'))
  // A keeper that promises more and gives nothing has nothing more to give.
  assert.equal(readPage([[], true], 0).more, false)
})

test('property: the price never falls as the room fills, and has both bounds', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 2, noNaN: true }),
      fc.double({ min: 0, max: 1 }),
      (a, b) => {
        const [less, more] = [priceAt(a), priceAt(a + (Number.isNaN(b) ? 0 : b))]
        assert.ok(less <= more && less >= WORK_BITS_MIN && more <= WORK_BITS_FULL)
      },
    ),
  )
})
