/**
 * Distance keys: where peers, records and providers lie in the DHT's space of 256 bits.
 *
 * Whatever a kad-dht message asks for is bytes (a peer id, a record's name, a multihash); its place
 * is the SHA-256 of those bytes, and distance is XOR read as a big-endian number (Kademlia §2.1).
 */

import { createHash } from 'node:crypto'
import { systemClock, TtlMap } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'

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
  const known = contacts.get(peer)
  if (known !== undefined) return known
  const contact = { peer, key: dhtKey(peerIdToBytes(peer)) }
  contacts.set(peer, contact)
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

/** Each answer names 20 peers, nearly all of them named before. */
const contacts = new TtlMap<PeerId, Contact>({
  entriesMax: 8_192,
  ttlMs: 3_600_000,
  clock: systemClock,
})

export function sha256(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(bytes).digest())
}
