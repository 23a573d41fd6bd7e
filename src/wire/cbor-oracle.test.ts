import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as cborg from 'cborg'
import fc from 'fast-check'
import { equalBytes } from '../base/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from './cbor.ts'

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((given) => given.isWellFormed())
const number = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.nat(300)).map((n) => n + 0)
const { value } = fc.letrec<{ value: Cbor }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constant(null),
    fc.boolean(),
    number,
    text,
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
    fc
      .array(fc.tuple(fc.oneof(number, text), tie('value')), { maxLength: 30 })
      .map((entries) => new Map<Cbor, Cbor>(entries)),
  ),
}))
const options: cborg.DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowBigInt: false,
  useMaps: true,
  rejectDuplicateMapKeys: true,
}

/** As a library reads it that is lenient, and looks whether the same bytes come back. */
function libraryRead(bytes: Uint8Array): Cbor | undefined {
  try {
    const read = cborg.decode(bytes, options) as Cbor
    const again = cborg.encode(read, cborg.rfc8949EncodeOptions)
    return Buffer.compare(again, bytes) === 0 && isOurs(read) ? read : undefined
  } catch {
    return undefined
  }
}

/** Floats, keys of other kinds, and marks that decoders drop do not exist on our wire. */
function isOurs(read: Cbor): boolean {
  if (typeof read === 'number') return Number.isSafeInteger(read)
  if (typeof read === 'string') return !read.startsWith('\ufeff')
  if (Array.isArray(read)) return (read as readonly Cbor[]).every(isOurs)
  if (!(read instanceof Map)) return true
  const isKey = (key: unknown) => ['number', 'string'].includes(typeof key)
  const entries = [...(read as ReadonlyMap<Cbor, Cbor>)]
  return entries.every(([key, item]) => isKey(key) && isOurs(key) && isOurs(item))
}

function ourRead(bytes: Uint8Array): Cbor | undefined {
  try {
    return decodeCbor(bytes, 'value', bytes.length)
  } catch {
    return undefined
  }
}

test('the encoding is that of a library in its deterministic form', () => {
  const marked = (given: Cbor) => !isOurs(given)
  fc.assert(
    fc.property(value, (given) => {
      if (marked(given)) return
      const bytes = encodeCbor(given)
      assert.ok(equalBytes(bytes, cborg.encode(given, cborg.rfc8949EncodeOptions)))
    }),
    { numRuns: 500 },
  )
})

test('what is read, and what is refused, is so by a library that encodes again', () => {
  const bent = fc.tuple(value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
  fc.assert(
    fc.property(bent, ([given, changes]) => {
      const bytes = new Uint8Array(cborg.encode(given, cborg.rfc8949EncodeOptions))
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte
      assert.deepEqual(ourRead(bytes), libraryRead(bytes))
    }),
    { numRuns: 2_000 },
  )
})

test('of any few bytes at all the same is read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      assert.deepEqual(ourRead(bytes), libraryRead(bytes))
    }),
    { numRuns: 5_000 },
  )
  for (let first = 0; first < 256; first += 1) {
    for (let second = 0; second < 256; second += 1) {
      const bytes = Uint8Array.of(first, second)
      assert.deepEqual(ourRead(bytes), libraryRead(bytes), `${first} ${second}`)
    }
  }
})
