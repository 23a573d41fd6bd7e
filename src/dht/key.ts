/**
 * Distance keys: where peers, records and providers lie in the DHT's space of 256 bits.
 *
 * Whatever a kad-dht message asks for is bytes (a peer id, a record's name, a multihash); its place
 * is the SHA-256 of those bytes, and distance is XOR read as a big-endian number (Kademlia §2.1).
 */

import { createHash } from 'node:crypto'
import { systemClock, TtlMap, toHex } from '../base/index.ts'
import { type PeerId, peerIdFromBytes, peerIdToBytes } from '../identity/index.ts'

declare const brand: unique symbol

/** 32 bytes of distance space; never the bytes that a message carries. */
export type DhtKey = Uint8Array & { readonly [brand]: 'DhtKey' }

export const KEY_BYTES = 32
const KEY_BITS = 8 * KEY_BYTES

/** A peer with its place, so that tables and lookups never hash. */
export interface Contact {
  readonly peer: PeerId
  readonly key: DhtKey
}

/** The place of what a message calls `bytes`. */
export function dhtKey(bytes: Uint8Array): DhtKey {
  return sha256(bytes) as DhtKey
}

/** A peer lies at the hash of the multihash in its id, as in kad-dht. */
export function contactOf(peer: PeerId): Contact {
  const known = byPeer.get(peer)
  return known ?? contactFromBytes(peerIdToBytes(peer))
}

/** As `contactOf`, from the multihash; throws `IDENTITY_PEER_ID_INVALID` where it is none. */
export function contactFromBytes(bytes: Uint8Array): Contact {
  const text = toHex(bytes)
  const known = byBytes.get(text)
  if (known !== undefined) return known
  const contact = { peer: peerIdFromBytes(bytes), key: dhtKey(bytes) }
  byBytes.set(text, contact)
  byPeer.set(contact.peer, contact)
  return contact
}

export function distance(a: DhtKey, b: DhtKey): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] ?? 0))
}

/** Negative when `a` lies closer to `target` than `b` does; no memory is taken. */
export function compareDistance(target: DhtKey, a: DhtKey, b: DhtKey): number {
  for (let i = 0; i < KEY_BYTES; i += 1) {
    const x = a[i] ?? 0
    const y = b[i] ?? 0
    if (x !== y) {
      const at = target[i] ?? 0
      return (x ^ at) - (y ^ at)
    }
  }
  return 0
}

/** How many leading bits two keys share: 256 for a key and itself. */
export function commonPrefixLength(a: DhtKey, b: DhtKey): number {
  for (let i = 0; i < KEY_BYTES; i += 1) {
    const differ = (a[i] ?? 0) ^ (b[i] ?? 0)
    if (differ !== 0) return 8 * i + Math.clz32(differ) - 24
  }
  return KEY_BITS
}

/** The `count` contacts closest to `target`, closest first; the input stays as it is. */
export function closestTo<T extends Contact>(
  target: DhtKey,
  contacts: readonly T[],
  count: number,
): T[] {
  return contacts.toSorted((a, b) => compareDistance(target, a.key, b.key)).slice(0, count)
}

/** Each answer names 20 peers, nearly all of them named before; checking an id is dear. */
const KNOWN = { entriesMax: 8_192, ttlMs: 3_600_000, clock: systemClock }
const byBytes = new TtlMap<string, Contact>(KNOWN)
const byPeer = new TtlMap<PeerId, Contact>(KNOWN)

export function sha256(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(bytes).digest())
}
