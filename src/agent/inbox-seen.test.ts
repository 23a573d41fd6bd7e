import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { signerFromSeed } from '../identity/index.ts'
import type { Incoming } from './agent-message.ts'
import { InboxStore } from './inbox-store.ts'

const START_MS = 1_800_000_000_000
const UNTIL_MS = START_MS + 3_600_000
const ANN = signerFromSeed(new Uint8Array(32).fill(1)).peer
const BOB = signerFromSeed(new Uint8Array(32).fill(2)).peer
const idOf = (n: number) => n.toString(16).padStart(32, '0')

function message(n: number): Incoming {
  const said = { id: idOf(n), from: { peer: ANN }, to: BOB, body: new Uint8Array(4) }
  const when = { sentAt: START_MS, expiresAt: UNTIL_MS }
  return { ...said, ...when, broadcast: false, route: 'direct', hash: new Uint8Array(32) }
}

function inFolder(work: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-seen-'))
  try {
    work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('ids that a process took with it are known again, of messages whose turn was over', () => {
  inFolder((folder) => {
    const file = join(folder, 'inbox.sqlite')
    const store = new InboxStore(file)
    for (let n = 0; n < 600; n += 1) store.add(message(n), START_MS, UNTIL_MS)
    store.flush()
    // As a process leaves it that is killed: nobody closes anything.
    cpSync(folder, `${folder}-killed`, { recursive: true })
    store.close()
    const again = new InboxStore(join(`${folder}-killed`, 'inbox.sqlite'))
    try {
      for (let n = 0; n < 600; n += 1) assert.ok(again.isSeen(ANN, idOf(n)), `message ${n}`)
      assert.ok(!again.isSeen(ANN, idOf(600)) && !again.isSeen(BOB, idOf(1)))
      assert.equal(again.all.seen, 600)
      assert.equal(again.of(ANN).messages, 600)
    } finally {
      again.close()
      rmSync(`${folder}-killed`, { recursive: true, force: true })
    }
  })
})

test('a message that goes leaves its id behind, also when the process is killed then', () => {
  inFolder((folder) => {
    const store = new InboxStore(join(folder, 'inbox.sqlite'))
    const { cursor } = store.add(message(1), START_MS, UNTIL_MS)
    store.markRead(cursor)
    assert.ok(store.dropSpare('read'))
    store.flush()
    cpSync(folder, `${folder}-killed`, { recursive: true })
    store.close()
    const again = new InboxStore(join(`${folder}-killed`, 'inbox.sqlite'))
    try {
      assert.deepEqual(again.all, { messages: 0, bytes: 0, seen: 1 })
      assert.ok(again.isSeen(ANN, idOf(1)))
      again.forget(UNTIL_MS)
      assert.ok(!again.isSeen(ANN, idOf(1)))
      assert.equal(again.all.seen, 0)
    } finally {
      again.close()
      rmSync(`${folder}-killed`, { recursive: true, force: true })
    }
  })
})

test('an id is seen before it is written, while it is, and after', () => {
  const store = new InboxStore(':memory:')
  for (let n = 0; n < 300; n += 1) {
    store.add(message(n), START_MS, UNTIL_MS)
    for (const known of [0, n]) assert.ok(store.isSeen(ANN, idOf(known)), `${known} of ${n}`)
  }
  store.flush()
  for (let n = 0; n < 300; n += 1) assert.ok(store.isSeen(ANN, idOf(n)))
  store.close()
  store.close()
})
