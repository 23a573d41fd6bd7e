import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { decodeMessage, PAYLOAD_BYTES_MAX } from './lasting-codec.ts'
import { LastingSession } from './lasting-session.ts'

const WINDOW = { frames: 8, bytes: PAYLOAD_BYTES_MAX }

/** Two sessions and one stream between them, whose frames are lost when it is cut. */
class Link {
  readonly sides = [new LastingSession(WINDOW), new LastingSession(WINDOW)] as const
  #wires: [Uint8Array[], Uint8Array[]] = [[], []]
  #isUp = false

  get isUp(): boolean {
    return this.#isUp
  }

  cut(): void {
    this.#wires = [[], []]
    this.#isUp = false
  }

  /** The hello of one side, the welcome of the other; the welcome, or both, may be lost. */
  resume(maker: 0 | 1, arrives: boolean): void {
    this.cut()
    const [a, b] = [this.sides[maker], this.sides[maker === 0 ? 1 : 0]]
    const hello = a.position()
    b.attach(hello, a.window)
    if (!arrives) return
    a.attach(b.position(), b.window)
    this.#isUp = true
  }

  say(side: 0 | 1): void {
    const message = this.#isUp ? this.sides[side].next(true) : undefined
    if (message !== undefined) this.#wires[side].push(message)
  }

  hear(side: 0 | 1): void {
    const frame = this.#wires[side === 0 ? 1 : 0].shift()
    if (frame !== undefined) this.sides[side].receive(decodeMessage(frame))
  }
}

const side = fc.constantFrom<0 | 1>(0, 1)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), side }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('say' as const), side }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('hear' as const), side }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('take' as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resume' as const), side }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('half' as const), side }) },
)

/** What two programs did with a link: what each wrote and took, in order. */
class Programs {
  readonly link = new Link()
  readonly #written: [number, number] = [0, 0]
  readonly #took: [number[], number[]] = [[], []]

  write(at: 0 | 1): void {
    if (!this.link.sides[at].hasRoom(4)) return
    this.#written[at] += 1
    const payload = Buffer.alloc(4)
    payload.writeUInt32BE(this.#written[at])
    this.link.sides[at].write(payload)
    payload.fill(0xff)
  }

  take(at: 0 | 1): void {
    const taken = this.link.sides[at].take()
    if (taken instanceof Uint8Array) this.#took[at].push(Buffer.from(taken).readUInt32BE())
  }

  check(): void {
    for (const at of [0, 1] as const) {
      const { confirmed, unconfirmed, unread } = this.link.sides[at]
      const took = this.#took[at === 0 ? 1 : 0]
      assert.deepEqual(
        took,
        Array.from(took, (_, i) => i + 1),
      )
      assert.ok(confirmed <= took.length, 'confirmed, but nobody took it')
      assert.equal(unconfirmed, this.#written[at] - confirmed)
      assert.ok(unconfirmed <= WINDOW.frames && unread <= WINDOW.frames)
    }
  }

  /** Both end; with a stream that holds, everything arrives. */
  finish(): void {
    const { link } = this
    for (const one of link.sides) one.end()
    link.resume(0, true)
    for (let i = 0; i < 200 && !link.sides.every((one) => one.isOver); i += 1) {
      for (const at of [0, 1] as const) {
        link.say(at)
        link.hear(at === 0 ? 1 : 0)
        this.take(at)
      }
    }
    for (const at of [0, 1] as const) {
      assert.ok(link.sides[at].isOver)
      assert.equal(link.sides[at].unconfirmed, 0)
      assert.equal(this.#took[at === 0 ? 1 : 0].length, this.#written[at])
    }
  }
}

test('whatever is cut when, frames arrive once, in order, and what is confirmed was taken', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const programs = new Programs()
      const { link } = programs
      for (const { do: what, side: at } of steps) {
        if (what === 'write') programs.write(at)
        if (what === 'say') link.say(at)
        if (what === 'hear') link.hear(at)
        if (what === 'take') programs.take(at)
        if (what === 'cut') link.cut()
        if (what === 'resume') link.resume(at, true)
        if (what === 'half') link.resume(at, false)
        programs.check()
      }
      programs.finish()
    }),
    { numRuns: 300 },
  )
})

/** Two sessions that are attached to each other. */
function attached(): readonly [LastingSession, LastingSession] {
  const link = new Link()
  link.resume(0, true)
  return link.sides
}

const refused = coded('WIRE_MALFORMED')

