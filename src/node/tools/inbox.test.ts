import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../../test/support/expect.ts'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { type PeerId, signerFromSeed } from '../../identity/index.ts'
import { Inbox, type Received } from './inbox.ts'

const peers = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => {
  return signerFromSeed(new Uint8Array(32).fill(n)).peer
})
const [ALICE, BOB] = peers as [PeerId, PeerId]

function message(n: number, from = ALICE, body = `body ${n}`) {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(0, n)
  return { from, to: BOB, id, sentAtMs: 0, body, signature: new Uint8Array(64) }
}

function setup() {
  const told: Received[] = []
  const inbox = new Inbox(new FakeClock(), (one) => told.push(one))
  return { inbox, told }
}

test('what came before a reader is kept for it, once', () => {
  const { inbox, told } = setup()
  inbox.take(message(1), ALICE)
  inbox.take(message(1), BOB)
  const read: string[] = []
  const off = inbox.read(({ body }) => read.push(body))
  inbox.take(message(2), ALICE)
  off()
  inbox.take(message(3), ALICE)
  assert.deepEqual(read, ['body 1', 'body 2'])
  assert.equal(inbox.size, 1)
  assert.equal(told.length, 3)
})

test('one author cannot fill the inbox, and all together fill it once', () => {
  const { inbox } = setup()
  const full = coded('NODE_INBOX_FULL')
  for (let i = 0; i < 32; i += 1) inbox.take(message(i), ALICE)
  assert.throws(() => inbox.take(message(99), ALICE), full)
  for (const peer of peers.slice(1, 8)) {
    for (let i = 0; i < 32; i += 1) inbox.take(message(i, peer), ALICE)
  }
  assert.equal(inbox.size, 256)
  assert.throws(() => inbox.take(message(1, peers[9]), ALICE), full)
})

test('a message that was refused may come again', () => {
  const { inbox } = setup()
  for (let i = 0; i < 32; i += 1) inbox.take(message(i), ALICE)
  assert.throws(() => inbox.take(message(99), ALICE), coded('NODE_INBOX_FULL'))
  const read: string[] = []
  inbox.read(({ body }) => read.push(body))
  inbox.take(message(99), ALICE)
  assert.equal(read.at(-1), 'body 99')
})
