/**
 * Blinded services: they stand in the DHT where only who was invited looks, as bytes that only who
 * was invited can read. Whoever holds the records sees that a peer has put one there, and its size
 * in steps of 1 KiB; not its service, its tools or its addresses.
 *
 * The place is `/mcp/<blind>/<peerId>`, where <blind> is `b-` and 60 hex digits of
 * HMAC-SHA-256(secret, "p2p-foundation mcp blinded name 1" ‖ 0 ‖ service).
 *
 * The value, at most 8 KiB:
 *
 *   offset  size  field
 *        0     1  version, always 1
 *        1    32  salt, random in each
 *       33     N  ChaCha20-Poly1305 of the padded descriptor; its nonce is zero, for its key is
 *                 HKDF-SHA-256(secret, salt, "p2p-foundation mcp blinded descriptor 1") and serves
 *                 once; the key of the record is authenticated with it
 *     33+N    16  tag
 *
 * padded: length of the descriptor (u16, big-endian), the descriptor, zeros up to a multiple of
 * 1,024.
 */

import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { concatBytes, type Random, utf8 } from '../base/index.ts'
import { McpError } from './errors.ts'

export const SECRET_BYTES = 32
/** What a descriptor may have, so that it fits into a record when it is padded and sealed. */
export const BLINDED_DESCRIPTOR_BYTES_MAX = 7 * 1_024 - 2
const CIPHER = 'chacha20-poly1305'
const VERSION = 1
const SALT_BYTES = 32
const TAG_BYTES = 16
const STEP_BYTES = 1_024
const NONCE = new Uint8Array(12)
const HEAD_BYTES = 1 + SALT_BYTES
const NAME_CONTEXT = utf8('p2p-foundation mcp blinded name 1\0')
const KEY_CONTEXT = utf8('p2p-foundation mcp blinded descriptor 1')
const NAME_DIGITS = 60

/** What stands in the place of the service's name in the key of its record. */
export function blindedName(secret: Uint8Array, service: string): string {
  const mac = createHmac('sha256', secret).update(NAME_CONTEXT).update(utf8(service))
  return `b-${mac.digest('hex').slice(0, NAME_DIGITS)}`
}

/** Seals a descriptor for the record under `key`. */
export function sealDescriptor(
  descriptor: Uint8Array,
  { secret, key, random }: { secret: Uint8Array; key: string; random: Random },
): Uint8Array {
  if (descriptor.length > BLINDED_DESCRIPTOR_BYTES_MAX) {
    throw McpError.DESCRIPTOR_INVALID({ found: `${descriptor.length} bytes to be sealed` })
  }
  const padded = new Uint8Array(Math.ceil((descriptor.length + 2) / STEP_BYTES) * STEP_BYTES)
  new DataView(padded.buffer).setUint16(0, descriptor.length)
  padded.set(descriptor, 2)
  const salt = random.bytes(SALT_BYTES)
  const options = { authTagLength: TAG_BYTES }
  const cipher = createCipheriv(CIPHER, keyOf(secret, salt), NONCE, options)
  cipher.setAAD(utf8(key), { plaintextLength: padded.length })
  const sealed = concatBytes(cipher.update(padded), cipher.final())
  return concatBytes(Uint8Array.of(VERSION), salt, sealed, cipher.getAuthTag())
}

/** The descriptor in a record, or `MCP_DESCRIPTOR_INVALID` where the secret is not its own. */
export function openDescriptor(
  value: Uint8Array,
  { secret, key }: { secret: Uint8Array; key: string },
): Uint8Array {
  const size = value.length - HEAD_BYTES - TAG_BYTES
  const isWhole = size > 0 && size <= STEP_BYTES * 7 && size % STEP_BYTES === 0
  if (!isWhole || value[0] !== VERSION) throw unreadable()
  const salt = value.subarray(1, HEAD_BYTES)
  const options = { authTagLength: TAG_BYTES }
  const cipher = createDecipheriv(CIPHER, keyOf(secret, salt), NONCE, options)
  cipher.setAAD(utf8(key), { plaintextLength: size })
  cipher.setAuthTag(value.subarray(HEAD_BYTES + size))
  try {
    const padded = concatBytes(
      cipher.update(value.subarray(HEAD_BYTES, HEAD_BYTES + size)),
      cipher.final(),
    )
    return unpadded(padded)
  } catch (cause) {
    throw unreadable(cause)
  }
}

function unpadded(padded: Uint8Array): Uint8Array {
  const length = new DataView(padded.buffer, padded.byteOffset).getUint16(0)
  const isPadding = padded.subarray(2 + length).every((byte) => byte === 0)
  if (length + 2 > padded.length || !isPadding) throw unreadable()
  return padded.subarray(2, 2 + length)
}

function keyOf(secret: Uint8Array, salt: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, salt, KEY_CONTEXT, 32))
}

function unreadable(cause?: unknown) {
  return McpError.DESCRIPTOR_INVALID({ found: 'what this invitation does not open' }, cause)
}
