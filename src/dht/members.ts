/**
 * Who is in the routing table: peers that say they serve the DHT, or have just answered as one.
 *
 * The table decides; this file asks the peers it wants asked, tells it from which site each speaks,
 * and knows which of its parts nobody looked for in a while (Kademlia §2.3).
 */

import { type Clock, type Random, race } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import { Density, sizeFrom } from './density.ts'
import { type Contact, commonPrefixLength, contactOf, type DhtKey, dhtKey } from './key.ts'
import type { DhtMetrics } from './metrics.ts'
import type { Questions } from './questions.ts'
import { siteOf } from './site.ts'
import { RoutingTable } from './table.ts'

/** Deeper buckets are filled by looking for ourselves; a key for them takes long to find. */
const REFRESH_DEPTH_MAX = 8
const REFRESH_TRIES_MAX = 1 << (REFRESH_DEPTH_MAX + 5)
const REFRESH_KEY_BYTES = 32

export interface MembersDeps {
  readonly self: Contact
  readonly questions: Pick<Questions, 'ask' | 'reachable' | 'hostOf'>
  readonly clock: Clock
  readonly random: Random
  readonly metrics: DhtMetrics
}

export class Members {
  /** How many peers there seem to be, and who lies too close together. */
  readonly density: Density
  readonly #deps: MembersDeps
  readonly #table: RoutingTable
  readonly #k: number
  /** When a key of each bucket was last looked for. */
  readonly #lookedMs: number[] = []
  readonly #life = new AbortController()
  /** Peers that we are connected to and that are being asked for themselves. */
  readonly #coming = new Set<Promise<void>>()
  #neighbours: readonly Contact[] | undefined
  #version = 0
  #settled = false

