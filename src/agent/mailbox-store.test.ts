import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HOUR_MS, mailOf, nodeOf } from '../../test/support/mail.ts'
import { MAIL_ROW_BYTES, MailStore } from './mailbox-store.ts'

test('what is kept, and its sums, outlive a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-mail-'))
  try {
    const file = join(folder, 'mailbox.sqlite')
    const before = new MailStore(file)
    before.add(mailOf({ box: 'a', id: 1, origin: '192.0.0.0/16' }))
    before.add(mailOf({ box: 'a', id: 2, from: 1 }))
    before.add(mailOf({ box: 'b', id: 3, bytes: 1_000 }))
    const { all } = before
    before.close()
    before.close()
    const store = new MailStore(file)
    assert.deepEqual(store.all, all)
    assert.equal(store.all.bytes, 1_200 + 3 * MAIL_ROW_BYTES)
    assert.deepEqual(store.of('box', 'a'), { mails: 2, bytes: 200 + 2 * MAIL_ROW_BYTES })
    assert.equal(store.of('sender', nodeOf(0).peer).mails, 2)
    assert.equal(store.of('origin', '192.0.0.0/16').mails, 1)
    const [first, second] = [...store.page('a', 0, 0)]
    assert.deepEqual(first?.envelope, mailOf({ id: 1 }).envelope)
    assert.deepEqual(second?.envelope, mailOf({ id: 2 }).envelope)
    store.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('remove() takes a message of that box only, and of that content only', () => {
  const store = new MailStore(':memory:')
  const mail = mailOf({ box: 'mine' })
  store.add(mail)
  assert.equal(store.remove('other', mail.hash), false)
  assert.equal(store.remove('mine', mailOf({ id: 2 }).hash), false)
  assert.equal(store.remove('mine', mail.hash), true)
  assert.equal(store.remove('mine', mail.hash), false)
  assert.deepEqual(store.all, { mails: 0, bytes: 0 })
  assert.deepEqual(store.origins(), [])
})

test('numbers are not given again, so that a page goes on where it ended', () => {
  const store = new MailStore(':memory:')
  const numbers = [1, 2, 3].map((id) => {
    const mail = mailOf({ id })
    store.add(mail)
    const number = store.find(mail)?.number
    store.remove('box', mail.hash)
    return number
  })
  assert.equal(new Set(numbers).size, 3)
  store.add(mailOf({ id: 4 }))
  assert.equal([...store.page('box', numbers.at(-1) ?? 0, 0)].length, 1)
})

test('what has expired is given to nobody, and swept', () => {
  const store = new MailStore(':memory:')
  store.add(mailOf({ id: 1, expiresMs: HOUR_MS }))
  store.add(mailOf({ id: 2, expiresMs: 2 * HOUR_MS }))
  assert.equal([...store.page('box', 0, HOUR_MS)].length, 1)
  assert.equal(store.all.mails, 2)
  assert.equal(store.sweep(HOUR_MS), 1)
  assert.equal(store.all.mails, 1)
})

test('soonest() names what expires first, of one account, in one box or in all', () => {
  const store = new MailStore(':memory:')
  store.add(mailOf({ box: 'a', id: 1, origin: 'x', expiresMs: 300 }))
  store.add(mailOf({ box: 'b', id: 2, origin: 'x', expiresMs: 200 }))
  store.add(mailOf({ box: 'a', id: 3, origin: 'y', expiresMs: 100 }))
  assert.equal(store.soonest('x')?.expiresMs, 200)
  assert.equal(store.soonest('x', 'a')?.expiresMs, 300)
  assert.equal(store.soonest('z'), undefined)
  assert.deepEqual(
    store.origins('a').map(({ id, mails }) => [id, mails]),
    [
      ['x', 1],
      ['y', 1],
    ],
  )
})
