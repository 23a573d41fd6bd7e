import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { carry, keysOf, Side, type SideOptions } from '../../test/support/datagram-fixture.ts'
import { utf8 } from '../base/index.ts'
import { COOKIE_MS_MAX } from './datagram-cookies.ts'
import { CHALLENGE, CHALLENGE_BYTES } from './datagram-packet.ts'

const MESSAGE = utf8('message')
const NOW = 1_000_000

function sides(options: SideOptions = {}) {
  const a = new Side(1, { host: '192.0.2.1', port: 9_000 })
  const b = new Side(2, { host: '198.51.100.1', port: 9_000 }, options)
  return { a, b }
}

/** A question of `a` with a good cookie, not delivered. */
function warm(options: SideOptions = {}) {
  const { a, b } = sides(options)
  a.ask(b, MESSAGE, NOW)
  carry(a, b, NOW)
  a.ask(b, MESSAGE, NOW)
  const packet = Uint8Array.from(a.out.splice(0)[0]?.bytes ?? assert.fail())
  b.verdicts.length = 0
  return { a, b, packet }
}

test('noise is never answered with more than came, and leaves nothing behind', () => {
  const { b } = sides()
  const noise = fc.uint8Array({ maxLength: 1_400 })
  fc.assert(
    fc.property(noise, fc.nat(8), (bytes, kind) => {
      if (bytes.length > 0) bytes[0] = kind
      b.out.length = 0
      b.receive(bytes, { host: '203.0.113.9', port: 1 }, NOW)
      const said = b.out.reduce((sum, sent) => sum + sent.bytes.length, 0)
      assert.ok(said <= bytes.length / 2)
    }),
  )
  assert.deepEqual([b.book.size, b.keys.size], [0, 0])
  assert.deepEqual(b.questions, [])
})

test('a question from an address that is not proven costs no agreement, and gets 33 bytes', () => {
  let agreed = 0
  const count = () => {
    agreed += 1
  }
  const { a, b } = sides({ agreed: count })
  a.ask(b, MESSAGE, NOW)
  const { bytes } = a.out.splice(0)[0] ?? assert.fail()
  for (let i = 0; i < 1_000; i += 1)
    b.receive(bytes, { host: `203.0.113.${i % 256}`, port: i + 1 }, NOW)
  assert.equal(agreed, 0)
  assert.ok(b.out.every((sent) => sent.bytes.length === CHALLENGE_BYTES))
  assert.ok(CHALLENGE_BYTES < bytes.length)
  assert.deepEqual([b.book.size, b.keys.size], [0, 0])
})

test('a cookie that another address was given is challenged', () => {
  const { b, packet } = warm()
  b.receive(packet, { host: '203.0.113.1', port: 9_000 }, NOW)
  assert.deepEqual(b.verdicts, ['challenged'])
})

test('a cookie is renewed in its second half and worth nothing after its end', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, NOW)
  carry(a, b, NOW)
  const first = a.book.cookieOf(b.peer)
  a.ask(b, MESSAGE, NOW + COOKIE_MS_MAX / 2 - 1)
  carry(a, b, NOW + COOKIE_MS_MAX / 2 - 1)
  assert.deepEqual(a.book.cookieOf(b.peer), first)
  a.ask(b, MESSAGE, NOW + COOKIE_MS_MAX / 2)
  carry(a, b, NOW + COOKIE_MS_MAX / 2)
  assert.notDeepEqual(a.book.cookieOf(b.peer), first)
  b.verdicts.length = 0
  a.ask(b, MESSAGE, NOW + 2 * COOKIE_MS_MAX)
  carry(a, b, NOW + 2 * COOKIE_MS_MAX)
  assert.deepEqual(b.verdicts, ['challenged', 'question'])
})

test('a cookie that was found good before is worth nothing after its end either', () => {
  const { a, b, packet } = warm()
  b.receive(packet, a.at, NOW)
  for (const afterMs of [COOKIE_MS_MAX, COOKIE_MS_MAX + 1]) {
    a.ask(b, MESSAGE, NOW + afterMs)
    b.receive(a.out.splice(0)[0]?.bytes ?? assert.fail(), a.at, NOW + afterMs)
  }
  assert.deepEqual(b.verdicts, ['question', 'question', 'challenged'])
})