test('receive() refuses gaps, repeats, what follows the end, and frames beyond the window', () => {
  const payload = Uint8Array.of(1)
  const data = (number: number) => ({ kind: 'data' as const, number, payload })
  const [, b] = attached()
  assert.throws(() => b.receive(data(2)), refused)
  b.receive(data(1))
  assert.throws(() => b.receive(data(1)), refused)
  for (let number = 2; number <= WINDOW.frames; number += 1) b.receive(data(number))
  assert.throws(() => b.receive(data(WINDOW.frames + 1)), refused)
  b.take()
  b.receive(data(WINDOW.frames + 1))
  b.receive({ kind: 'end', number: WINDOW.frames + 2 })
  assert.throws(() => b.receive(data(WINDOW.frames + 3)), refused)
  assert.throws(() => b.receive({ kind: 'end', number: WINDOW.frames + 3 }), refused)
  assert.throws(() => b.receive({ kind: 'refuse', reason: 'full' }), refused)
})

test('receive() counts the bytes of the window as well', () => {
  const [, b] = attached()
  b.receive({ kind: 'data', number: 1, payload: new Uint8Array(PAYLOAD_BYTES_MAX) })
  const one = { kind: 'data' as const, number: 2, payload: Uint8Array.of(1) }
  assert.throws(() => b.receive(one), refused)
})

test('receipts of what was never sent, or that go back, are refused', () => {
  const [a] = attached()
  assert.throws(() => a.receive({ kind: 'receipt', taken: 1 }), refused)
  for (let i = 0; i < 3; i += 1) a.write(Uint8Array.of(i))
  a.next(false)
  a.next(false)
  assert.throws(() => a.receive({ kind: 'receipt', taken: 3 }), refused)
  a.receive({ kind: 'receipt', taken: 2 })
  assert.equal(a.unconfirmed, 1)
  assert.throws(() => a.receive({ kind: 'receipt', taken: 1 }), refused)
})

test('attach() refuses positions that go back, or beyond what was ever sent', () => {
  const [a] = attached()
  for (let i = 0; i < 3; i += 1) a.write(Uint8Array.of(i))
  a.next(false)
  a.next(false)
  a.receive({ kind: 'receipt', taken: 1 })
  for (const position of [
    { received: 3, taken: 0 },
    { received: 3, taken: 2 },
    { received: 1, taken: 0 },
    { received: 0, taken: 0 },
  ]) {
    assert.throws(() => a.attach(position, WINDOW), refused)
  }
  a.attach({ received: 2, taken: 1 }, WINDOW)
})

test('next() stays within the window of the other side, by frames and by bytes', () => {
  const a = new LastingSession({ frames: 100, bytes: 2 * PAYLOAD_BYTES_MAX })
  a.attach({ received: 0, taken: 0 }, { frames: 2, bytes: PAYLOAD_BYTES_MAX })
  for (let i = 0; i < 3; i += 1) a.write(Uint8Array.of(i))
  const said = () => (a.next(false) === undefined ? 'nothing' : 'a frame')
  assert.deepEqual([said(), said(), said()], ['a frame', 'a frame', 'nothing'])
  a.receive({ kind: 'receipt', taken: 2 })
  assert.deepEqual([said(), said()], ['a frame', 'nothing'])
  a.receive({ kind: 'receipt', taken: 3 })
  a.write(new Uint8Array(PAYLOAD_BYTES_MAX))
  a.write(Uint8Array.of(1))
  assert.deepEqual([said(), said()], ['a frame', 'nothing'])
})

test('a receipt is due after 16 frames, 64 KiB or the end, and waits otherwise', () => {
  const [, b] = attached()
  const give = (number: number, size = 1) => {
    b.receive({ kind: 'data', number, payload: new Uint8Array(size) })
    b.take()
  }
  assert.equal(b.receipt, 'none')
  for (let number = 1; number < 16; number += 1) give(number)
  assert.equal(b.receipt, 'waits')
  assert.equal(b.next(false), undefined)
  give(16)
  assert.equal(b.receipt, 'due')
  assert.deepEqual(decodeMessage(b.next(false) ?? Uint8Array.of()), { kind: 'receipt', taken: 16 })
  give(17, 64 * 1_024)
  assert.equal(b.receipt, 'due')
  b.beat()
  b.receive({ kind: 'end', number: 18 })
  assert.equal(b.take(), 'end')
  assert.equal(b.receipt, 'due')
})
