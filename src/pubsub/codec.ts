/**
 * How a topic's values become bytes: deterministic CBOR unless its rules bring a codec.
 *
 * CBOR of `wire` knows maps and no objects. Plain objects are written as maps with text keys, and
 * maps whose keys are all text are read as plain objects, so that a value arrives as it was given:
 * null, booleans, safe integers, text, bytes, lists, objects, and maps with numbers among the keys.
 * Floats, `undefined`, dates and class instances are refused; a topic that needs them has a codec.
 */

import { type Cbor, decodeCbor, encodeCbor, WireError } from '../wire/index.ts'
import { MESSAGE_BYTES_MAX } from './config.ts'

/** Both directions of one format. What it throws is a refusal. */
export interface Codec {
  readonly encode: (value: unknown) => Uint8Array
  readonly decode: (bytes: Uint8Array) => unknown
}

const FIELD = 'pubsub message'
/** As an object's keys these would reach its machinery. */
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])
/** As deep as `wire` reads; what is deeper, or refers to itself, would exhaust the stack. */
const DEPTH_MAX = 64

/** The format of topics that name none. */
export const cborCodec: Codec = {
  encode: (value) => encodeCbor(toCbor(value, 0)),
  decode: (bytes) => fromCbor(decodeCbor(bytes, FIELD, MESSAGE_BYTES_MAX)),
}

function toCbor(value: unknown, depth: number): Cbor {
  if (depth > DEPTH_MAX) throw refused(`more than ${DEPTH_MAX} levels`)
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value
  if (value instanceof Uint8Array) return value
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return value
    throw refused(`the number ${value}; only whole numbers pass without a codec of one's own`)
  }
  if (Array.isArray(value)) return value.map((item) => toCbor(item, depth + 1))
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<Cbor, unknown>)]
    return new Map(entries.map(([key, item]) => [key, toCbor(item, depth + 1)]))
  }
  if (!isPlainObject(value)) {
    throw refused(`a value of type ${typeNameOf(value)}, which needs a codec of one's own`)
  }
  return new Map(
    Object.entries(value).map(([key, item]) => {
      if (FORBIDDEN.has(key)) throw refused(key)
      return [key, toCbor(item, depth + 1)]
    }),
  )
}

/** `wire` has bounded the depth and the number of values. */
function fromCbor(value: Cbor): unknown {
  if (Array.isArray(value)) return (value as readonly Cbor[]).map(fromCbor)
  if (!(value instanceof Map)) return value
  const entries = [...(value as ReadonlyMap<string | number, Cbor>)].map(
    ([key, item]) => [key, fromCbor(item)] as const,
  )
  if (!entries.every(([key]) => typeof key === 'string')) return new Map(entries)
  for (const [key] of entries) if (FORBIDDEN.has(`${key}`)) throw refused(`${key}`)
  return Object.fromEntries(entries)
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function typeNameOf(value: unknown): string {
  return typeof value === 'object' ? (value?.constructor.name ?? 'object') : typeof value
}

function refused(found: string) {
  return WireError.MALFORMED({ field: FIELD, found })
}
