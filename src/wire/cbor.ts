/**
 * Deterministic CBOR (RFC 8949 §4.2.1) over cborg: each value has one encoding, and bytes that are
 * not it are refused. Maps become `Map`s, so that no key can touch an object's prototype.
 */

import * as cborg from 'cborg'
import { equalBytes } from '../base/index.ts'
import { WireError } from './errors.ts'

/** What crosses the wire as CBOR. Numbers are safe integers; floats and tags are refused. */
export type Cbor =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Cbor[]
  | ReadonlyMap<Cbor, Cbor>

export function encodeCbor(value: Cbor): Uint8Array {
  return cborg.encode(value)
}

/** Reads one whole value of at most `bytesMax` bytes. */
export function decodeCbor(bytes: Uint8Array, field: string, bytesMax: number): Cbor {
  if (bytes.length > bytesMax) {
    throw WireError.TOO_LONG({ field, size: bytes.length, limit: bytesMax })
  }
  try {
    const value = cborg.decode(bytes, OPTIONS) as Cbor
    checkIntegers(value)
    if (equalBytes(cborg.encode(value), bytes)) return value
  } catch (cause) {
    throw WireError.MALFORMED({ field, found: 'bytes that are no CBOR of ours' }, cause)
  }
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

function checkIntegers(value: Cbor): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw WireError.MALFORMED({ field: 'number', found: value })
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      checkIntegers(key)
      checkIntegers(item)
    }
  } else if (Array.isArray(value)) {
    for (const item of value) checkIntegers(item)
  }
}
