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

import { base58btc } from 'multiformats/bases/base58'
import { concatBytes, RecentMap } from '../base/index.ts'
import { IdentityError } from './errors.ts'
import { isSoundKey } from './sound-key.ts'

declare const brand: unique symbol

/** The base58 text of a peer id that was checked: only the functions below make one. */
export type PeerId = string & { readonly [brand]: 'PeerId' }

/** Above any id that we read: the longest has 39 bytes. */
const PEER_ID_BYTES_MAX = 64
const ED25519_HEAD = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20)
const SHA256_HEAD = Uint8Array.of(0x12, 0x20)
const SECP256K1_HEAD = Uint8Array.of(0x00, 0x25, 0x08, 0x02, 0x12, 0x21)

/** Reads a peer id of any key type; Ed25519 keys for which anybody could sign are refused. */
export function peerId(text: string): PeerId {
  return (byText.get(text) ?? read(multihashOf(text))).peer
}

/** Reads the multihash inside an id, as records and kad-dht messages carry it. */
export function peerIdFromBytes(bytes: Uint8Array): PeerId {
  return read(bytes).peer
}

/** The id of whoever holds the key to these 32 bytes of Ed25519 public key. */
export function peerIdFromPublicKey(publicKey: Uint8Array): PeerId {
  return peerIdFromBytes(concatBytes(ED25519_HEAD, publicKey))
}

/** The same of a secp256k1 key, in its compressed form of 33 bytes. */
export function peerIdFromSecp256k1(publicKey: Uint8Array): PeerId {
  return peerIdFromBytes(concatBytes(SECP256K1_HEAD, publicKey))
}

/** The multihash inside the id. All callers are given the same bytes: nobody may change them. */
export function peerIdToBytes(peer: PeerId): Uint8Array {
  return (byText.get(peer) ?? read(base58btc.baseDecode(peer))).bytes
}

/** The raw Ed25519 key, or `undefined` for ids of other key types. */
export function publicKeyOf(peer: PeerId): Uint8Array | undefined {
  const bytes = peerIdToBytes(peer)
  return startsWith(bytes, ED25519_HEAD) ? bytes.subarray(ED25519_HEAD.length) : undefined
}

interface Known {
  readonly peer: PeerId
  readonly bytes: Uint8Array
}

/** Base58 takes 6 µs each way, and an answer of the DHT names 20 peers, most of them known. */
const KNOWN_MAX = 16_384
const byText = new RecentMap<string, Known>(KNOWN_MAX)
/** By its bytes as text, one character for each: a map has no other use for bytes. */
const byBytes = new RecentMap<string, Known>(KNOWN_MAX)

function read(bytes: Uint8Array): Known {
  // Base58 takes time in proportion to the square of the length.
  if (bytes.length > PEER_ID_BYTES_MAX) {
    throw IdentityError.PEER_ID_INVALID({ found: `${bytes.length} bytes` })
  }
  const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const known = byBytes.get(name)
  if (known !== undefined) return known
  const text = base58btc.baseEncode(bytes)
  if (!isPeerMultihash(bytes)) throw IdentityError.PEER_ID_INVALID({ found: text.slice(0, 64) })
  const entry = { peer: text as PeerId, bytes: Uint8Array.from(bytes) }
  byText.set(text, entry)
  byBytes.set(name, entry)
  return entry
}

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

function startsWith(bytes: Uint8Array, head: Uint8Array): boolean {
  return head.every((byte, i) => bytes[i] === byte)
}
