import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerFromSeed } from '../identity/index.ts'
import type { Delivery } from './delivery.ts'
import { type Draft, OutboxStore } from './outbox-store.ts'

const START_MS = 1_800_000_000_000
const BOB = signerFromSeed(new Uint8Array(32).fill(2)).peer

/** A store whose pauses are over when `pass` is called; what is written is told to `written`. */
function setup() {
  const pauses: (() => void)[] = []
  const store = new OutboxStore(':memory:', (over) => void pauses.push(over))
  const written: string[] = []
  const add = (n: number) => {
    const id = n.toString(16).padStart(32, '0')
    const times = { sentAt: START_MS, expiresAt: START_MS + 3_600_000 }
    const draft: Draft = { id, to: BOB, body: new Uint8Array(100).fill(n), ...times }
    const delivery: Delivery = { id, to: BOB, state: 'queued', at: START_MS }
    const state = store.add(draft, delivery)
    void store.written(id).then(() => written.push(id))
    const hash = new Uint8Array(32).fill(n)
    const sealed = { peer: BOB, bytes: new Uint8Array(200), hash, freshUntilMs: START_MS + 1 }
    store.seal({ ...state, draft, sealed: undefined }, sealed)
    return id
  }
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
  const pass = async () => {
    for (const over of pauses.splice(0)) over()
    await turn()
  }
  return { store, add, written, pass, turn }
}

test('a message waits for a whole pause to be written, and for two at most', async () => {
  const { store, add, written, pass, turn } = setup()
  const first = add(1)
  await turn()
  assert.deepEqual(written, [])
  await pass()
  const second = add(2)
  await turn()
  assert.deepEqual(written, [])
  await pass()
  assert.deepEqual(written, [first])
  await pass()
  assert.deepEqual(written, [first, second])
  assert.equal(store.whole(first)?.draft.body.length, 100)
  assert.equal(store.whole(first)?.sealed?.bytes.length, 200)
  assert.equal(store.open.messages, 2)
})

test('a message that is over within the pause is written at once, without its body', async () => {
  const { store, add, written, turn } = setup()
  const id = add(1)
  const other = add(2)
  store.move({ id, to: BOB, state: 'delivered', at: START_MS + 5 }, true)
  await turn()
  assert.deepEqual(written, [id])
  const whole = store.whole(id) ?? assert.fail()
  assert.deepEqual(whole.delivery, { id, to: BOB, state: 'delivered', at: START_MS + 5 })
  assert.deepEqual([whole.draft.body.length, whole.sealed], [0, undefined])
  assert.deepEqual(whole.hashes.length, 1)
  assert.equal(store.open.messages, 1)
  const failed: Delivery = { id: other, to: BOB, state: 'failed', reason: 'why', at: START_MS }
  store.move(failed, true)
  await turn()
  assert.deepEqual(written, [id, other])
  assert.equal(store.state(other)?.delivery.reason, 'why')
})

test('who reads, flushes or closes has what waits in the file first', async () => {
  const { store, add, written, turn } = setup()
  const first = add(1)
  assert.equal(store.state(first)?.delivery.state, 'queued')
  const second = add(2)
  assert.deepEqual(
    store.allOpen().map(({ delivery }) => delivery.id),
    [first, second],
  )
  const third = add(3)
  store.later(third, { tries: 1, dueMs: START_MS + 9, reason: 'away' })
  assert.equal(store.state(third)?.tries, 1)
  const fourth = add(4)
  store.flush()
  const fifth = add(5)
  store.close()
  await turn()
  assert.deepEqual(written, [first, second, third, fourth, fifth])
})
