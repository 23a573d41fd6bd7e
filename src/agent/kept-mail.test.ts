import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { HOUR_MS, mailOf } from '../../test/support/mail.ts'
import { KeptMail } from './kept-mail.ts'
import {
  PAGE_BYTES_MAX,
  PAGE_MAILS_MAX,
  WORK_BITS_FULL,
  WORK_BITS_MIN,
} from './mailbox-protocol.ts'
import { MAIL_ROW_BYTES, MailStore } from './mailbox-store.ts'
import { ENVELOPE_BYTES_MAX, LIFE_MS_MAX } from './protocol.ts'

const MIB = 1024 * 1024

function setup(limits: { messages?: number; bytes?: number } = {}) {
  const store = new MailStore(':memory:')
  const { messages = 1_600, bytes = 64 * MIB } = limits
  const kept = new KeptMail(store, { mailboxMessagesMax: messages, mailboxBytesMax: bytes })
  return { store, kept }
}

test('keep() answers until when, which is seven days at most', () => {
  const { kept } = setup()
  assert.equal(kept.keep(mailOf({ expiresMs: HOUR_MS }), 0), HOUR_MS)
  const late = mailOf({ id: 2, expiresMs: 100 * LIFE_MS_MAX })
  assert.equal(kept.keep(late, 0), LIFE_MS_MAX)
  assert.equal(kept.holds(late, 0), LIFE_MS_MAX)
  assert.equal(kept.holds(late, LIFE_MS_MAX), undefined)
})

test('a message that is sealed anew takes the place of the old one', () => {
  const { kept } = setup()
  const old = mailOf({ id: 1 })
  const next = { ...mailOf({ id: 2 }), id: old.id }
  kept.keep(old, 0)
  kept.keep(next, 0)
  assert.equal(kept.all.mails, 1)
  assert.equal(kept.holds(old, 0), undefined)
  assert.equal(kept.holds(next, 0), HOUR_MS)
})

test('a larger message that finds no room leaves the one that it should replace', () => {
  const { kept } = setup({ bytes: ENVELOPE_BYTES_MAX + MAIL_ROW_BYTES })
  const old = mailOf({ id: 1, bytes: 1_000 })
  kept.keep(old, 0)
  const larger = { ...mailOf({ id: 2, bytes: ENVELOPE_BYTES_MAX }), id: old.id }
  assert.throws(() => kept.keep(larger, 0), coded('AGENT_MAIL_CROWDED'))
  assert.equal(kept.holds(old, 0), HOUR_MS)
})

