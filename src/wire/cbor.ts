/**
 * Deterministic CBOR (RFC 8949 §4.2.1) over cborg: each value has one encoding, and bytes that are
 * not it are refused. Maps become `Map`s, so that no key can touch an object's prototype; their
 * keys are numbers and texts, for two equal byte strings would be two keys of one `Map`.
 */

import * as cborg from 'cborg'
import { equalBytes } from '../base/index.ts'
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
  check(value, 'value', 0)
  const bytes = cborg.encode(value, cborg.rfc8949EncodeOptions)
  checkCount(bytes, 'value')
  return bytes
}

/** Reads one whole value of at most `bytesMax` bytes. */
export function decodeCbor(bytes: Uint8Array, field: string, bytesMax: number): Cbor {
  if (bytes.length > bytesMax) {
    throw WireError.TOO_LONG({ field, size: bytes.length, limit: bytesMax })
  }
  checkCount(bytes, field)
  const value = decode(bytes, field)
  check(value, field, 0)
  if (equalBytes(cborg.encode(value, cborg.rfc8949EncodeOptions), bytes)) return value
  throw WireError.MALFORMED({ field, found: 'CBOR that is not deterministic' })
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
    if (values > VALUES_MAX) {
      throw WireError.MALFORMED({ field, found: `more than ${VALUES_MAX} values` })
    }
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

/** cborg recurses; a bomb of brackets ends in a `RangeError`, which is caught like any other. */
function decode(bytes: Uint8Array, field: string): Cbor {
  try {
    return cborg.decode(bytes, OPTIONS) as Cbor
  } catch (cause) {
    throw WireError.MALFORMED({ field, found: 'bytes that are no CBOR of ours' }, cause)
  }
}

function check(value: Cbor, field: string, depth: number): void {
  if (depth > DEPTH_MAX)
    throw WireError.MALFORMED({ field, found: `more than ${DEPTH_MAX} levels` })
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw WireError.MALFORMED({ field, found: value })
  } else if (typeof value === 'string') {
    // Neither comes back as it went: UTF-8 has no lone surrogates, and a decoder drops the mark.
    if (!value.isWellFormed() || value.startsWith(BYTE_ORDER_MARK)) {
      throw WireError.MALFORMED({ field, found: 'text with a lone surrogate or byte order mark' })
    }
  } else if (value instanceof Map) {
    for (const [key, item] of value as ReadonlyMap<Cbor, Cbor>) {
      if (typeof key !== 'number' && typeof key !== 'string') {
        throw WireError.MALFORMED({ field, found: 'a map key that is no number or text' })
      }
      check(key, field, depth + 1)
      check(item, field, depth + 1)
    }
  } else if (Array.isArray(value)) {
    for (const item of value as readonly Cbor[]) check(item, field, depth + 1)
  }
}

const BYTE_ORDER_MARK = '\ufeff'
