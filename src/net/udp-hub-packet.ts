/**
 * What can be told of a UDP packet without keys: the parts that all versions of QUIC share
 * (RFC 8999 §5) and, of version 1, whether it opens a connection (RFC 9000 §17.2.2).
 *
 *   long header    1·T T····  version (4) · n (1) · destination id (n) · m (1) · source id (m) …
 *   short header   0·······  destination id, as long as whoever reads the packet made it …
 *
 * The next bit is set in every packet that opens a connection. In later ones QUIC may clear it
 * (RFC 9287), and the addon does in half of them, so it tells QUIC from other protocols only for
 * those who have no connection yet.
 */

/** Connection ids as the addon makes them. */
export const OWN_ID_BYTES = 8
const ID_BYTES_MAX = 20
const LONG = 0x80
const FIXED = 0x40
const TYPE = 0x30
const INITIAL = 0x00
const VERSION_1 = 1
/** A client pads its first packet to this (RFC 9000 §14.1). */
const INITIAL_BYTES_MIN = 1_200

export function isLong(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 0) & LONG) !== 0
}

/** Whether the bit is set without which no stranger speaks QUIC. */
export function isFixed(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 0) & FIXED) !== 0
}

/** Whether a stranger may begin with this packet. */
export function opensConnection(bytes: Uint8Array): boolean {
  const first = bytes[0] ?? 0
  if ((first & (LONG | FIXED | TYPE)) !== (LONG | FIXED | INITIAL)) return false
  if (bytes.length < INITIAL_BYTES_MIN || versionOf(bytes) !== VERSION_1) return false
  // The id that a client makes up is no shorter (RFC 9000 §7.2).
  return (bytes[5] ?? 0) >= OWN_ID_BYTES && sourceId(bytes) !== undefined
}

/** The id that says whose packet this is; `undefined` where the packet is too short for one. */
export function destinationId(bytes: Uint8Array): string | undefined {
  return isLong(bytes) ? idAt(bytes, 5) : text(bytes, 1, OWN_ID_BYTES)
}

/** The id that the sender wants to be called by; only long headers tell. */
export function sourceId(bytes: Uint8Array): string | undefined {
  const skipped = bytes[5] ?? 0
  if (!isLong(bytes) || skipped > ID_BYTES_MAX) return undefined
  return idAt(bytes, 6 + skipped)
}

function versionOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(1)
}

function idAt(bytes: Uint8Array, at: number): string | undefined {
  const length = bytes[at]
  if (length === undefined || length > ID_BYTES_MAX) return undefined
  return text(bytes, at + 1, length)
}

function text(bytes: Uint8Array, from: number, length: number): string | undefined {
  if (bytes.length < from + length) return undefined
  let id = ''
  for (let i = from; i < from + length; i += 1) id += String.fromCharCode(bytes[i] ?? 0)
  return id
}