test('a disk that fails leaves the message that another should replace', () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-mail-'))
  const file = join(folder, 'mailbox.sqlite')
  try {
    const store = new MailStore(file)
    const kept = new KeptMail(store, { mailboxMessagesMax: 16, mailboxBytesMax: 64 * MIB })
    const old = mailOf({ id: 1 })
    kept.keep(old, 0)
    const before = kept.all
    const other = new DatabaseSync(file)
    other.exec(`CREATE TRIGGER full BEFORE INSERT ON mail BEGIN
                  SELECT RAISE(ABORT, 'disk full'); END`)
    other.close()
    const next = { ...mailOf({ id: 2, bytes: 50 }), id: old.id }
    assert.throws(() => kept.keep(next, 0), coded('AGENT_MESSAGES_FILE'))
    assert.equal(kept.holds(old, 0), HOUR_MS)
    assert.deepEqual(kept.all, before)
    store.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('one sender fills a sixteenth and no more, in count and in bytes', () => {
  const { kept } = setup()
  for (let id = 0; id < 100; id += 1) kept.keep(mailOf({ id, box: `box ${id}` }), 0)
  const over = mailOf({ id: 100, box: 'box 100' })
  assert.throws(() => kept.keep(over, 0), coded('AGENT_MAIL_CROWDED'))
  kept.keep(mailOf({ id: 100, from: 1 }), 0)

  const large = setup()
  const bytes = 500 * 1024
  for (let id = 0; id < 8; id += 1) large.kept.keep(mailOf({ id, bytes, box: `${id}` }), 0)
  const tooMuch = mailOf({ id: 9, bytes, box: '9' })
  assert.throws(() => large.kept.keep(tooMuch, 0), coded('AGENT_MAIL_CROWDED'))
})

test('a flood of many peers of one network drives out its like, and nobody else', () => {
  const { kept, store } = setup({ messages: 160 })
  const honest = mailOf({ id: 1, from: 999, expiresMs: 60_000 })
  kept.keep(honest, 0)
  const flood = (from: number) =>
    mailOf({ from, origin: '198.51.0.0/16', box: `${from % 40}`, expiresMs: HOUR_MS + from })
  let refused = 0
  for (let from = 0; from < 300; from += 1) {
    try {
      kept.keep(flood(from), 0)
    } catch (error) {
      assert.ok(coded('AGENT_MAIL_CROWDED')(error))
      refused += 1
    }
  }
  assert.equal(refused, 300 - 159)
  assert.equal(kept.all.mails, 160)
  assert.equal(kept.holds(honest, 0), 60_000)
  // Whoever comes after the flood finds a place: what of the flood expires first gives way.
  const after = mailOf({ id: 2, from: 998 })
  kept.keep(after, 0)
  assert.equal(kept.holds(after, 0), HOUR_MS)
  assert.equal(kept.holds(flood(0), 0), undefined)
  assert.equal(store.of('origin', '198.51.0.0/16').mails, 158)
})

test('a box that is flooded takes a message of another network still', () => {
  const { kept } = setup({ messages: 160 })
  for (let from = 0; from < 10; from += 1) kept.keep(mailOf({ from, origin: 'flood' }), 0)
  const more = mailOf({ from: 10, origin: 'flood' })
  assert.throws(() => kept.keep(more, 0), coded('AGENT_MAIL_CROWDED'))
  const other = mailOf({ from: 11, origin: 'other' })
  kept.keep(other, 0)
  assert.equal(kept.holds(other, 0), HOUR_MS)
  assert.equal(kept.all.mails, 10)
})

test('what has expired makes room before anything that has not', () => {
  const { kept } = setup({ messages: 1, bytes: MIB })
  kept.keep(mailOf({ id: 1, expiresMs: 1_000 }), 0)
  const next = mailOf({ id: 2, box: 'other', from: 1 })
  assert.throws(() => kept.keep(next, 999), coded('AGENT_MAIL_CROWDED'))
  assert.equal(kept.keep(next, 1_000), HOUR_MS)
})

test('the price rises when more than half is taken, up to a bound', () => {
  const { kept } = setup({ messages: 64 })
  assert.equal(kept.price, WORK_BITS_MIN)
  for (let from = 0; from < 32; from += 1) kept.keep(mailOf({ from, box: `${from}` }), 0)
  assert.equal(kept.price, WORK_BITS_MIN)
  for (let from = 32; from < 48; from += 1) kept.keep(mailOf({ from, box: `${from}` }), 0)
  assert.equal(kept.price, WORK_BITS_MIN + 4)
  for (let from = 48; from < 64; from += 1) kept.keep(mailOf({ from, box: `${from}` }), 0)
  assert.equal(kept.price, WORK_BITS_FULL)
})

test('a page is bounded in count and bytes, and one message of any size is a page', () => {
  const { kept } = setup()
  for (let id = 0; id < 80; id += 1) kept.keep(mailOf({ id, from: id }), 0)
  const first = kept.page('box', 0, 0)
  assert.equal(first.mails.length, PAGE_MAILS_MAX)
  assert.equal(first.more, true)
  const rest = kept.page('box', first.mails.at(-1)?.number ?? 0, 0)
  assert.deepEqual([rest.mails.length, rest.more], [16, false])

  const large = setup({ bytes: 256 * MIB })
  for (let id = 0; id < 4; id += 1) large.kept.keep(mailOf({ id, bytes: 520_000 }), 0)
  const page = large.kept.page('box', 0, 0)
  assert.deepEqual([page.mails.length, page.more], [2, true])
  assert.ok(page.mails.reduce((sum, { envelope }) => sum + envelope.length, 0) <= PAGE_BYTES_MAX)
})

test('property: whatever comes and goes, all sums stay within their bounds and are true', () => {
  const step = fc.record({
    from: fc.nat({ max: 5 }),
    id: fc.nat({ max: 30 }),
    box: fc.constantFrom('a', 'b', 'c'),
    origin: fc.constantFrom('x', 'y', 'z'),
    bytes: fc.integer({ min: 4, max: 200_000 }),
    expiresMs: fc.integer({ min: 1, max: 1_000 }),
    does: fc.constantFrom('keep', 'keep', 'keep', 'remove', 'sweep'),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const limit = { messages: 64, bytes: 2 * MIB }
      const { kept, store } = setup(limit)
      for (const [nowMs, { does, ...said }] of steps.entries()) {
        const mail = mailOf(said)
        if (does === 'remove') kept.remove(mail.box, [mail.hash])
        else if (does === 'sweep') kept.sweep(nowMs)
        else keepOrCrowded(kept, mail, nowMs)
        assert.ok(store.all.mails <= limit.messages && store.all.bytes <= limit.bytes)
        let counted = 0
        for (const box of ['a', 'b', 'c']) {
          const { mails, bytes } = store.of('box', box)
          counted += mails
          assert.ok(mails <= 4 && bytes <= ENVELOPE_BYTES_MAX + MAIL_ROW_BYTES)
          assert.equal([...store.page(box, 0, -1)].length, mails)
        }
        assert.equal(counted, store.all.mails)
        const byOrigin = store.origins().reduce((sum, { bytes }) => sum + bytes, 0)
        assert.equal(byOrigin, store.all.bytes)
      }
      store.close()
    }),
    { numRuns: 60 },
  )
})

function keepOrCrowded(kept: KeptMail, mail: ReturnType<typeof mailOf>, nowMs: number): void {
  try {
    kept.keep(mail, nowMs)
    assert.ok(kept.holds({ ...mail }, Math.min(nowMs, mail.expiresMs - 1)) !== undefined)
  } catch (error) {
    if (!coded('AGENT_MAIL_CROWDED')(error)) throw error
  }
}
