import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { carry, Side, type SideOptions } from '../../test/support/datagram-fixture.ts'
import { utf8 } from '../base/index.ts'
import { WAITING_MAX, WAITING_PER_PEER_MAX } from './datagram-asking.ts'
import { SILENT_MS } from './datagram-book.ts'
import { CHALLENGE, PARTIAL, REFUSED } from './datagram-packet.ts'

const MESSAGE = utf8('message')

function sides(options: SideOptions = {}) {
  const a = new Side(1, { host: '192.0.2.1', port: 9_000 })
  const b = new Side(2, { host: '198.51.100.1', port: 9_000 }, options)
  return { a, b }
}

test('a first question is challenged once, later ones never', () => {
  const { a, b } = sides()
  const first = a.ask(b, MESSAGE, 1_000)
  carry(a, b, 1_000)
  assert.equal(first.outcome?.kind, 'answered')
  for (let i = 1; i <= 10; i += 1) {
    const later = a.ask(b, MESSAGE, 1_000 + i)
    carry(a, b, 1_000 + i)
    assert.equal(later.outcome?.kind, 'answered')
  }
  assert.deepEqual(b.verdicts, ['challenged', ...Array<string>(11).fill('question')])
  assert.equal(a.asking.size, 0)
})

test('the question comes as it was asked, and both learn where the other is', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, 1_000)
  carry(a, b, 1_000)
  const [question] = b.questions
  assert.ok(question !== undefined)
  assert.deepEqual([question.peer, question.serves, question.from], [a.peer, true, a.at])
  assert.deepEqual(
    question.messages.map((bytes) => Uint8Array.from(bytes)),
    [MESSAGE],
  )
  const ports = { tcp: 9_000, quic: 9_001 }
  assert.deepEqual(b.book.provenOf(a.peer), { ...a.at, ...ports })
  assert.deepEqual(a.book.provenOf(b.peer), { ...b.at, ...ports })
})

test('what an answer says of itself is how the question ends', () => {
  for (const [flags, kind] of [
    [REFUSED, 'refused'],
    [PARTIAL, 'partial'],
    [0, 'answered'],
  ] as const) {
    const { a, b } = sides()
    b.flags = flags
    const asked = a.ask(b, MESSAGE, 1_000)
    carry(a, b, 1_000)
    assert.equal(asked.outcome?.kind, kind)
  }
})

test('a peer that never answered is given up after two tries, one that did after three', () => {
  const { a, b } = sides()
  const asked = a.ask(b, MESSAGE, 0)
  const sent: number[] = []
  for (let nowMs = 0; nowMs < 2_000; nowMs += 25) {
    sent.push(...a.out.splice(0).map(() => nowMs))
    a.asking.tick(nowMs)
  }
  assert.deepEqual(sent, [0, 275])
  assert.deepEqual(asked.outcome, { kind: 'silent', known: false })
  assert.equal(a.book.addressOf(b.peer, 2_000), undefined)

  const known = sides()
  known.a.ask(known.b, MESSAGE, 0)
  carry(known.a, known.b, 0)
  const again = known.a.ask(known.b, MESSAGE, 0)
  for (let nowMs = 0; nowMs < 2_000; nowMs += 25) known.a.asking.tick(nowMs)
  assert.deepEqual(again.outcome, { kind: 'silent', known: true })
  assert.equal(known.a.out.length, 3)
  assert.equal(known.a.asking.dueMs(), undefined)
})

test('an answer to any sending will do, and a second one changes nothing', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, 0)
  carry(a, b, 0)
  const asked = a.ask(b, MESSAGE, 0)
  const first = a.out.splice(0)
  a.asking.tick(1_000)
  const second = a.out.splice(0)
  for (const { bytes } of [...second, ...first, ...first]) b.receive(bytes, a.at, 1_000)
  assert.deepEqual(b.verdicts.slice(-3), ['question', 'question', 'replayed'])
  for (const { bytes } of [...b.out, ...b.out]) a.receive(bytes, b.at, 1_000)
  assert.equal(asked.outcome?.kind, 'answered')
  assert.equal(a.asking.size, 0)
})

test('an answer is taken from where the question went, and from nowhere else', () => {
  const { a, b } = sides()
  const asked = a.ask(b, MESSAGE, 0)
  b.receive(a.out.splice(0)[0]?.bytes ?? assert.fail(), a.at, 0)
  const [challenge] = b.out.splice(0)
  assert.ok(challenge !== undefined)
  a.receive(challenge.bytes, { ...b.at, port: 9_999 }, 0)
  assert.equal(a.out.length, 0)
  a.receive(challenge.bytes, b.at, 0)
  carry(a, b, 0)
  assert.equal(asked.outcome?.kind, 'answered')
})

test('an answer that was carried to another address first is not taken', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, 1_000)
  carry(a, b, 1_000)
  const asked = a.ask(b, MESSAGE, 1_001)
  b.receive(a.out.splice(0)[0]?.bytes ?? assert.fail(), a.at, 1_001)
  const answer = b.out.splice(0)[0]?.bytes ?? assert.fail()
  a.receive(answer, { host: b.at.host, port: b.at.port + 1 }, 1_001)
  a.receive(answer, { host: '203.0.113.9', port: b.at.port }, 1_001)
  assert.equal(a.asking.size, 1)
  assert.equal(a.book.provenOf(b.peer)?.port, b.at.port)
  a.receive(answer, b.at, 1_001)
  assert.equal(asked.outcome?.kind, 'answered')
})

