/**
 * The routing table, sans I/O: whom we know, in buckets by the prefix shared with our own key
 * (Kademlia §2.2, §4.1).
 *
 * Old peers that live are worth more than new ones: peers that have been up for long stay up, and
 * an attacker cannot push them out by arriving in numbers. So a full bucket keeps its peers; a
 * newcomer waits as a candidate while the least recently seen peer is asked whether it lives, and
 * takes a place only when one fails. Asking is left to the caller.
 */

import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, commonPrefixLength, compareDistance, type DhtKey } from './key.ts'

export interface TableConfig {
  /** Peers in one bucket, and candidates waiting for it. */
  readonly k: number
  /** Failures in a row after which a peer goes even if nobody waits for its place. */
  readonly failuresMax: number
  /** A peer seen this recently is not asked again whether it lives. */
  readonly freshMs: number
}

interface Entry extends Contact {
  seenMs: number
  failures: number
}

interface Bucket {
  /** Least recently seen first. */
  entries: Entry[]
  /** Most recently seen last; bounded by k. */
  candidates: Entry[]
  /** The peer that the caller was told to ask, until it answers, fails or goes. */
  asked: PeerId | undefined
}

export class RoutingTable {
  readonly #self: DhtKey
  readonly #config: TableConfig
  readonly #buckets = new Map<number, Bucket>()
  readonly #places = new Map<PeerId, number>()

  constructor(self: DhtKey, config: TableConfig) {
    this.#self = self
    this.#config = config
  }

  get size(): number {
    return this.#places.size
  }

  has(peer: PeerId): boolean {
    return this.#places.has(peer)
  }

  /** The deepest bucket that holds a peer, as the length of its prefix; −1 when there is none. */
  get depth(): number {
    return Math.max(-1, ...this.#buckets.keys())
  }

  /**
   * Notes that a peer spoke to us just now. When its bucket is full, returns the peer to ask
   * whether it lives: report back with `seen` or `failed`.
   */
  seen(contact: Contact, nowMs: number): Contact | undefined {
    const prefix = commonPrefixLength(this.#self, contact.key)
    if (prefix === 8 * this.#self.length) return undefined
    const bucket = this.#bucketAt(prefix)
    if (bucket.asked === contact.peer) bucket.asked = undefined

    const known = bucket.entries.findIndex(({ peer }) => peer === contact.peer)
    const entry = { peer: contact.peer, key: contact.key, seenMs: nowMs, failures: 0 }
    if (known >= 0) bucket.entries.splice(known, 1)
    if (bucket.entries.length < this.#config.k) {
      bucket.entries.push(entry)
      this.#places.set(contact.peer, prefix)
      forget(bucket.candidates, contact.peer)
      return undefined
    }
    return this.#wait(bucket, entry)
  }

  /** Notes that a peer did not answer. It goes when another waits, or after too many failures. */
  failed(peer: PeerId): void {
    const bucket = this.#bucketOf(peer)
    const entry = bucket?.entries.find((known) => known.peer === peer)
    if (bucket === undefined || entry === undefined) return
    if (bucket.asked === peer) bucket.asked = undefined
    entry.failures += 1
    if (bucket.candidates.length > 0 || entry.failures >= this.#config.failuresMax) {
      this.remove(peer)
    }
  }

  /** Takes a peer out, and lets the candidate most recently seen take its place. */
  remove(peer: PeerId): void {
    const prefix = this.#places.get(peer)
    const bucket = this.#bucketOf(peer)
    if (prefix === undefined || bucket === undefined) return
    this.#places.delete(peer)
    forget(bucket.entries, peer)
    if (bucket.asked === peer) bucket.asked = undefined
    const next = bucket.candidates.pop()
    if (next !== undefined) {
      bucket.entries.push(next)
      bucket.entries.sort((a, b) => a.seenMs - b.seenMs)
      this.#places.set(next.peer, prefix)
    } else if (bucket.entries.length === 0) this.#buckets.delete(prefix)
  }

  /**
   * The `count` peers closest to `key`, closest first. Buckets are taken in order of distance:
   * the one `key` would fall in, then those deeper, then each shallower one.
   */
  closest(key: DhtKey, count: number): Contact[] {
    const home = commonPrefixLength(this.#self, key)
    const near = [...(this.#buckets.get(home)?.entries ?? [])]
    if (near.length < count) {
      for (const [prefix, { entries }] of this.#buckets) if (prefix > home) near.push(...entries)
    }
    for (let prefix = Math.min(home, this.depth + 1) - 1; prefix >= 0; prefix -= 1) {
      if (near.length >= count) break
      near.push(...(this.#buckets.get(prefix)?.entries ?? []))
    }
    return closestTo(key, near, count).map(({ peer, key: place }) => ({ peer, key: place }))
  }

  /** Whether fewer than `count` known peers lie closer to `key` than we do. */
  selfAmong(key: DhtKey, count: number): boolean {
    const last = this.closest(key, count)[count - 1]
    return last === undefined || compareDistance(key, this.#self, last.key) < 0
  }

  #wait(bucket: Bucket, entry: Entry): Contact | undefined {
    forget(bucket.candidates, entry.peer)
    bucket.candidates.push(entry)
    if (bucket.candidates.length > this.#config.k) bucket.candidates.shift()
    const oldest = bucket.entries[0]
    if (oldest === undefined || bucket.asked !== undefined) return undefined
    if (entry.seenMs - oldest.seenMs < this.#config.freshMs) return undefined
    bucket.asked = oldest.peer
    return { peer: oldest.peer, key: oldest.key }
  }

  #bucketAt(prefix: number): Bucket {
    const known = this.#buckets.get(prefix)
    if (known !== undefined) return known
    const bucket: Bucket = { entries: [], candidates: [], asked: undefined }
    this.#buckets.set(prefix, bucket)
    return bucket
  }

  #bucketOf(peer: PeerId): Bucket | undefined {
    const prefix = this.#places.get(peer)
    return prefix === undefined ? undefined : this.#buckets.get(prefix)
  }
}

function forget(entries: Entry[], peer: PeerId): void {
  const at = entries.findIndex((entry) => entry.peer === peer)
  if (at >= 0) entries.splice(at, 1)
}