  constructor(deps: MembersDeps, config: DhtConfig) {
    this.#deps = deps
    this.#k = config.k
    this.#table = new RoutingTable(deps.self.key, {
      k: config.bucketPeersMax,
      nearest: config.k,
      sitePeersMax: config.sitePeersMax,
      siteBucketPeersMax: config.siteBucketPeersMax,
      failuresMax: config.peerFailuresMax,
      freshMs: config.peerFreshMs,
    })
    // Fewer than k are all there are, and say nothing of how close k of them would lie.
    const around = () =>
      this.#settled && this.neighbours().length === config.k
        ? sizeFrom(deps.self.key, this.neighbours())
        : undefined
    this.density = new Density(config.k, around)
  }

  get size(): number {
    return this.#table.size
  }

  closest(key: DhtKey, count: number): Contact[] {
    return this.#table.closest(key, count)
  }

  has(peer: PeerId): boolean {
    return this.#table.has(peer)
  }

  /** Whether those found closest to `key` lie too close together; see `density.ts`. */
  isCrowded(key: DhtKey, closest: readonly Contact[]): boolean {
    return this.density.isCrowded(key, closest)
  }

  /** The distance within which `count` honest peers lie, k unless given; 1 is everywhere. */
  regionRadius(count?: number): number {
    return this.density.regionRadius(count)
  }

  /** The k peers closest to this node; the same list for as long as the table stays as it is. */
  neighbours(): readonly Contact[] {
    this.#neighbours ??= this.#table.closest(this.#deps.self.key, this.#k)
    return this.#neighbours
  }

  /** A lookup for ourselves is done: whoever is close to us is known from now on. */
  settled(): void {
    this.#settled = true
  }

  /** Whether this node is one of the `count` closest to `key` that it knows. */
  selfAmong(key: DhtKey, count: number): boolean {
    return this.#table.selfAmong(key, count)
  }

  /** A peer is about to be known: who looks for anybody before that may wait for it. */
  coming(meeting: Promise<void>): void {
    const known = meeting.finally(() => this.#coming.delete(known))
    this.#coming.add(known)
  }

  /** Waits while nobody is known and somebody is about to be; never rejects. */
  async somebody(signal: AbortSignal): Promise<void> {
    while (this.size === 0 && this.#coming.size > 0 && !signal.aborted) {
      await race(Promise.race(this.#coming), signal).catch(() => undefined)
    }
  }

  /** The peer introduced itself; returns true when that made the table larger. */
  identified(peer: PeerId, serves: boolean): boolean {
    this.#deps.questions.reachable(peer)
    const before = this.#table.size
    if (serves) this.#note(contactOf(peer), this.#siteOf(peer))
    else this.#table.remove(peer)
    this.#changed()
    return this.#table.size > before
  }

  /** The peer has just answered. */
  seen(contact: Contact): void {
    // Where it speaks from is looked up when it comes, and when it introduces itself anew.
    this.#note(contact, this.#table.has(contact.peer) ? undefined : this.#siteOf(contact.peer))
    this.#changed()
  }

  failed(peer: PeerId): void {
    this.#table.failed(peer)
    this.#changed()
  }

  /** Notes that `key` is being looked for: its part of the table is looked after by that. */
  lookedFor(key: DhtKey): void {
    const prefix = commonPrefixLength(this.#deps.self.key, key)
    if (prefix <= REFRESH_DEPTH_MAX) this.#lookedMs[prefix] = this.#deps.clock.now()
  }

  /** What to look for in each shallow bucket that no lookup touched for `ageMs`. */
  refreshKeys(ageMs: number): Uint8Array[] {
    const missing = new Set<number>()
    const beforeMs = this.#deps.clock.now() - ageMs
    for (let prefix = 0; prefix <= Math.min(this.#table.depth, REFRESH_DEPTH_MAX); prefix += 1) {
      if ((this.#lookedMs[prefix] ?? Number.NEGATIVE_INFINITY) <= beforeMs) missing.add(prefix)
    }
    return this.#keysIn(missing)
  }

  /** The same for those that have room, and lie before the one in which our neighbours begin. */
  joinKeys(): Uint8Array[] {
    const { self } = this.#deps
    const last = this.neighbours()[this.#k - 1]
    const missing = new Set<number>()
    const end = last === undefined ? 0 : commonPrefixLength(self.key, last.key)
    for (let prefix = 0; prefix < Math.min(end, REFRESH_DEPTH_MAX + 1); prefix += 1) {
      if (!this.#table.isFull(prefix) && this.#lookedMs[prefix] === undefined) missing.add(prefix)
    }
    return this.#keysIn(missing)
  }

  stop(): void {
    this.#life.abort()
  }

  #keysIn(missing: Set<number>): Uint8Array[] {
    const keys: Uint8Array[] = []
    for (let tries = 0; missing.size > 0 && tries < REFRESH_TRIES_MAX; tries += 1) {
      const bytes = this.#deps.random.bytes(REFRESH_KEY_BYTES)
      if (missing.delete(commonPrefixLength(this.#deps.self.key, dhtKey(bytes)))) keys.push(bytes)
    }
    return keys
  }

  #note(contact: Contact, site: string | undefined): void {
    const doubted = this.#table.seen(contact, this.#deps.clock.now(), site)
    if (doubted !== undefined) void this.#ping(doubted)
  }

  #changed(): void {
    const { size, version } = this.#table
    if (version === this.#version) return
    this.#version = version
    this.#neighbours = undefined
    this.#deps.metrics.tablePeers.set(size)
  }

  #siteOf(peer: PeerId): string | undefined {
    return siteOf(this.#deps.questions.hostOf(peer))
  }

  /** The table asks after at most one peer of each bucket at a time. Never rejects. */
  async #ping(contact: Contact): Promise<void> {
    try {
      const { signal } = this.#life
      await this.#deps.questions.ask(contact.peer, [{ type: 'ping' }], { signal })
      this.seen(contact)
    } catch {
      if (!this.#life.signal.aborted) this.failed(contact.peer)
    }
  }
}
