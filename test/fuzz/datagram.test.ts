/**
 * What anybody can send to the datagram face, noise and bent truth alike: packets are dropped or
 * answered with less than came, nothing throws but a coded error, and nobody is remembered who did
 * not seal a packet for this node.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError, utf8 } from '../../src/base/index.ts'
import { fitAnswer, wholeAnswer } from '../../src/dht/datagram-fit.ts'
import {
  ANSWER_ROOM_BYTES,
  PACKET_BYTES_MAX,
  parsePacket,
  readQuestionBody,
} from '../../src/dht/datagram-packet.ts'
import { decodeMessage } from '../../src/dht/wire.ts'
import { carry, Side } from '../support/datagram-fixture.ts'
import { CASES, SEED } from '../support/fuzz.ts'

const NOW = 1_000_000
const alice = new Side(1, { host: '192.0.2.1', port: 9_000 })
const carol = new Side(3, { host: '192.0.2.3', port: 9_000 })
const bob = new Side(2, { host: '198.51.100.1', port: 9_000 }, { perHost: 1_000_000 })

/** Every kind of packet that goes between two nodes. */
function truths(): Uint8Array[] {
  const seen: Uint8Array[] = []
  const record = (side: Side) => {
    const { push } = side.out
    side.out.push = (...sent) => {
      seen.push(...sent.map(({ bytes }) => Uint8Array.from(bytes)))
      return push.apply(side.out, sent)
    }
  }
  record(alice)
  record(bob)
  record(carol)
  for (let i = 0; i < 4; i += 1) alice.ask(bob, utf8('x'.repeat(100 * i)), NOW)
  carry(alice, bob, NOW)
  bob.ask(alice, utf8('back'), NOW)
  carry(alice, bob, NOW)
  carol.ask(bob, utf8('early'), NOW, { mayBeEarly: true })
  carry(carol, bob, NOW)
  return seen
}

const CORPUS = truths()
const noise = fc.uint8Array({ maxLength: 1_400 })
const bent = fc
  .record({
    from: fc.constantFrom(...CORPUS),
    into: fc.constantFrom(...CORPUS),
    at: fc.nat(400),
    cut: fc.nat(400),
    put: fc.uint8Array({ maxLength: 6 }),
    bit: fc.nat(3_000),
  })
  .map(({ from, into, at, cut, put, bit }) => {
    const bytes = [...from.subarray(0, at), ...put, ...into.subarray(cut)]
    return Uint8Array.from(bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
  })
const input = fc.oneof(noise, bent, bent, fc.constantFrom(...CORPUS))
const options = { numRuns: CASES, seed: SEED }

test(`a face takes any bytes from anywhere: seed ${SEED}`, () => {
  const stranger = { host: '203.0.113.7', port: 7 }
  const before = { peers: bob.keys.size, known: bob.book.size, questions: bob.questions.length }
  fc.assert(
    fc.property(input, fc.boolean(), (bytes, fromAlice) => {
      bob.out.length = 0
      bob.receive(bytes, fromAlice ? alice.at : stranger, NOW)
      const said = bob.out.reduce((sum, sent) => sum + sent.bytes.length, 0)
      assert.ok(said <= bytes.length, 'an answer longer than what came')
      assert.ok(bytes.length <= PACKET_BYTES_MAX || said === 0)
    }),
    options,
  )
  // What was asked before was seen before; nobody new could be made up.
  assert.deepEqual(before, {
    peers: bob.keys.size,
    known: bob.book.size,
    questions: bob.questions.length,
  })
})

test(`what is sealed is read or refused with a code: seed ${SEED}`, () => {
  fc.assert(
    fc.property(input, (bytes) => {
      const packet = parsePacket(bytes)
      assert.ok(packet === undefined || bytes.length <= PACKET_BYTES_MAX)
      try {
        readQuestionBody(bytes)
        const answer = wholeAnswer(decodeMessage(bytes), utf8('key'))
        assert.ok(fitAnswer(answer).bytes.length <= ANSWER_ROOM_BYTES)
      } catch (error) {
        if (!(error instanceof CodedError)) throw error
      }
    }),
    options,
  )
})
