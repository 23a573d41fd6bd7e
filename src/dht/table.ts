/**
 * The routing table, sans I/O: whom we know, in buckets by the prefix shared with our own key
 * (Kademlia §2.2, §4.1).
 *
 * Old peers that live are worth more than new ones: peers that have been up for long stay up, and
 * an attacker cannot push them out by arriving in numbers. So a full bucket keeps its peers; a
 * newcomer waits as a candidate while the least recently seen peer is asked whether it lives, and
 * takes a place only when one fails. Asking is left to the caller.
 *
 * One exception: whoever is among those nearest to us is our neighbour, and takes the place of the
 * farthest in its bucket, who is none. The nearer one lies, the more ids it took to come there.
 *
 * Ids are free, so a table could fill with one holder's. Few peers of one site (`site.ts`) are let
 * in, fewer still into one bucket, and no more than these may wait for a place in it: else a
 * single network could push all other candidates out.
 */

import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, commonPrefixLength, compareDistance, type DhtKey } from './key.ts'

export interface TableConfig {
  /** Peers in one bucket, and candidates waiting for it. */
  readonly k: number
  /** So many peers nearest to us are always let in: a full bucket gives up its farthest for one. */
  readonly nearest: number
  /** Peers of one site in the whole table. */
  readonly sitePeersMax: number
  /** Peers of one site in one bucket, and as many candidates. */
  readonly siteBucketPeersMax: number
  /** Failures in a row after which a peer goes even if nobody waits for its place. */
  readonly failuresMax: number
  /** A peer seen this recently is not asked again whether it lives. */
  readonly freshMs: number
}

interface Entry extends Contact {
  /** What is handed out, the same object each time. */
  readonly contact: Contact
  /** Where it last spoke to us from; undefined where that says nothing. */
  readonly site: string | undefined
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
  /** How many peers of each site are in the table. */
  readonly #sites = new Map<string, number>()
  #version = 0

  constructor(self: DhtKey, config: TableConfig) {
    this.#self = self
    this.#config = config
  }

  get size(): number {
    return this.#places.size
  }

  /** Another number whenever somebody came or went. */
  get version(): number {
    return this.#version
  }

  has(peer: PeerId): boolean {
    return this.#places.has(peer)
  }

