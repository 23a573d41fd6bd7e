import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import {
  ANSWER,
  ANSWER_ROOM_BYTES,
  answerBody,
  answerHead,
  CHALLENGE,
  CHALLENGE_BYTES,
  encodeChallenge,
  isPadded,
  PACKET_BYTES_MAX,
  padded,
  parsePacket,
  QUESTION,
  questionBody,
  questionHead,
  readAnswerBody,
  readQuestionBody,
  TAG_BYTES,
} from './datagram-packet.ts'

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const counter = fc.maxSafeNat().map((n) => n % 2 ** 48)
const port = fc.nat(65_535)
const ports = fc.record({ tcp: port, quic: port }, { noNullPrototype: true })
const flags = fc.nat(7)
const numbered = fc.record({ boot: bytes(8), counter, cookie: bytes(16) })
const sealed = fc.uint8Array({ minLength: 4 + TAG_BYTES, maxLength: 400 })

test('a question is read as it was written', () => {
  fc.assert(
    fc.property(flags, bytes(32), numbered, sealed, (given, key, said, body) => {
      const head = questionHead(given, key, said)
      const packet = parsePacket(Uint8Array.from([...head, ...body]))
      assert.ok(packet?.kind === QUESTION)
      assert.equal(packet.flags, given)
      assert.deepEqual(packet.key, key)
      assert.deepEqual(
        [packet.boot, packet.counter, packet.cookie],
        [said.boot, said.counter, said.cookie],
      )
      assert.deepEqual([packet.head, packet.sealed], [head, body])
      assert.deepEqual(packet.proof, body.subarray(-8))
    }),
  )
})

test('an answer is read as it was written', () => {
  fc.assert(
    fc.property(flags, counter, numbered, sealed, (given, echo, said, body) => {
      const head = answerHead(given, echo, said)
      const packet = parsePacket(Uint8Array.from([...head, ...body]))
      assert.ok(packet?.kind === ANSWER)
      assert.deepEqual([packet.flags, packet.echo, packet.counter], [given, echo, said.counter])
      assert.deepEqual([packet.boot, packet.cookie], [said.boot, said.cookie])
      assert.deepEqual([packet.head, packet.sealed], [head, body])
    }),
  )
})

test('a challenge is read as it was written, and is shorter than any question', () => {
  fc.assert(
    fc.property(counter, bytes(8), bytes(16), (echo, proof, cookie) => {
      const packet = parsePacket(encodeChallenge(echo, proof, cookie))
      assert.ok(packet?.kind === CHALLENGE)
      assert.deepEqual([packet.echo, packet.proof, packet.cookie], [echo, proof, cookie])
    }),
  )
  const shortest = questionHead(0, new Uint8Array(32), {
    boot: new Uint8Array(8),
    counter: 0,
    cookie: new Uint8Array(16),
  })
  for (let length = 0; length <= CHALLENGE_BYTES; length += 1) {
    const packet = new Uint8Array(length)
    packet.set(shortest.subarray(0, length))
    assert.equal(parsePacket(packet), undefined)
  }
})

test('whatever is no packet of ours is none, and costs no error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_500 }), fc.nat(8), (noise, kind) => {
      if (noise.length > 0) noise[0] = kind
      const packet = parsePacket(noise)
      if (noise.length > PACKET_BYTES_MAX || kind < QUESTION || kind > CHALLENGE) {
        assert.equal(packet, undefined)
      }
    }),
  )
  const long = new Uint8Array(PACKET_BYTES_MAX + 1)
  long[0] = QUESTION
  assert.equal(parsePacket(long), undefined)
  assert.notEqual(parsePacket(long.subarray(0, PACKET_BYTES_MAX)), undefined)
})

test('a counter that nobody reaches is refused: it would not fit a nonce', () => {
  const said = { boot: new Uint8Array(8), counter: 2 ** 48 - 1, cookie: new Uint8Array(16) }
  const body = new Uint8Array(4 + TAG_BYTES)
  const packet = Uint8Array.from([...questionHead(0, new Uint8Array(32), said), ...body])
  assert.notEqual(parsePacket(packet), undefined)
  packet[43] = 1
  assert.equal(parsePacket(packet), undefined)
})

test('messages come out of a question as they went in', () => {
  const some = fc.uint8Array({ minLength: 1, maxLength: 200 })
  const messages = fc.array(some, { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(ports, messages, (said, given) => {
      const body = questionBody(said, given) ?? assert.fail()
      assert.deepEqual(readQuestionBody(body), { ports: said, messages: given })
      assert.deepEqual(readQuestionBody(padded(body)), { ports: said, messages: given })
    }),
  )
})

test('a padded question is as long as any packet, and nothing hides in its padding', () => {
  const cookie = new Uint8Array(16)
  const body = questionBody({ tcp: 1, quic: 2 }, [Uint8Array.of(8, 5)]) ?? assert.fail()
  const head = questionHead(0, new Uint8Array(32), { boot: new Uint8Array(8), counter: 1, cookie })
  const packetOf = (sealed: Uint8Array) => {
    const packet = parsePacket(Uint8Array.from([...head, ...sealed, ...new Uint8Array(TAG_BYTES)]))
    assert.ok(packet?.kind === QUESTION)
    return packet
  }
  assert.equal(isPadded(packetOf(padded(body))), true)
  assert.equal(isPadded(packetOf(padded(body).subarray(1))), false)
  assert.equal(isPadded(packetOf(body)), false)
  const hiding = padded(body)
  hiding[hiding.length - 1] = 1
  assert.throws(() => readQuestionBody(hiding), coded('WIRE_MALFORMED'))
})

test('messages that are too many or too long for a packet make no question', () => {
  const none = { tcp: 0, quic: 0 }
  assert.equal(
    questionBody(
      none,
      Array.from({ length: 5 }, () => new Uint8Array(1)),
    ),
    undefined,
  )
  assert.equal(questionBody(none, [new Uint8Array(1_145)]), undefined)
  assert.equal(questionBody(none, [new Uint8Array(1_144)])?.length, PACKET_BYTES_MAX - 66 - 16)
})

test('what is no question is refused with a coded error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 100 }), (noise) => {
      try {
        const { messages } = readQuestionBody(noise)
        assert.ok(messages.length >= 1 && messages.length <= 4)
      } catch (error) {
        assert.match(String((error as { code?: string }).code), /^WIRE_/)
      }
    }),
  )
  for (const body of [
    [0, 0, 0, 0],
    [0, 0, 0, 0, 2, 1],
    [0, 0, 0, 0, 0, 0, 0, 0, 0],
  ]) {
    assert.throws(() => readQuestionBody(Uint8Array.from(body)), /^CodedError|Cannot/)
  }
})

test('an answer has room for a message that fills the packet', () => {
  fc.assert(
    fc.property(ports, fc.uint8Array({ maxLength: ANSWER_ROOM_BYTES }), (said, message) => {
      const body = answerBody(said, message)
      assert.ok(42 + body.length + TAG_BYTES <= PACKET_BYTES_MAX)
      assert.deepEqual(readAnswerBody(body), { ports: said, message })
    }),
  )
})
