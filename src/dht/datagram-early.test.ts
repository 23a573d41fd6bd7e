import assert from 'node:assert/strict'
import { test } from 'node:test'
import { carry, keysOf, Side, type SideOptions } from '../../test/support/datagram-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { utf8 } from '../base/index.ts'
import { COOKIE_MS_MAX } from './datagram-cookies.ts'
import { earlyStamp, mayBeEarly, readQuestions, SKEW_MS_MAX, sealedAt } from './datagram-early.ts'
import { PACKET_BYTES_MAX, questionBody, questionHead } from './datagram-packet.ts'
import { encodeMessage } from './wire.ts'

const MESSAGE = utf8('message')
const NOW = 1_000_000
const EARLY = { mayBeEarly: true }
/** Of a packet with `MESSAGE` alone: its head, ports, length and tag. */
const SHORT_BYTES = 66 + 4 + 1 + MESSAGE.length + 16

function sides(options: SideOptions = {}) {
  const a = new Side(1, { host: '192.0.2.1', port: 9_000 })
  const b = new Side(2, { host: '198.51.100.1', port: 9_000 }, options)
  return { a, b }
}

/** How long the packets are that wait to be carried. */
const sizes = ({ out }: Side) => out.map(({ bytes }) => bytes.length)

/** An early question of `from`, not delivered. */
function early(from: Side, to: Side, nowMs = NOW): Uint8Array {
  from.ask(to, MESSAGE, nowMs, EARLY)
  return Uint8Array.from(from.out.splice(0)[0]?.bytes ?? assert.fail())
}

test('a first question that only reads is answered at once, and the next has a cookie', () => {
  const { a, b } = sides()
  const asked = a.ask(b, MESSAGE, NOW, EARLY)
  assert.deepEqual(sizes(a), [PACKET_BYTES_MAX])
  carry(a, b, NOW)
  assert.deepEqual(b.verdicts, ['question'])
  assert.ok(asked.outcome?.kind === 'answered' && asked.outcome.early)
  const next = a.ask(b, MESSAGE, NOW, EARLY)
  assert.deepEqual(sizes(a), [SHORT_BYTES])
  carry(a, b, NOW)
  assert.deepEqual(b.verdicts, ['question', 'question'])
  assert.ok(next.outcome?.kind === 'answered' && !next.outcome.early)
})

test('an early question proves no address; the one after it does', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, NOW, EARLY)
  carry(a, b, NOW)
  assert.equal(b.questions[0]?.early, true)
  assert.deepEqual([b.book.size, b.book.provenOf(a.peer)], [0, undefined])
  a.ask(b, MESSAGE, NOW, EARLY)
  carry(a, b, NOW)
  assert.equal(b.questions[1]?.early, false)
  assert.equal(b.book.provenOf(a.peer)?.host, a.at.host)
})

test('one that is shorter than its answer may be is challenged', () => {
  const { a, b } = sides()
  for (const [bytes, verdict] of [
    [PACKET_BYTES_MAX, 'question'],
    [PACKET_BYTES_MAX - 1, 'challenged'],
    [200, 'challenged'],
  ] as const) {
    const counter = a.keys.nextCounter()
    const cookie = earlyStamp(NOW)
    const head = questionHead(1, a.publicKey, { boot: a.boot, counter, cookie })
    const body = new Uint8Array(bytes - head.length - 16)
    body.set(questionBody({ tcp: 0, quic: 0 }, [MESSAGE]) ?? assert.fail())
    const packet = a.keys.seal(b, { head, counter }, body)
    assert.equal(packet.length, bytes)
    b.receive(packet, a.at, NOW)
    assert.equal(b.verdicts.at(-1), verdict)
  }
})

test('the stamp of an early question is no cookie for the next', () => {
  const { a, b } = sides()
  const packet = early(a, b)
  b.receive(packet, a.at, NOW)
  assert.equal(b.keys.known(a.publicKey)?.shown, undefined)
  const counter = a.keys.nextCounter()
  const head = questionHead(1, a.publicKey, { boot: a.boot, counter, cookie: earlyStamp(NOW) })
  const body = questionBody({ tcp: 0, quic: 0 }, [MESSAGE]) ?? assert.fail()
  b.receive(a.keys.seal(b, { head, counter }, body), a.at, NOW)
  assert.deepEqual(b.verdicts, ['question', 'challenged'])
})

