/**
 * Whether 32 bytes may stand for an Ed25519 public key, told without arithmetic on the curve.
 *
 * Two kinds of keys would do harm. For a point of small order one signature serves for every
 * message (RFC 8032 §5.1.7), so anybody could sign; and a y-coordinate of p or above is a second
 * spelling of another key, which would give one peer two ids. Both are told by comparing bytes: the
 * curve has eight points of small order, which share five y-coordinates.
 *
 * Bytes that are no point at all (half of those that pass) harm nobody: no signature verifies
 * under them, and X25519 with them runs on the twist of the curve, whose order is a large prime but
 * for a factor of four (RFC 7748 §7), so nobody learns the secret. To find out here took 0.12 ms
 * for each peer that a stranger named, which was most of what a DHT answer cost.
 */

import { fromHex } from '../base/index.ts'

const PUBLIC_KEY_BYTES = 32

/** p = 2²⁵⁵ − 19, little endian; the highest bit of a key is the sign of x and no part of y. */
const P = littleEndian('7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed')

/** The y-coordinates of the points whose order is 1, 2, 4 and 8 (two). */
const SMALL_ORDER = [
  littleEndian('0000000000000000000000000000000000000000000000000000000000000001'),
  littleEndian('7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec'),
  littleEndian('0000000000000000000000000000000000000000000000000000000000000000'),
  littleEndian('05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826'),
  littleEndian('7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7'),
]

/** Refuses keys of small order and second spellings; says nothing of whether anybody has it. */
export function isSoundKey(key: Uint8Array): boolean {
  return key.length === PUBLIC_KEY_BYTES && isBelowP(key) && !SMALL_ORDER.some((y) => isY(key, y))
}

function isBelowP(key: Uint8Array): boolean {
  for (let i = PUBLIC_KEY_BYTES - 1; i >= 0; i -= 1) {
    const byte = yByte(key, i)
    const limit = P[i] ?? 0
    if (byte !== limit) return byte < limit
  }
  return false
}

function isY(key: Uint8Array, y: Uint8Array): boolean {
  for (let i = 0; i < PUBLIC_KEY_BYTES; i += 1) if (yByte(key, i) !== y[i]) return false
  return true
}

function yByte(key: Uint8Array, i: number): number {
  const byte = key[i] ?? 0
  return i === PUBLIC_KEY_BYTES - 1 ? byte & 0x7f : byte
}

function littleEndian(hex: string): Uint8Array {
  return fromHex(hex).reverse()
}
