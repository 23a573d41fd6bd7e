/**
 * Peer ids as branded strings; the libp2p object form stays inside `net`.
 *
 * A peer id is the base58 form of a multihash of the public key's protobuf (libp2p peer-ids
 * specification). For Ed25519 the hash is the identity, so the key can be read from the id:
 *
 *   00 24   identity multihash of 36 bytes
 *   08 01   key type 1, Ed25519
 *   12 20   32 bytes of public key
 */

import { ed25519 } from '@noble/curves/ed25519.js'
import { base58btc } from 'multiformats/bases/base58'
import { concatBytes, systemClock, TtlMap } from '../base/index.ts'
import { IdentityError } from './errors.ts'

declare const brand: unique symbol

/** The base58 text of a peer id that was checked: only the functions below make one. */
export type PeerId = string & { readonly [brand]: 'PeerId' }

/** Above any id that we read: the longest has 39 bytes. */
const PEER_ID_BYTES_MAX = 64
const ED25519_HEAD = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const SHA256_HEAD = Uint8Array.of(0x12, 0x20)
const SECP256K1_HEAD = Uint8Array.of(0x00, 0x25, 0x08, 0x02, 0x12, 0x21)

/** Reads a peer id of any key type; Ed25519 keys that cannot sign are refused. */
export function peerId(text: string): PeerId {
  const known = checked.get(text)
  if (known !== undefined) return known
  return peerIdFromBytes(multihashOf(text))
}

/** Reads the multihash inside an id, as records and kad-dht messages carry it. */
export function peerIdFromBytes(bytes: Uint8Array): PeerId {
  // Base58 takes time in proportion to the square of the length.
  if (bytes.length > PEER_ID_BYTES_MAX) {
    throw IdentityError.PEER_ID_INVALID({ found: `${bytes.length} bytes` })
  }
  const text = base58btc.baseEncode(bytes)
  const known = checked.get(text)
  if (known !== undefined) return known
  if (!isPeerMultihash(bytes)) throw IdentityError.PEER_ID_INVALID({ found: text.slice(0, 64) })
  checked.set(text, text as PeerId)
  return text as PeerId
}

/** The id of whoever holds the key to these 32 bytes of Ed25519 public key. */
export function peerIdFromPublicKey(publicKey: Uint8Array): PeerId {
  return peerIdFromBytes(concatBytes(ED25519_HEAD, publicKey))
}

/** The multihash inside the id: what records and kad-dht messages carry. */
export function peerIdToBytes(peer: PeerId): Uint8Array {
  return base58btc.baseDecode(peer)
}

/** The raw Ed25519 key, or `undefined` for ids of other key types. */
export function publicKeyOf(peer: PeerId): Uint8Array | undefined {
  const bytes = peerIdToBytes(peer)
  return startsWith(bytes, ED25519_HEAD) ? bytes.subarray(ED25519_HEAD.length) : undefined
}

/** Ids that passed the checks; the check of the curve point costs more than all else here. */
const checked = new TtlMap<string, PeerId>({
  entriesMax: 4_096,
  ttlMs: 24 * 3_600_000,
  clock: systemClock,
})

function multihashOf(text: string): Uint8Array {
  try {
    if (text.length > 2 * PEER_ID_BYTES_MAX) throw new RangeError('too long')
    return base58btc.baseDecode(text)
  } catch (cause) {
    throw IdentityError.PEER_ID_INVALID({ found: text.slice(0, 64) }, cause)
  }
}

function isPeerMultihash(bytes: Uint8Array): boolean {
  if (startsWith(bytes, SHA256_HEAD)) return bytes.length === 34
  if (startsWith(bytes, ED25519_HEAD)) {
    return bytes.length === 38 && isSoundKey(bytes.subarray(ED25519_HEAD.length))
  }
  // The only other key short enough to stand in an id; we never verify with it.
  return startsWith(bytes, SECP256K1_HEAD) && bytes.length === 39
}

/** A point of small order would accept one signature for every message (RFC 8032 §5.1.7). */
function isSoundKey(publicKey: Uint8Array): boolean {
  try {
    return !ed25519.Point.fromBytes(publicKey).isSmallOrder()
  } catch {
    return false
  }
}

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return head.every((byte, i) => bytes[i] === byte)
}
