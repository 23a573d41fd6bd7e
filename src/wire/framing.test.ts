import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { encodeFrame, FrameSplitter, type Framing, frameParts } from './framing.ts'
import { encodeVarint } from './varint.ts'

const BYTES_MAX = 300
const FRAMINGS: readonly Framing[] = ['varint', 'line']

const frame = (framing: Framing) =>
  framing === 'varint'
    ? fc.uint8Array({ maxLength: BYTES_MAX })
    : fc
        .uint8Array({ minLength: 1, maxLength: BYTES_MAX })
        .map((bytes) => bytes.map((byte) => (byte === 0x0a ? 0x20 : byte)))

/** The frames that come out when `stream` is cut at `cuts`. */
function split(framing: Framing, stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const splitter = new FrameSplitter(framing, BYTES_MAX)
  const edges = [0, ...cuts.toSorted((a, b) => a - b), stream.length]
  const frames = edges.slice(1).flatMap((end, i) => splitter.push(stream.slice(edges[i], end)))
  assert.equal(splitter.pendingBytes, 0)
  return frames.map((bytes) => Uint8Array.from(bytes))
}

for (const framing of FRAMINGS) {
  const frames = fc.array(frame(framing), { maxLength: 8 })

  test(`${framing}: frames come out whole, wherever the stream is cut`, () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(3_000)), (sent, cuts) => {
        const stream = Buffer.concat(sent.map((bytes) => encodeFrame(framing, bytes, BYTES_MAX)))
        const inside = cuts.map((cut) => cut % (stream.length + 1))
        assert.deepEqual(split(framing, stream, inside), sent)
      }),
    )
  })

  test(`${framing}: frames come out whole at every single cut, and byte by byte`, () => {
    const sent = fc.sample(frame(framing), { numRuns: 4, seed: 1 })
    const stream = Buffer.concat(sent.map((bytes) => encodeFrame(framing, bytes, BYTES_MAX)))
    for (let cut = 0; cut <= stream.length; cut += 1) {
      assert.deepEqual(split(framing, stream, [cut]), sent)
    }
    assert.deepEqual(split(framing, stream, [...stream.keys()]), sent)
  })

  test(`${framing}: a frame at the limit passes, one byte more does not`, () => {
    const full = new Uint8Array(BYTES_MAX).fill(0x61)
    const over = new Uint8Array(BYTES_MAX + 1).fill(0x61)
    const stream = encodeFrame(framing, full, BYTES_MAX)
    assert.deepEqual(split(framing, stream, [7]), [full])
    assert.throws(() => encodeFrame(framing, over, BYTES_MAX), coded('WIRE_TOO_LONG'))
    const forged = encodeFrame(framing, over, BYTES_MAX + 1)
    for (const cuts of [[], [1], [5], [...forged.keys()]]) {
      assert.throws(() => split(framing, forged, cuts), coded('WIRE_TOO_LONG'))
    }
  })

  test(`${framing}: after an error nothing more comes out`, () => {
    const splitter = new FrameSplitter(framing, 4)
    const forged = encodeFrame(framing, utf8('12345'), 5)
    assert.throws(() => splitter.push(forged), coded('WIRE_TOO_LONG'))
    const good = encodeFrame(framing, utf8('ok'), 4)
    assert.throws(() => splitter.push(good), coded('WIRE_TOO_LONG'))
    assert.equal(splitter.pendingBytes, 0)
  })
}

test('varint: a length is refused before its bytes are kept', () => {
  const splitter = new FrameSplitter('varint', BYTES_MAX)
  assert.throws(() => splitter.push(encodeVarint(BYTES_MAX + 1)), coded('WIRE_TOO_LONG'))
  const vast = new FrameSplitter('varint', BYTES_MAX)
  assert.throws(() => vast.push(encodeVarint(Number.MAX_SAFE_INTEGER)), coded('WIRE_TOO_LONG'))
})

test('varint: a length in long form is refused', () => {
  const splitter = new FrameSplitter('varint', BYTES_MAX)
  assert.deepEqual(splitter.push(Uint8Array.of(0x80)), [])
  assert.throws(() => splitter.push(Uint8Array.of(0x00)), coded('WIRE_MALFORMED'))
})

