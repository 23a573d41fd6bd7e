import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { type Cbor, decodeCbor, encodeCbor } from './cbor.ts'

const BYTES_MAX = 10_000
const bytes = (hex: string) => Buffer.from(hex, 'hex')
const hex = (value: Cbor) => Buffer.from(encodeCbor(value)).toString('hex')
const decode = (from: string) => decodeCbor(bytes(from), 'value', BYTES_MAX)

const text = fc
  .string({ unit: 'binary', maxLength: 20 })
  .filter((given) => given.isWellFormed() && !given.startsWith('\ufeff'))
const { value } = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().map((n) => n + 0),
    text,
    fc.uint8Array({ maxLength: 20 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .uniqueArray(
        fc.tuple(
          fc.oneof(
            fc.integer().map((n) => n + 0),
            text,
          ),
          tie('value'),
        ),
        {
          maxLength: 5,
          selector: ([key]) => key,
        },
      )
      .map((entries) => new Map<Cbor, Cbor>(entries)),
  ),
}))

test('decodeCbor() returns what encodeCbor() was given', () => {
  fc.assert(
    fc.property(value, (given) => {
      const whole = encodeCbor(given)
      assert.deepEqual(decodeCbor(whole, 'value', whole.length), given)
    }),
  )
})

test('one value has one encoding: maps are sorted, whatever order they were filled in', () => {
  fc.assert(
    fc.property(value, (given) => {
      if (!(given instanceof Map)) return
      const turned = new Map([...(given as Map<Cbor, Cbor>)].toReversed())
      assert.equal(hex(turned), hex(given))
    }),
  )
})

test('map keys stand in the order of their encoded bytes (RFC 8949 §4.2.1)', () => {
  const map = new Map<Cbor, Cbor>([
    ['aa', 1],
    ['b', 2],
    [-1, 3],
    [100, 4],
    [10, 5],
  ])
  assert.equal(hex(map), 'a50a051864042003616202626161' + '01')
})

test('encodings are those of RFC 8949 appendix A', () => {
  const vectors: readonly (readonly [Cbor, string])[] = [
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1_000_000, '1a000f4240'],
    [-1, '20'],
    [-1_000, '3903e7'],
    [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
    [null, 'f6'],
    [true, 'f5'],
    ['ü', '62c3bc'],
    [bytes('01020304'), '4401020304'],
    [[1, [2, 3]], '8201820203'],
    [
      new Map<Cbor, Cbor>([
        [1, 2],
        [3, 4],
      ]),
      'a201020304',
    ],
  ]
  for (const [given, encoded] of vectors) assert.equal(hex(given), encoded)
})

test('decodeCbor() refuses every other encoding of a value', () => {
  const wrong = {
    'long integer': '1817',
    'long length': '590001ff',
    'unsorted map': 'a203040102',
    'duplicate key': 'a201020103',
    'indefinite array': '9f01ff',
    'indefinite bytes': '5f4101ff',
    'half float': 'f93c00',
    'negative zero': 'f98000',
    double: 'fb3ff8000000000000',
    'not a number': 'f97e00',
    infinity: 'f97c00',
    undefined: 'f7',
    'simple value': 'f0',
    tag: 'c11a514b67b0',
    'integer beyond 2⁵³': '1b0020000000000000',
    'negative beyond −2⁵³': '3b001fffffffffffff',
    'bad UTF-8': '62c328',
    'byte order mark': '63efbbbf',
    'bytes as map key': 'a2414101414102',
    'null as map key': 'a1f600',
    'array as map key': 'a1820102f6',
    'bytes after the end': '0000',
    nothing: '',
    'array without items': '9affffffff',
    'bytes without bytes': '5affffffff',
    'map without entries': 'baffffffff',
    'break alone': 'ff',
  }
  for (const [name, encoded] of Object.entries(wrong)) {
    assert.throws(() => decode(encoded), coded('WIRE_MALFORMED'), name)
  }
})

test('decodeCbor() refuses size and depth before they cost anything', () => {
  assert.throws(() => decodeCbor(new Uint8Array(11), 'value', 10), coded('WIRE_TOO_LONG'))
  const nested = (levels: number) => `${'81'.repeat(levels)}00`
  decode(nested(64))
  for (const levels of [65, 5_000]) {
    assert.throws(() => decode(nested(levels)), coded('WIRE_MALFORMED'))
  }
  const bomb = new Uint8Array(1_000_000).fill(0x81)
  assert.throws(() => decodeCbor(bomb, 'value', bomb.length), coded('WIRE_MALFORMED'))
})

test('decodeCbor() refuses a message of very many values before anything is made of it', () => {
  const size = 4 * 1_024 * 1_024
  for (const item of [0x00, 0x40, 0x60, 0x80, 0xa0]) {
    const bomb = new Uint8Array(size).fill(item)
    bomb.set([0x9a, 0x00, 0x3f, 0xff, 0xfb])
    const begun = performance.now()
    assert.throws(() => decodeCbor(bomb, 'value', size), /more than 65536 values/)
    assert.ok(performance.now() - begun < 100, 'it took long')
  }
})

test('values are counted as they are nested, and their bytes are not', () => {
  const zeros = (count: number) => Array<Cbor>(count).fill(0)
  const most = [new Map([[1, zeros(65_532)]])]
  assert.deepEqual(decodeCbor(encodeCbor(most), 'value', 100_000), most)
  assert.throws(() => encodeCbor([...most, 0]), /more than 65536 values/)
  for (const size of [23, 24, 256, 65_536, 1_000_000]) {
    const given = [new Uint8Array(size), 'x'.repeat(size), ...zeros(65_533)]
    const whole = encodeCbor(given)
    assert.deepEqual(decodeCbor(whole, 'value', whole.length), given)
    assert.throws(() => encodeCbor([...given, 0]), /more than 65536 values/)
  }
})

test('a key that names machinery is a key like any other', () => {
  const map = decode(hex(new Map<Cbor, Cbor>([['__proto__', 1]])))
  assert.ok(map instanceof Map)
  assert.equal(map.get('__proto__'), 1)
  assert.equal(Object.getPrototypeOf(map), Map.prototype)
})

test('encodeCbor() refuses what decodeCbor() would', () => {
  const loop: Cbor[] = []
  loop.push(loop)
  const wrong: readonly Cbor[] = [
    0.5,
    Number.NaN,
    2 ** 53,
    [Number.POSITIVE_INFINITY],
    '\ud800',
    '\ufeffx',
    new Map<Cbor, Cbor>([[Uint8Array.of(1), 1]]),
    loop,
  ]
  for (const given of wrong) assert.throws(() => encodeCbor(given), coded('WIRE_MALFORMED'))
})
