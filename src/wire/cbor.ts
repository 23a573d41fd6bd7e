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
  return cborg.encode(value, cborg.rfc8949EncodeOptions)
}

/** Reads one whole value of at most `bytesMax` bytes. */
export function decodeCbor(bytes: Uint8Array, field: string, bytesMax: number): Cbor {
  if (bytes.length > bytesMax) {
    throw WireError.TOO_LONG({ field, size: bytes.length, limit: bytesMax })
  }
  const value = decode(bytes, field)
  check(value, field, 0)
  if (equalBytes(cborg.encode(value, cborg.rfc8949EncodeOptions), bytes)) return value
  throw WireError.MALFORMED({ field, found: 'CBOR that is not deterministic' })
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
