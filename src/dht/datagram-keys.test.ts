import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keysOf } from '../../test/support/datagram-fixture.ts'
import type { PeerId } from '../identity/index.ts'
import { DatagramKeys } from './datagram-keys.ts'
import {
  ANSWER,
  answerHead,
  parsePacket,
  QUESTION,
  type QuestionPacket,
  questionHead,
} from './datagram-packet.ts'

const alice = keysOf(1)
const bob = keysOf(2)
const from = { host: '192.0.2.1', port: 9_000 }
const BODY = Uint8Array.of(0, 0, 0, 0, 1, 5)

function sideOf(keys: typeof alice, run = 1, network = 'test') {
  const startedMs = 500
  const boot = new Uint8Array(8).fill(run)
  const { agreement } = keys
  const side = new DatagramKeys({ self: keys.signer.peer, network, agreement, boot, startedMs })
  const to = (other: typeof alice) => ({
    peer: other.signer.peer,
    publicKey: other.signer.publicKey,
  })
  const question = (other: typeof alice, counter = side.nextCounter()): QuestionPacket => {
    const head = questionHead(1, keys.signer.publicKey, {
      boot,
      counter,
      cookie: new Uint8Array(16),
    })
    const packet = parsePacket(side.seal(to(other), { head, counter }, BODY))
    assert.ok(packet?.kind === QUESTION)
    return packet
  }
  const answer = (other: typeof alice, toBoot: Uint8Array) => {
    const counter = side.nextCounter()
    const head = answerHead(0, 1, { boot, counter, cookie: new Uint8Array(16) })
    const packet = parsePacket(side.seal(to(other), { head, counter, boot: toBoot }, BODY))
    assert.ok(packet?.kind === ANSWER)
    return packet
  }
  return { keys: side, boot, question, answer, to }
}

const shown = (issuedMs = 1_000) => ({ cookie: new Uint8Array(16), from, issuedMs })
const open = (side: ReturnType<typeof sideOf>, packet: QuestionPacket, issuedMs = 1_000) =>
  side.keys.openQuestion(packet, shown(issuedMs), 1_000)

test('a question opens for whom it was sealed, and says who sealed it', () => {
  const opened = open(sideOf(bob), sideOf(alice).question(bob))
  assert.ok(opened.kind === 'opened')
  assert.equal(opened.peer, alice.signer.peer)
  assert.deepEqual(Uint8Array.from(opened.body), BODY)
})

test('it opens for nobody else, and in no other network', () => {
  const packet = sideOf(alice).question(bob)
  assert.equal(open(sideOf(keysOf(3)), packet).kind, 'forged')
  assert.equal(open(sideOf(bob, 1, 'other'), packet).kind, 'forged')
})

test('another sender in the head is no sender at all', () => {
  const packet = sideOf(alice).question(bob)
  const eve = keysOf(3)
  assert.equal(open(sideOf(bob), { ...packet, key: eve.signer.publicKey }).kind, 'forged')
})

test('a packet with any bit turned does not open', () => {
  const packet = sideOf(alice).question(bob)
  const whole = Uint8Array.from([...packet.head, ...packet.sealed])
  fc.assert(
    fc.property(fc.nat(8 * whole.length - 1), (bit) => {
      const bent = Uint8Array.from(whole)
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const parsed = parsePacket(bent)
      if (parsed?.kind === QUESTION) assert.notEqual(open(sideOf(bob), parsed).kind, 'opened')
    }),
  )
})

test('a question cannot be turned back on its sender', () => {
  const a = sideOf(alice)
  assert.equal(open(a, a.question(bob)).kind, 'forged')
})

test('a packet counts once', () => {
  const [a, b] = [sideOf(alice), sideOf(bob)]
  const packet = a.question(bob)
  assert.equal(open(b, packet).kind, 'opened')
  assert.equal(open(b, packet).kind, 'replayed')
})

test('packets may come in another order, but not too late', () => {
  const [a, b] = [sideOf(alice), sideOf(bob)]
  const packets = Array.from({ length: 100 }, () => a.question(bob))
  const [first, second, ...rest] = packets
  assert.ok(first !== undefined && second !== undefined)
  for (const packet of rest.toReversed().slice(0, 63)) assert.equal(open(b, packet).kind, 'opened')
  assert.equal(open(b, second).kind, 'opened')
  assert.equal(open(b, first).kind, 'opened')
  assert.equal(open(b, first).kind, 'replayed')
})

