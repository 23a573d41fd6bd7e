/** The ledger decides what counts: who had to hear what, and which deliveries must not be. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeys } from '../../../src/identity/index.ts'
import { simRandom } from '../../../src/testing/index.ts'
import { Ledger, type Listener } from './ledger.ts'

const DUE = { saidMs: 100, beforeMs: 1_000, afterMs: 10_000 }
const random = simRandom('ledger')

function listener(times: Partial<Listener> = {}): Listener {
  return { peer: generateKeys(random).signer.peer, inTouchMs: 0, ...times }
}

function ledgerOf(...listeners: readonly Listener[]): Ledger {
  const ledger = new Ledger()
  ledger.listeners.push(...listeners)
  return ledger
}

test('a message is due to whoever was there before and after, but not to its author', () => {
  const author = listener()
  const there = listener()
  const late = listener({ inTouchMs: 4_500 })
  const gone = listener({ goneMs: 14_000 })
  const ledger = ledgerOf(author, there, late, gone)
  const id = ledger.say(author, 5_000)
  assert.equal(ledger.heard(DUE).expected, 1)
  ledger.hear(there, { id, from: author.peer }, 5_150)
  const { delivered, latenciesMs, missing } = ledger.heard(DUE)
  assert.equal(delivered, 1)
  assert.deepEqual(latenciesMs, [150])
  assert.deepEqual(missing, [])
})

test('what comes after its time is missing', () => {
  const [author, there] = [listener(), listener()]
  const ledger = ledgerOf(author, there)
  const id = ledger.say(author, 5_000)
  ledger.hear(there, { id, from: author.peer }, 15_001)
  const { delivered, expected, missing } = ledger.heard(DUE)
  assert.deepEqual([delivered, expected, missing.length], [0, 1, 1])
})

test('whoever died while it spoke said nothing', () => {
  const ledger = ledgerOf(listener({ goneMs: 5_050 }), listener())
  const [author] = ledger.listeners
  if (author === undefined) assert.fail()
  ledger.say(author, 5_000)
  const { expected, unsaid } = ledger.heard(DUE)
  assert.deepEqual([expected, unsaid], [0, 1])
})

test('twice, under a false name, and never said at all are wrong', () => {
  const [author, there] = [listener(), listener()]
  const ledger = ledgerOf(author, there)
  const id = ledger.say(author, 5_000)
  ledger.hear(there, { id, from: author.peer }, 5_100)
  assert.deepEqual(ledger.wrong, [])
  ledger.hear(there, { id, from: author.peer }, 5_200)
  ledger.hear(there, { id, from: there.peer }, 5_300)
  ledger.hear(there, { id: undefined, from: author.peer }, 5_400)
  assert.equal(ledger.wrong.length, 3)
  assert.equal(ledger.deliveries, 4)
})
