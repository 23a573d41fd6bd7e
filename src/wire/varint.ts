/** Unsigned LEB128 numbers up to 2⁵³ − 1, in their shortest form only (multiformats varint). */

import { WireError } from './errors.ts'

/** Seven bytes carry 49 bits, eight carry 56: no safe integer needs more. */
export const VARINT_BYTES_MAX = 8

/** One to eight bytes; what is no count is refused. */
export function encodeVarint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw WireError.MALFORMED({ field: 'varint', found: value })
  }
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/** The number at `offset` and the bytes it takes; `undefined` while its end is not there yet. */
export function decodeVarint(
  bytes: Uint8Array,
  offset = 0,
): { value: number; size: number } | undefined {
  let value = 0
  for (let i = 0; i < VARINT_BYTES_MAX; i += 1) {
    const byte = bytes[offset + i]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if ((byte === 0 && i > 0) || !Number.isSafeInteger(value)) break
      return { value, size: i + 1 }
    }
  }
  throw WireError.MALFORMED({ field: 'varint', found: 'a number too large or not in short form' })
}