test('an answer opens for the run that asked, and for no other', () => {
  const [a, b] = [sideOf(alice), sideOf(bob)]
  const packet = b.answer(alice, a.boot)
  assert.deepEqual(Uint8Array.from(a.keys.openAnswer(a.to(bob), packet) ?? []), BODY)
  const later = sideOf(alice, 2)
  assert.equal(later.keys.openAnswer(later.to(bob), packet), undefined)
  assert.equal(a.keys.openAnswer(a.to(keysOf(3)), packet), undefined)
})

test('whoever forges leaves nothing behind', () => {
  const b = sideOf(bob)
  for (let i = 0; i < 20; i += 1) {
    const packet = sideOf(keysOf(100 + i)).question(keysOf(3))
    assert.equal(open(b, packet).kind, 'forged')
  }
  assert.equal(b.keys.size, 0)
  assert.equal(open(b, { ...sideOf(alice).question(bob), key: new Uint8Array(32) }).kind, 'forged')
})

test('a peer started anew is opened, and its last run for a while', () => {
  const b = sideOf(bob)
  const runs = [1, 2, 3].map((run) => sideOf(alice, run))
  const late = runs.map((side) => side.question(bob))
  for (const side of runs) assert.equal(open(b, side.question(bob), 500).kind, 'opened')
  assert.deepEqual(
    late.map((packet) => open(b, packet, 500).kind),
    ['stale', 'opened', 'opened'],
  )
  // Whoever comes with a newer cookie is asked for no more.
  assert.equal(open(b, late[0] ?? assert.fail(), 1_001).kind, 'opened')
})

test('what is forgotten cannot be played again: it takes a newer cookie', () => {
  const isAlice = (peer: PeerId) => peer === alice.signer.peer
  const agreement = (peer: PeerId) => (isAlice(peer) ? bob.agreement(peer) : new Uint8Array(32))
  const b = sideOf({ ...bob, agreement })
  const packet = sideOf(alice).question(bob)
  assert.equal(b.keys.openQuestion(packet, shown(900), 1_000).kind, 'opened')
  for (let i = 0; i < 2_100; i += 1) {
    const publicKey = new Uint8Array(32)
    new DataView(publicKey.buffer).setUint32(0, i)
    b.keys.agrees(`peer ${i}` as PeerId, publicKey)
  }
  assert.equal(b.keys.size, 2_048)
  assert.equal(b.keys.openQuestion(packet, shown(900), 1_010).kind, 'stale')
  // Knowing the run again does not bring back what it sent before.
  const answer = sideOf(alice).answer(bob, b.boot)
  assert.notEqual(b.keys.openAnswer(b.to(alice), answer), undefined)
  assert.equal(b.keys.openQuestion(packet, shown(900), 1_020).kind, 'stale')
})

test('a peer that starts anew again and again shuts nobody else out', () => {
  const b = sideOf(bob)
  const eve = keysOf(3)
  for (let run = 1; run <= 9; run += 1) {
    assert.equal(open(b, sideOf(eve, run).question(bob), 1_000 + run).kind, 'opened')
  }
  // Alice was given her cookie before the last of these came.
  assert.equal(open(b, sideOf(alice).question(bob), 999).kind, 'opened')
  assert.equal(open(b, sideOf(eve, 10).question(bob), 999).kind, 'stale')
})

test('what a peer sent in a run before its last is not forgotten with the peer', () => {
  const isAlice = (peer: PeerId) => peer === alice.signer.peer
  const agreement = (peer: PeerId) => (isAlice(peer) ? bob.agreement(peer) : new Uint8Array(32))
  const b = sideOf({ ...bob, agreement })
  const packets = [1, 2, 3].map((run) => sideOf(alice, run).question(bob))
  for (const [i, packet] of packets.entries()) {
    const opened = b.keys.openQuestion(packet, shown(900), i === 0 ? 2_000 : 1_000)
    assert.equal(opened.kind, 'opened')
  }
  for (let i = 0; i < 2_100; i += 1) {
    const publicKey = new Uint8Array(32)
    new DataView(publicKey.buffer).setUint32(0, i)
    b.keys.agrees(`peer ${i}` as PeerId, publicKey)
  }
  const [first] = packets
  assert.ok(first !== undefined)
  assert.equal(b.keys.openQuestion(first, shown(2_000), 2_001).kind, 'stale')
})