test('a challenge is believed from who saw the packet, twice at most', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, 0)
  const packet = a.out.splice(0)[0]?.bytes ?? assert.fail()
  b.receive(packet, a.at, 0)
  const challenge = Uint8Array.from(b.out.splice(0)[0]?.bytes ?? assert.fail())
  assert.equal(challenge[0], CHALLENGE)
  const forged = Uint8Array.from(challenge)
  forged[12] = (forged[12] ?? 0) ^ 1
  a.receive(forged, b.at, 0)
  assert.equal(a.out.length, 0)
  a.receive(challenge, b.at, 0)
  assert.equal(a.out.length, 1)
  // The same again: the proof is that of the packet sent last.
  a.receive(challenge, b.at, 0)
  assert.equal(a.out.length, 1)
  for (let i = 0; i < 5; i += 1) {
    const last = a.out.at(-1)?.bytes ?? assert.fail()
    const next = Uint8Array.from(challenge)
    next.set(last.subarray(42, 50), 1)
    next.set(last.subarray(-8), 9)
    a.receive(next, b.at, 0)
  }
  assert.equal(a.out.length, 2)
})

test('questions to one peer are bounded', () => {
  const { a, b } = sides()
  for (let i = 0; i < WAITING_PER_PEER_MAX; i += 1) {
    assert.equal(a.asking.isFull(b.peer), false)
    a.ask(b, MESSAGE, 0)
  }
  assert.equal(a.asking.isFull(b.peer), true)
  carry(a, b, 0)
  assert.equal(a.asking.isFull(b.peer), false)
  assert.equal(a.asking.waitingFor(b.peer), 0)
})

test('questions to all peers together are bounded', () => {
  const { a } = sides()
  const others = Array.from({ length: 33 }, (_, i) => new Side(100 + i, a.at))
  const last = others.pop() ?? assert.fail()
  for (const other of others) {
    for (let i = 0; i < WAITING_PER_PEER_MAX; i += 1) {
      assert.equal(a.asking.isFull(last.peer), false)
      a.ask(other, MESSAGE, 1_000)
    }
  }
  assert.equal(a.asking.size, WAITING_MAX)
  assert.equal(a.asking.isFull(last.peer), true)
  a.asking.stop()
})

test('a peer that is silent is asked again when it speaks, or after a while', () => {
  const { a, b } = sides()
  a.book.told(b.peer, b.at)
  a.ask(b, MESSAGE, 0)
  for (let nowMs = 0; nowMs < 2_000; nowMs += 25) a.asking.tick(nowMs)
  a.out.length = 0
  assert.equal(a.book.addressOf(b.peer, 2_000), undefined)
  assert.equal(a.book.addressOf(b.peer, 2_000 + SILENT_MS)?.host, b.at.host)
  b.ask(a, MESSAGE, 2_000)
  carry(a, b, 2_000)
  assert.equal(a.book.addressOf(b.peer, 2_000)?.host, b.at.host)
})

test('time in which nobody could be heard is not counted as silence', () => {
  const { a, b } = sides()
  const asked = a.ask(b, MESSAGE, 0)
  a.asking.delay(10_000)
  a.asking.tick(10_000)
  assert.equal(a.out.length, 1)
  a.asking.tick(10_250)
  assert.equal(a.out.length, 2)
  carry(a, b, 10_250)
  assert.equal(asked.outcome?.kind, 'answered')
})

test('stop() ends all that waits', () => {
  const { a, b } = sides()
  const asked = a.ask(b, MESSAGE, 0)
  a.asking.stop()
  assert.equal(asked.outcome?.kind, 'silent')
  assert.equal(a.asking.size, 0)
})

/** What happens to a packet: how often it comes, and after how long. */
const fates = fc.array(
  fc.record({ copies: fc.nat(2), delayMs: fc.nat(300) }, { noNullPrototype: true }),
  { minLength: 1, maxLength: 40 },
)

test('under loss, copies and reordering each question ends once, and no packet counts twice', () => {
  const input = [fates, fc.array(fc.nat(500), { minLength: 1, maxLength: 12 })] as const
  const run = (given: readonly { copies: number; delayMs: number }[], asks: readonly number[]) => {
    const { a, b } = sides()
    let fate = 0
    let onTheWay: { atMs: number; bytes: Uint8Array; from: Side; to: Side }[] = []
    const ended: { outcome?: unknown }[] = []
    for (let nowMs = 0; nowMs < 10_000; nowMs += 25) {
      for (const askMs of asks)
        if (askMs - (askMs % 25) === nowMs) ended.push(a.ask(b, MESSAGE, nowMs))
      const due = onTheWay.filter(({ atMs }) => atMs <= nowMs)
      onTheWay = onTheWay.filter(({ atMs }) => atMs > nowMs)
      for (const { bytes, from, to } of due) to.receive(bytes, from.at, nowMs)
      a.asking.tick(nowMs)
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        for (const { bytes } of from.out.splice(0)) {
          const { copies, delayMs } = given[fate % given.length] ?? assert.fail()
          fate += 1
          for (let i = 0; i < copies; i += 1) {
            onTheWay.push({ atMs: nowMs + delayMs * (i + 1), bytes, from, to })
          }
        }
      }
    }
    assert.equal(ended.length, asks.length)
    assert.ok(ended.every(({ outcome }) => outcome !== undefined))
    assert.equal(a.asking.size, 0)
    const counters = b.questions.map(({ packet }) => packet.counter)
    assert.equal(new Set(counters).size, counters.length)
  }
  fc.assert(fc.property(...input, run), { numRuns: 60 })
})