  /** The deepest bucket that holds a peer, as the length of its prefix; −1 when there is none. */
  get depth(): number {
    let depth = -1
    for (const prefix of this.#buckets.keys()) if (prefix > depth) depth = prefix
    return depth
  }

  /** Whether a newcomer with so long a common prefix would have to wait. */
  isFull(prefix: number): boolean {
    return (this.#buckets.get(prefix)?.entries.length ?? 0) >= this.#config.k
  }

  /**
   * Notes that a peer spoke to us just now, from `site` if that is known. When its bucket is full,
   * returns the peer to ask whether it lives: report back with `seen` or `failed`.
   */
  seen(contact: Contact, nowMs: number, site?: string): Contact | undefined {
    const { peer, key } = contact
    const prefix = this.#places.get(peer) ?? commonPrefixLength(this.#self, key)
    if (prefix === 8 * this.#self.length) return undefined
    const bucket = this.#buckets.get(prefix) ?? emptyBucket()
    if (bucket.asked === peer) bucket.asked = undefined

    const known = takeOut(bucket.entries, peer) ?? takeOut(bucket.candidates, peer)
    const held = this.#places.has(peer)
    if (held) this.#count(known?.site, -1)
    const where = site ?? known?.site
    const entry = { peer, key, contact, site: where, seenMs: nowMs, failures: 0 }
    if (!this.#mayEnter(bucket, entry)) {
      if (held) this.#vacate(bucket, prefix, peer)
      return undefined
    }
    if (!held && bucket.entries.length >= this.#config.k) this.#makeRoom(bucket, prefix, entry)
    if (held || bucket.entries.length < this.#config.k) {
      this.#buckets.set(prefix, bucket)
      this.#enter(bucket, prefix, entry)
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
    if (prefix === undefined || bucket === undefined) {
      for (const { candidates } of this.#buckets.values()) takeOut(candidates, peer)
      return
    }
    this.#count(takeOut(bucket.entries, peer)?.site, -1)
    this.#vacate(bucket, prefix, peer)
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
    return closestTo(key, near, count).map(({ contact }) => contact)
  }

  /** Whether fewer than `count` known peers lie closer to `key` than we do. */
  selfAmong(key: DhtKey, count: number): boolean {
    const last = this.closest(key, count)[count - 1]
    return last === undefined || compareDistance(key, this.#self, last.key) < 0
  }

  #wait(bucket: Bucket, entry: Entry): Contact | undefined {
    const { k, siteBucketPeersMax, freshMs } = this.#config
    if (countOf(bucket.candidates, entry.site) >= siteBucketPeersMax) return undefined
    bucket.candidates.push(entry)
    if (bucket.candidates.length > k) bucket.candidates.shift()
    const oldest = bucket.entries[0]
    if (oldest === undefined || bucket.asked !== undefined) return undefined
    if (entry.seenMs - oldest.seenMs < freshMs) return undefined
    bucket.asked = oldest.peer
    return oldest.contact
  }

  /** Lets the farthest of a full bucket go for a neighbour of ours, unless it is one as well. */
  #makeRoom({ entries, candidates }: Bucket, prefix: number, { key }: Entry): void {
    const { nearest } = this.#config
    let nearer = 0
    for (const [depth, deeper] of this.#buckets) if (depth > prefix) nearer += deeper.entries.length
    if (nearer >= nearest || nearer + entries.length <= nearest) return
    const sorted = closestTo(this.#self, entries, entries.length)
    const last = sorted[nearest - nearer - 1]
    const farthest = sorted[sorted.length - 1]
    if (last === undefined || farthest === undefined) return
    if (compareDistance(this.#self, key, last.key) >= 0) return
    this.#places.delete(farthest.peer)
    this.#version += 1
    this.#count(farthest.site, -1)
    takeOut(entries, farthest.peer)
    candidates.push(farthest)
    if (candidates.length > this.#config.k) candidates.shift()
  }

  #enter(bucket: Bucket, prefix: number, entry: Entry): void {
    bucket.entries.push(entry)
    if (!this.#places.has(entry.peer)) this.#version += 1
    this.#places.set(entry.peer, prefix)
    this.#count(entry.site, 1)
  }

  /** The place of a peer that was taken out; candidates whose site is full by now are let go. */
  #vacate(bucket: Bucket, prefix: number, peer: PeerId): void {
    this.#places.delete(peer)
    this.#version += 1
    if (bucket.asked === peer) bucket.asked = undefined
    for (let next = bucket.candidates.pop(); next !== undefined; next = bucket.candidates.pop()) {
      if (!this.#mayEnter(bucket, next)) continue
      this.#enter(bucket, prefix, next)
      bucket.entries.sort((a, b) => a.seenMs - b.seenMs)
      return
    }
    if (bucket.entries.length === 0) this.#buckets.delete(prefix)
  }

  /** Whether the site of a peer that is not in the table has room, in it and in `bucket`. */
  #mayEnter({ entries }: Bucket, { site }: Entry): boolean {
    if (site === undefined) return true
    const { sitePeersMax, siteBucketPeersMax } = this.#config
    return (
      (this.#sites.get(site) ?? 0) < sitePeersMax && countOf(entries, site) < siteBucketPeersMax
    )
  }

  #count(site: string | undefined, by: 1 | -1): void {
    if (site === undefined) return
    const count = (this.#sites.get(site) ?? 0) + by
    if (count > 0) this.#sites.set(site, count)
    else this.#sites.delete(site)
  }

  #bucketOf(peer: PeerId): Bucket | undefined {
    const prefix = this.#places.get(peer)
    return prefix === undefined ? undefined : this.#buckets.get(prefix)
  }
}

function emptyBucket(): Bucket {
  return { entries: [], candidates: [], asked: undefined }
}

function takeOut(entries: Entry[], peer: PeerId): Entry | undefined {
  const at = entries.findIndex((entry) => entry.peer === peer)
  return at >= 0 ? entries.splice(at, 1)[0] : undefined
}

/** How many are of `site`; none when it is not known, for then no rule applies. */
function countOf(entries: readonly Entry[], site: string | undefined): number {
  if (site === undefined) return 0
  return entries.reduce((count, entry) => (entry.site === site ? count + 1 : count), 0)
}
