/**
 * An envelope as its parts lie in it: the header first, then the two fields that are never in it.
 *
 *   header   a CBOR map of the keys 1 to 14, which is signed and sealed under
 *   15       the body, 16 the signature: byte strings in the shortest form (RFC 8949 §4.2.1)
 */

import { concatBytes } from '../base/index.ts'
import { SIGNATURE_BYTES } from '../identity/index.ts'

export const BODY_KEY = 15
export const SIGNATURE_KEY = 16

/** The whole of it. A map's first byte counts its fields, and those of the header come first. */
export function encodeEnvelope(
  header: Uint8Array,
  body: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  const count = Uint8Array.of((header[0] ?? 0) + 2)
  const bodyField = [bytesHead(BODY_KEY, body.length), body]
  const signatureField = [bytesHead(SIGNATURE_KEY, signature.length), signature]
  return concatBytes(count, header.subarray(1), ...bodyField, ...signatureField)
}

/** A key, and what stands before so many bytes in CBOR: the shortest form (RFC 8949 §4.2.1). */
function bytesHead(key: number, size: number): Uint8Array {
  if (size < 24) return Uint8Array.of(key, 0x40 + size)
  if (size < 2 ** 8) return Uint8Array.of(key, 0x58, size)
  if (size < 2 ** 16) return Uint8Array.of(key, 0x59, size >>> 8, size)
  return Uint8Array.of(key, 0x5a, size >>> 24, size >>> 16, size >>> 8, size)
}

/** The header in an envelope: all but the last two fields, under their own count. */
export function headerIn(bytes: Uint8Array, bodyBytes: number): Uint8Array {
  const bodyHead = bodyBytes < 24 ? 1 : bodyBytes < 2 ** 8 ? 2 : bodyBytes < 2 ** 16 ? 3 : 5
  const end = bytes.length - (1 + bodyHead + bodyBytes) - (1 + 2 + SIGNATURE_BYTES)
  // A copy: of a Buffer, `slice` is none.
  const header = new Uint8Array(bytes.subarray(0, end))
  header[0] = (header[0] ?? 0) - 2
  return header
}
