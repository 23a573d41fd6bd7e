/**
 * Deterministic CBOR (RFC 8949 §4.2.1) over cborg: each value has one encoding, and bytes that are
 * not it are refused. Maps become `Map`s, so that no key can touch an object's prototype; their
 * keys are numbers and texts, for two equal byte strings would be two keys of one `Map`.
 *
 * What is read is looked at as its tokens go by and once as a whole, and not encoded again to
 * compare: `cbor-oracle.test.ts` holds that nothing else is accepted.
 */

import * as cborg from 'cborg'
import { compareBytes, equalBytes, utf8 } from '../base/index.ts'
import { WireError } from './errors.ts'

/** Nothing of ours nests deeper; the limit keeps later code from recursing without end. */
const DEPTH_MAX = 64

/** A byte can become a map of a hundred; a message of ours holds few values, and large ones. */
const VALUES_MAX = 65_536

/** What crosses the wire as CBOR. Numbers are safe integers; floats and tags are refused. */
export type Cbor =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Cbor[]
  | ReadonlyMap<Cbor, Cbor>

/** The one encoding of `value`; what `decodeCbor` would refuse is refused here already. */
export function encodeCbor(value: Cbor): Uint8Array {
  new Look('value', { isRead: false }).at(value, 0)
  // The order of keys that cborg has by itself is the RFC's for numbers and texts.
  return cborg.encode(value)
}

/** Reads one whole value of at most `bytesMax` bytes. */
export function decodeCbor(bytes: Uint8Array, field: string, bytesMax: number): Cbor {
  if (bytes.length > bytesMax) {
    throw WireError.TOO_LONG({ field, size: bytes.length, limit: bytesMax })
  }
  // Fewer bytes than that hold no more values.
  if (bytes.length > VALUES_MAX) checkCount(bytes, field)
  const value = decode(bytes, field)
  new Look(field, { isRead: true }).at(value, 0)
  return value
}

/**
 * Counts heads without making anything of them (RFC 8949 §3): a list or a map is followed by what
 * it holds, bytes and text are jumped over. What is no CBOR is left for the decoder to refuse.
 */
function checkCount(bytes: Uint8Array, field: string): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let values = 0
  for (let at = 0; at < bytes.length; ) {
    values += 1
    if (values > VALUES_MAX) throw tooMany(field)
    const head = view.getUint8(at)
    const [major, argument] = [head >> 5, head & 0x1f]
    const size = argument < 24 || argument > 27 ? 0 : 2 ** (argument - 24)
    if (at + 1 + size > bytes.length) return
    at += 1 + size
    if (major === BYTE_STRING || major === TEXT_STRING) {
      at += size === 0 ? argument : Number(uint(view, at - size, size))
    }
  }
}

const BYTE_STRING = 2
const TEXT_STRING = 3

function uint(view: DataView, at: number, size: number): number | bigint {
  if (size === 8) return view.getBigUint64(at)
  return size === 4 ? view.getUint32(at) : size === 2 ? view.getUint16(at) : view.getUint8(at)
}

const OPTIONS: cborg.DecodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  useMaps: true,
  rejectDuplicateMapKeys: true,
}

/** Refuses what the value does not show any more: whole floats, and text that was none. */
class Tokens extends cborg.Tokenizer {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    // What is cut out of a Buffer is no copy of it.
    const whole = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
    super(whole, OPTIONS)
    this.#bytes = whole
  }

  override next(): cborg.Token {
    const from = this.pos()
    const token = super.next()
    if (token.type === cborg.Type.float) throw new TypeError('a float')
    if (token.type === cborg.Type.string) this.#checkText(token.value as string, from)
    return token
  }

  /** The decoder puts U+FFFD where no character is, and drops a byte order mark. */
  #checkText(text: string, from: number): void {
    const short = (this.#bytes[from] ?? 0) & 0x1f
    const begin = from + 1 + (short < 24 ? 0 : 2 ** (short - 24))
    const size = this.pos() - begin
    if (Buffer.byteLength(text) === size && !text.includes(REPLACEMENT)) return
    if (!equalBytes(utf8(text), this.#bytes.subarray(begin, this.pos()))) {
      throw new TypeError('text that is no UTF-8')
    }
  }
}

/** cborg recurses; a bomb of brackets ends in a `RangeError`, which is caught like any other. */
function decode(bytes: Uint8Array, field: string): Cbor {
  try {
    return cborg.decode(bytes, { ...OPTIONS, tokenizer: new Tokens(bytes) }) as Cbor
  } catch (cause) {
    throw WireError.MALFORMED({ field, found: 'bytes that are no CBOR of ours' }, cause)
  }
}

/** One walk over a value: how deep, how many, and whether all of it is ours. */
class Look {
  readonly #field: string
  readonly #isRead: boolean
  #values = 0

  /** Of a value that was read, keys stand as they stood. */
  constructor(field: string, { isRead }: { readonly isRead: boolean }) {
    this.#field = field
    this.#isRead = isRead
  }

  at(value: Cbor, depth: number): void {
    this.#values += 1
    if (this.#values > VALUES_MAX) throw tooMany(this.#field)
    if (depth > DEPTH_MAX) throw this.#malformed(`more than ${DEPTH_MAX} levels`)
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) throw this.#malformed(value)
    } else if (typeof value === 'string') {
      // Neither comes back as it went: UTF-8 has no lone surrogates, and a decoder drops the mark.
      if (!value.isWellFormed() || value.startsWith(BYTE_ORDER_MARK)) {
        throw this.#malformed('text with a lone surrogate or byte order mark')
      }
    } else if (value instanceof Map) this.#map(value as ReadonlyMap<Cbor, Cbor>, depth)
    else if (Array.isArray(value)) {
      for (const item of value as readonly Cbor[]) this.at(item, depth + 1)
    }
  }

  #map(map: ReadonlyMap<Cbor, Cbor>, depth: number): void {
    let last: Key | undefined
    for (const [key, item] of map) {
      if (typeof key !== 'number' && typeof key !== 'string') {
        throw this.#malformed('a map key that is no number or text')
      }
      if (this.#isRead && last !== undefined && compareKeys(last, key) >= 0) {
        throw this.#malformed('CBOR that is not deterministic')
      }
      last = key
      this.at(key, depth + 1)
      this.at(item, depth + 1)
    }
  }

  #malformed(found: string | number) {
    return WireError.MALFORMED({ field: this.#field, found })
  }
}

type Key = number | string

/** As their encodings do: numbers from 0, then those below, then texts, the shorter ones first. */
function compareKeys(a: Key, b: Key): number {
  if (typeof a === 'number' && typeof b === 'number') {
    if (a < 0 !== b < 0) return a < 0 ? 1 : -1
    return a < 0 ? b - a : a - b
  }
  if (typeof a === 'number') return -1
  if (typeof b === 'number') return 1
  const [first, second] = [utf8(a), utf8(b)]
  return first.length - second.length || compareBytes(first, second)
}

function tooMany(field: string) {
  return WireError.MALFORMED({ field, found: `more than ${VALUES_MAX} values` })
}

const REPLACEMENT = '\ufffd'
const BYTE_ORDER_MARK = '\ufeff'
