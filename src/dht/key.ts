/**
 * Distance keys: where peers, records and providers lie in the DHT's space of 256 bits.
 *
 * Whatever a kad-dht message asks for is bytes (a peer id, a record's name, a multihash); its place
 * is the SHA-256 of those bytes, and distance is XOR read as a big-endian number (Kademlia §2.1).
 */

import { hash } from 'node:crypto'
import { RecentMap } from '../base/index.ts'
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

/**
 * The `count` contacts closest to `target`, closest first; the input stays as it is. Nearly every
 * pair differs within six bytes of distance, which a number holds: a comparison of numbers is what
 * most of this costs, and who is farther than all that are kept is not sorted at all.
 */
export function closestTo<T extends Contact>(
  target: DhtKey,
  contacts: readonly T[],
  count: number,
): T[] {
  const near: T[] = []
  const heads: number[] = []
  if (count < 1) return near
  for (const contact of contacts) {
    const head = headDistance(target, contact.key)
    const full = near.length >= count
    if (full && head > (heads[count - 1] ?? 0)) continue
    let at = near.length
    for (; at > 0; at -= 1) {
      const other = near[at - 1]
      const otherHead = heads[at - 1] ?? 0
      if (other === undefined || otherHead < head) break
      if (otherHead === head && compareDistance(target, other.key, contact.key) <= 0) break
      if (at >= count) continue
      near[at] = other
      heads[at] = otherHead
    }
    if (at >= count) continue
    near[at] = contact
    heads[at] = head
  }
  return near
}

/** The first six bytes of the distance. */
function headDistance(a: DhtKey, b: DhtKey): number {
  const high = (xorAt(a, b, 0) << 16) | (xorAt(a, b, 1) << 8) | xorAt(a, b, 2)
  const low = (xorAt(a, b, 3) << 16) | (xorAt(a, b, 4) << 8) | xorAt(a, b, 5)
  return high * 0x1_00_00_00 + low
}

function xorAt(a: DhtKey, b: DhtKey, i: number): number {
  return (a[i] ?? 0) ^ (b[i] ?? 0)
}

/** Each answer names 20 peers, nearly all of them named before. */
const contacts = new RecentMap<PeerId, Contact>(16_384)

export function sha256(bytes: Uint8Array): Uint8Array {
  // A copy of its own: what Node returns is a slice that keeps far more memory than 32 bytes.
  return new Uint8Array(hash('sha256', bytes, 'buffer'))
}