test('clocks may differ by ten seconds; beyond that a cookie comes first', () => {
  for (const [skewMs, verdict] of [
    [SKEW_MS_MAX, 'question'],
    [-SKEW_MS_MAX, 'question'],
    [SKEW_MS_MAX + 1, 'challenged'],
    [-SKEW_MS_MAX - 1, 'challenged'],
  ] as const) {
    const { a, b } = sides()
    const packet = early(a, b)
    b.receive(packet, a.at, NOW + skewMs)
    assert.deepEqual(b.verdicts, [verdict])
  }
})

test('one that was captured counts once, also where the node was started anew', () => {
  const { a, b } = sides()
  const packet = early(a, b)
  b.receive(packet, a.at, NOW)
  b.receive(packet, { host: '203.0.113.9', port: 9 }, NOW + 1)
  assert.deepEqual(b.verdicts, ['question', 'replayed'])
  // It was sealed by a clock that is ten seconds ahead, and opened just before the end.
  const last = early(a, b, NOW + SKEW_MS_MAX)
  b.receive(last, a.at, NOW)
  assert.equal(b.verdicts.at(-1), 'question')
  const again = new Side(2, b.at, { run: 2, startedMs: NOW + 1 })
  for (const afterMs of [1, 100, 2 * SKEW_MS_MAX]) again.receive(last, a.at, NOW + afterMs)
  assert.deepEqual(again.verdicts, Array<string>(3).fill('challenged'))
  // What is sealed later than that is answered early again.
  const afterMs = NOW + 1 + SKEW_MS_MAX
  again.receive(early(a, again, afterMs), a.at, afterMs)
  assert.equal(again.verdicts.at(-1), 'question')
})

test('made-up senders cost a bounded number of agreements, wherever they seem to be', () => {
  let agreed = 0
  const count = () => {
    agreed += 1
  }
  const { a, b } = sides({ perHost: 1_000_000, agreed: count })
  const packet = early(a, b)
  const view = new DataView(packet.buffer)
  for (let i = 0; i < 20_000; i += 1) {
    view.setUint32(4, i)
    b.receive(packet, { host: `203.${i >> 8}.${i & 255}.1`, port: 9 }, NOW)
  }
  assert.ok(agreed > 0 && agreed <= 514, `${agreed} agreements`)
  assert.deepEqual([b.book.size, b.keys.size], [0, 0])
  // Those whose turn it is not are challenged, and who comes with a cookie is not held up.
  assert.ok(b.verdicts.slice(1_000).every((verdict) => verdict === 'challenged'))
  b.out.length = 0
  b.verdicts.length = 0
  const asked = a.ask(b, MESSAGE, NOW)
  carry(a, b, NOW)
  assert.equal(asked.outcome?.kind, 'answered')
})

test('one host has a share of that, and who is here on this machine is not counted', () => {
  const busy = (host: string) => {
    const { b } = sides()
    const from = { host, port: 9 }
    for (let i = 0; i < 200; i += 1) b.receive(early(new Side(1_000 + i, from), b), from, NOW)
    return b.verdicts.filter((verdict) => verdict === 'question').length
  }
  const share = busy('203.0.113.9')
  assert.ok(share >= 64 && share <= 66, `${share} early questions`)
  assert.equal(busy('127.0.0.1'), 200)
})

test('those who only asked early push out nobody who has proven its address', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, NOW)
  carry(a, b, NOW)
  const first = early(new Side(99, a.at), b)
  b.receive(first, a.at, NOW)
  for (let i = 0; i < 1_500; i += 1) {
    const at = { host: `203.${i >> 8}.${i & 255}.1`, port: 9 }
    const nowMs = NOW + 20_000 + 40 * i
    b.receive(early(stranger(i, at), b, nowMs), at, nowMs)
  }
  assert.ok(b.keys.size <= 1 + 512, `${b.keys.size} peers`)
  b.verdicts.length = 0
  const asked = a.ask(b, MESSAGE, NOW + 80_000)
  carry(a, b, NOW + 80_000)
  assert.deepEqual([asked.outcome?.kind, b.verdicts], ['answered', ['question']])
})