test('a packet that is played again changes nothing and is not answered', () => {
  const { a, b, packet } = warm()
  b.receive(packet, a.at, NOW)
  b.out.length = 0
  for (let i = 0; i < 100; i += 1) b.receive(packet, a.at, NOW + i)
  assert.deepEqual(b.verdicts, ['question', ...Array<string>(100).fill('replayed')])
  assert.deepEqual(b.out, [])
})

test('one for somebody else is dropped', () => {
  const { a, b } = sides()
  const third = new Side(3, b.at)
  a.ask(third, MESSAGE, NOW)
  b.receive(a.out.splice(0)[0]?.bytes ?? assert.fail(), a.at, NOW)
  const challenge = b.out.splice(0)[0]?.bytes ?? assert.fail()
  a.receive(challenge, third.at, NOW)
  b.receive(a.out.splice(0)[0]?.bytes ?? assert.fail(), a.at, NOW)
  assert.deepEqual(b.verdicts, ['challenged', 'forged'])
  assert.equal(b.keys.size, 0)
})

test('another key in the head needs a cookie of its own, and then does not open', () => {
  const { a, b, packet } = warm()
  packet.set(keysOf(3).signer.publicKey, 2)
  b.receive(packet, a.at, NOW)
  assert.deepEqual(b.verdicts, ['challenged'])
  const challenge = b.out.at(-1)?.bytes ?? assert.fail()
  packet.set(challenge.subarray(17), 50)
  b.receive(packet, a.at, NOW)
  assert.deepEqual(b.verdicts, ['challenged', 'forged'])
})

test('a packet that was cut short is dropped', () => {
  const { a, b, packet } = warm()
  for (let length = 0; length < packet.length; length += 1) {
    b.receive(packet.slice(0, length), a.at, NOW)
  }
  assert.ok(b.verdicts.every((verdict) => verdict === 'forged'))
  assert.equal(b.questions.length, 1)
})

test('one host is read at its rate, whoever it says it is', () => {
  const { a, b } = warm({ perHost: 10 })
  for (let i = 0; i < 50; i += 1) a.ask(b, MESSAGE, NOW)
  for (const { bytes } of a.out.splice(0)) b.receive(bytes, a.at, NOW)
  const counts = Object.groupBy(b.verdicts, (verdict) => verdict)
  assert.deepEqual([counts.question?.length, counts.busy?.length], [20, 30])
})

test('a host of 100,000 made-up senders costs a bounded number of agreements and no memory', () => {
  let agreed = 0
  const count = () => {
    agreed += 1
  }
  const { a, b } = sides({ perHost: 1_000_000, agreed: count })
  a.ask(b, MESSAGE, NOW)
  const packet = Uint8Array.from(a.out.splice(0)[0]?.bytes ?? assert.fail())
  const view = new DataView(packet.buffer)
  for (let i = 0; i < 100_000; i += 1) {
    view.setUint32(4, i)
    b.receive(packet, a.at, NOW)
    packet.set((b.out.splice(0)[0]?.bytes ?? assert.fail()).subarray(17), 50)
    b.receive(packet, a.at, NOW)
  }
  assert.ok(agreed <= 257, `${agreed} agreements`)
  assert.deepEqual([b.book.size, b.keys.size], [0, 0])
  assert.equal(b.questions.length, 0)
})

test('what a proven sender seals without sense is dropped', () => {
  const { a, b } = warm()
  const asked = { outcome: undefined }
  a.asking.ask(
    {
      peer: b.peer,
      publicKey: b.publicKey,
      at: b.at,
      body: Uint8Array.of(0, 0, 0, 0, 9, 1),
      settle: () => undefined,
    },
    NOW,
  )
  b.receive(a.out.splice(0)[0]?.bytes ?? assert.fail(), a.at, NOW)
  assert.deepEqual(b.verdicts, ['malformed'])
  assert.equal(asked.outcome, undefined)
})

test('a node that was started anew remembers no cookie, and no packet of before counts', () => {
  const { a, packet } = warm()
  const again = new Side(2, { host: '198.51.100.1', port: 9_000 }, { run: 2 })
  again.receive(packet, a.at, NOW)
  assert.deepEqual(again.verdicts, ['challenged'])
  assert.equal(again.out[0]?.bytes[0], CHALLENGE)
})