test('varint: an announced length takes no memory until bytes come', () => {
  const splitter = new FrameSplitter('varint', 2 ** 40)
  const length = encodeVarint(2 ** 39)
  assert.deepEqual(splitter.push(length), [])
  assert.deepEqual(splitter.push(utf8('abc')), [])
  assert.equal(splitter.pendingBytes, length.length + 3)
})

test('varint: every byte of a frame that is not whole is pending, its length too', () => {
  const stream = encodeFrame('varint', new Uint8Array(BYTES_MAX), BYTES_MAX)
  const splitter = new FrameSplitter('varint', BYTES_MAX)
  for (const [at, byte] of stream.entries()) {
    assert.equal(splitter.pendingBytes, at)
    splitter.push(Uint8Array.of(byte))
  }
  assert.equal(splitter.pendingBytes, 0)
})

test('a frame in a million pieces takes time and memory in proportion to its size', () => {
  const size = 1_000_000
  const stream = encodeFrame('varint', new Uint8Array(size), size)
  const splitter = new FrameSplitter('varint', size)
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < stream.length - 1; i += 1) splitter.push(stream.subarray(i, i + 1))
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * size)
  assert.equal(splitter.push(stream.subarray(-1))[0]?.length, size)
})

test('varint: large frames come out whole, whatever large and small pieces they come in', () => {
  const size = 300_000
  const whole = encodeFrame(
    'varint',
    new Uint8Array(size).map((_, at) => at % 251),
    size,
  )
  const cuts = fc.array(fc.nat(whole.length), { maxLength: 12 })
  fc.assert(
    fc.property(cuts, (at) => {
      const splitter = new FrameSplitter('varint', size)
      const edges = [0, ...at.toSorted((a, b) => a - b), whole.length]
      const out = edges.slice(1).flatMap((end, i) => splitter.push(whole.slice(edges[i], end)))
      assert.equal(out.length, 1)
      assert.ok(Buffer.from(out[0] ?? []).equals(whole.subarray(-size)))
      assert.equal(splitter.missingBytes, 0)
    }),
    { numRuns: 30 },
  )
})

test('varint: a piece that would keep a much larger buffer alive is copied', () => {
  const splitter = new FrameSplitter('varint', 100_000)
  const backing = new Uint8Array(100_000)
  splitter.push(encodeVarint(40_000))
  assert.equal(splitter.missingBytes, 40_000)
  splitter.push(backing.subarray(0, 20_000))
  backing.fill(9)
  const [frame] = splitter.push(new Uint8Array(20_000))
  assert.deepEqual(frame, new Uint8Array(40_000))
})

test('a large frame is itself a part of what carries it, a small one is copied', () => {
  const large = new Uint8Array(100_000)
  assert.equal(frameParts('varint', large, 100_000)[1], large)
  assert.equal(frameParts('line', large, 100_000)[0], large)
  assert.equal(frameParts('varint', new Uint8Array(1_000), 100_000).length, 1)
})

test('a frame outlives the piece that the next one arrives in', () => {
  const splitter = new FrameSplitter('varint', 10)
  splitter.push(Uint8Array.of(2, 7))
  const [first] = splitter.push(Uint8Array.of(8))
  splitter.push(Uint8Array.of(2, 1))
  splitter.push(Uint8Array.of(1))
  assert.deepEqual(first, Uint8Array.of(7, 8))
})

test('line: empty lines are passed over, and a frame may not hold a line feed', () => {
  assert.deepEqual(split('line', utf8('\n\na\n\nb\n\n'), [1, 4]), [utf8('a'), utf8('b')])
  assert.throws(() => encodeFrame('line', utf8('a\nb'), 10), coded('WIRE_MALFORMED'))
})

test('varint: an empty frame is a frame', () => {
  assert.deepEqual(split('varint', Uint8Array.of(0, 0, 1, 5), []), [
    new Uint8Array(),
    new Uint8Array(),
    Uint8Array.of(5),
  ])
})

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