test('what was asked early by somebody forgotten since is not answered again', () => {
  const { b } = sides()
  const eve = new Side(3, { host: '203.0.113.3', port: 9 })
  const packet = early(eve, b)
  b.receive(packet, eve.at, NOW)
  for (let i = 0; i < 512; i += 1) {
    const at = { host: `198.18.${i >> 8}.${i & 255}`, port: 9 }
    const nowMs = NOW + 4 * i
    b.receive(early(stranger(i, at), b, nowMs), at, nowMs)
  }
  b.verdicts.length = 0
  b.receive(packet, { host: '203.0.113.9', port: 9 }, NOW + 2_100)
  assert.deepEqual(b.verdicts, ['challenged'])
  // Neither when it has proven its address since.
  eve.ask(b, MESSAGE, NOW + 2_200)
  carry(eve, b, NOW + 2_200)
  b.verdicts.length = 0
  b.receive(packet, { host: '203.0.113.9', port: 9 }, NOW + 2_300)
  assert.deepEqual(b.verdicts, ['challenged'])
})

test('a question is padded once, and to one host at a rate', () => {
  const { a } = sides()
  const host = '198.51.100.7'
  const sizes: number[] = []
  for (let i = 0; i < 20; i += 1) {
    const other = new Side(200 + i, { host, port: 9_000 + i })
    a.ask(other, MESSAGE, NOW, EARLY)
    sizes.push(...a.out.splice(0).map(({ bytes }) => bytes.length))
  }
  assert.equal(sizes.filter((size) => size === PACKET_BYTES_MAX).length, 5)
  // Sent again it is short: it may be a victim of whoever named it.
  a.asking.tick(NOW + 1_000)
  const again = a.out.splice(0)
  assert.ok(again.length === 20 && again.every(({ bytes }) => bytes.length < 200))
  const near = new Side(300, { host: '127.0.0.1', port: 9_000 })
  for (let i = 0; i < 20; i += 1) assert.equal(early(a, near).length, PACKET_BYTES_MAX)
})

test('where a cookie is too old to be good, the question goes early', () => {
  const { a, b } = sides()
  a.ask(b, MESSAGE, NOW, EARLY)
  carry(a, b, NOW)
  b.verdicts.length = 0
  for (const [afterMs, size] of [
    [COOKIE_MS_MAX - 1, SHORT_BYTES],
    [2 * COOKIE_MS_MAX, PACKET_BYTES_MAX],
  ] as const) {
    const asked = a.ask(b, MESSAGE, NOW + afterMs, EARLY)
    assert.deepEqual(sizes(a), [size])
    carry(a, b, NOW + afterMs)
    assert.equal(asked.outcome?.kind, 'answered')
  }
  assert.deepEqual(b.verdicts, ['question', 'question'])
})

test('only one message that changes nothing may be asked early', () => {
  assert.equal(mayBeEarly(['findNode']), true)
  assert.equal(mayBeEarly(['getValue']), true)
  assert.equal(mayBeEarly(['getProviders']), true)
  for (const types of [
    [],
    ['ping'],
    ['putValue'],
    ['addProvider'],
    ['addProvider', 'getProviders'],
  ] as const) {
    assert.equal(mayBeEarly(types), false)
  }
})

test('what would change something is refused when it comes early', () => {
  const { peer } = keysOf(1).signer
  const key = utf8('key')
  const read = encodeMessage({ type: 'findNode', key })
  const write = encodeMessage({ type: 'putValue', key, record: { key, value: key } })
  const readAll = (early: boolean, messages: readonly Uint8Array[]) => () => [
    ...readQuestions({ peer, early, messages }),
  ]
  assert.equal(readAll(true, [read])().length, 1)
  assert.equal(readAll(false, [write, read])().length, 2)
  assert.throws(readAll(true, [write]), coded('DHT_REFUSED'))
  assert.throws(readAll(true, [read, read]), coded('DHT_REFUSED'))
})

test('a stamp says when, and a cookie is none', () => {
  assert.equal(sealedAt(earlyStamp(NOW)), NOW)
  assert.equal(sealedAt(earlyStamp(2 ** 47)), 2 ** 47)
  for (let at = 6; at < 16; at += 1) {
    const cookie = earlyStamp(NOW)
    cookie[at] = 1
    assert.equal(sealedAt(cookie), undefined)
  }
})

/** Somebody that nobody has heard of. */
function stranger(i: number, at: { readonly host: string; readonly port: number }): Side {
  return new Side(10_000 + i, at)
}
