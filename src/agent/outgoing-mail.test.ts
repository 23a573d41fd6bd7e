import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { boundTo, envelopeOf, nodeOf } from '../../test/support/mail.ts'
import { hasWork } from '../access/index.ts'
import { silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { MailError } from './mailbox-errors.ts'
import {
  type Addressee,
  type PutAnswer,
  packPutAnswer,
  readPut,
  WORK_BITS_FULL,
  WORK_BITS_MIN,
  workOn,
} from './mailbox-protocol.ts'
import { OutgoingMail } from './outgoing-mail.ts'

const BOB = nodeOf(50).peer
const KEPT: PutAnswer = { kind: 'kept', expiresMs: 1 }
const { signal } = new AbortController()

/** `answer` is asked for each put, with the bits that it brings enough work for. */
function setup(count: number, answer: (n: number, bits: number) => PutAnswer = () => KEPT) {
  const peers = Array.from({ length: count }, (_, i) => nodeOf(100 + i).peer)
  const boxes: Addressee[] = []
  const asked: PeerId[] = []
  const works = new Set<number>()
  const mail = new OutgoingMail({
    keepers: {
      async of(to) {
        boxes.push(to)
        return peers
      },
      async ask(peer, method, payload) {
        assert.equal(method, 'mailbox.put')
        asked.push(peer)
        const { envelope, work } = readPut(payload)
        works.add(work)
        const bits = [24, 20, 14, 13, 12].find((some) => hasWork(workOn(envelope), work, some)) ?? 0
        return packPutAnswer(answer(peers.indexOf(peer), bits))
      },
    },
    log: silentLog,
  })
  return { mail, peers, boxes, asked, works }
}

test('store() leaves a message with eight, and works once for all of them', async () => {
  const { mail, peers, asked, works } = setup(20)
  const envelope = await envelopeOf({ to: BOB })
  const { stored, of, by } = await mail.store(BOB, envelope, { signal })
  assert.deepEqual([stored, of], [8, 8])
  assert.deepEqual(by.toSorted(), peers.slice(0, 8).toSorted())
  assert.equal(asked.length, 8)
  assert.equal(works.size, 1)
  assert.ok(hasWork(workOn(envelope), [...works][0] ?? -1, WORK_BITS_MIN))
})

test('store() asks the next closest where one refuses, and says how many took it', async () => {
  const refuse = (n: number) => {
    if (n >= 5) return KEPT
    throw MailError.MAIL_NOT_KEPT_HERE({ to: BOB, reason: 'it lies far' })
  }
  const { mail, peers } = setup(20, refuse)
  const { stored, by } = await mail.store(BOB, await envelopeOf({ to: BOB }), { signal })
  assert.equal(stored, 8)
  assert.deepEqual(by.toSorted(), peers.slice(5, 13).toSorted())
  const few = setup(3, (n) => refuse(n === 1 ? 9 : 0))
  const one = await few.mail.store(BOB, await envelopeOf({ to: BOB }), { signal })
  assert.deepEqual(one, { stored: 1, of: 3, by: [few.peers[1]] })
})

test('store() says that nobody took it, and why', async () => {
  const refuse = () => {
    throw MailError.MAIL_CROWDED({ of: 'of all', mails: 1, bytes: 1 })
  }
  const { mail, asked } = setup(40, refuse)
  const failed = mail.store(BOB, await envelopeOf({ to: BOB }), { signal })
  await assert.rejects(failed, (error: Error) => {
    assert.ok(coded('AGENT_MAIL_UNKEPT')(error))
    assert.match(error.message, /none of 16 nodes took it \(AGENT_MAIL_CROWDED\)/)
    return true
  })
  assert.equal(asked.length, 16)
  const alone = setup(0).mail.store(BOB, await envelopeOf({ to: BOB }), { signal })
  await assert.rejects(alone, coded('AGENT_MAIL_UNKEPT'))
})

test('store() does the work that a keeper asks for, once more and up to a bound', async () => {
  const wants = (n: number, bits: number): PutAnswer => {
    if (n === 0 && bits < 14) return { kind: 'work', bits: 14 }
    return n === 1 ? { kind: 'work', bits: WORK_BITS_FULL + 1 } : KEPT
  }
  const { mail, peers, asked } = setup(3, wants)
  const { by } = await mail.store(BOB, await envelopeOf({ to: BOB }), { signal })
  assert.deepEqual(by.toSorted(), [peers[0], peers[2]].toSorted())
  assert.equal(asked.filter((peer) => peer === peers[1]).length, 1)
  const greedy = setup(1, (_, bits) => ({ kind: 'work', bits: bits >= 13 ? 14 : 13 }))
  const never = greedy.mail.store(BOB, await envelopeOf({ to: BOB }), { signal })
  await assert.rejects(never, coded('AGENT_MAIL_UNKEPT'))
  assert.equal(greedy.asked.length, 2)
})

test('store() goes by the recipient that the envelope names', async () => {
  const { mail, boxes } = setup(1)
  const { address } = await boundTo(50, 0)
  await mail.store(address, await envelopeOf({ to: BOB }), { signal })
  await mail.store(address, await envelopeOf({ to: address }), { signal })
  assert.deepEqual(boxes, [BOB, address])
})

test('store() ends when nobody waits for it any more', async () => {
  const given = new AbortController()
  const { mail, asked } = setup(20, () => {
    given.abort(MailError.MAIL_MALFORMED({ found: 'no time' }))
    throw MailError.MAIL_MALFORMED({ found: 'no time' })
  })
  const envelope = await envelopeOf({ to: BOB })
  const ended = mail.store(BOB, envelope, { signal: given.signal })
  await assert.rejects(ended, coded('AGENT_MAIL_MALFORMED'))
  assert.ok(asked.length <= 8)
})

test('what some keep is stored, also where the time is over before all have answered', async () => {
  const given = new AbortController()
  const { mail, peers } = setup(20, (n) => {
    if (n === 0) return KEPT
    given.abort(MailError.MAIL_MALFORMED({ found: 'no time' }))
    throw MailError.MAIL_MALFORMED({ found: 'no time' })
  })
  const stored = await mail.store(BOB, await envelopeOf({ to: BOB }), { signal: given.signal })
  assert.deepEqual(stored, { stored: 1, of: 8, by: [peers[0]] })
})
