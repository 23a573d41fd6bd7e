/**
 * Who is in the routing table: peers that say they serve the DHT, or have just answered as one.
 *
 * The table decides; this file asks the peers it wants asked, and looks around the table now and
 * then so that every part of it stays filled (Kademlia §2.3).
 */

import type { Clock, Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import { type Contact, commonPrefixLength, contactOf, type DhtKey, dhtKey } from './key.ts'
import type { DhtMetrics } from './metrics.ts'
import type { Questions } from './questions.ts'
import { RoutingTable } from './table.ts'

/** Deeper buckets are filled by looking for ourselves; a key for them takes long to find. */
const REFRESH_DEPTH_MAX = 8
const REFRESH_TRIES_MAX = 1 << (REFRESH_DEPTH_MAX + 5)
const REFRESH_KEY_BYTES = 32

export interface MembersDeps {
  readonly self: Contact
  readonly questions: Pick<Questions, 'ask' | 'reachable'>
  readonly clock: Clock
  readonly random: Random
  readonly metrics: DhtMetrics
}

export class Members {
  readonly #deps: MembersDeps
  readonly #table: RoutingTable
  readonly #life = new AbortController()

  constructor(deps: MembersDeps, config: DhtConfig) {
    this.#deps = deps
    this.#table = new RoutingTable(deps.self.key, {
      k: config.k,
      failuresMax: config.peerFailuresMax,
      freshMs: config.peerFreshMs,
    })
  }

  get size(): number {
    return this.#table.size
  }

  closest(key: DhtKey, count: number): Contact[] {
    return this.#table.closest(key, count)
  }

  /** Whether this node is one of the `count` closest to `key` that it knows. */
  selfAmong(key: DhtKey, count: number): boolean {
    return this.#table.selfAmong(key, count)
  }

  /** The peer introduced itself; returns true when that made the table larger. */
  identified(peer: PeerId, serves: boolean): boolean {
    this.#deps.questions.reachable(peer)
    const before = this.#table.size
    if (serves) this.seen(contactOf(peer))
    else this.#table.remove(peer)
    this.#deps.metrics.tablePeers.set(this.#table.size)
    return this.#table.size > before
  }

  /** The peer has just answered. */
  seen(contact: Contact): void {
    const doubted = this.#table.seen(contact, this.#deps.clock.now())
    this.#deps.metrics.tablePeers.set(this.#table.size)
    if (doubted !== undefined) void this.#ping(doubted)
  }

  failed(peer: PeerId): void {
    this.#table.failed(peer)
    this.#deps.metrics.tablePeers.set(this.#table.size)
  }

  /** What to look for so that each shallow bucket that could hold peers is filled. */
  refreshKeys(): Uint8Array[] {
    const missing = new Set<number>()
    for (let prefix = 0; prefix <= Math.min(this.#table.depth, REFRESH_DEPTH_MAX); prefix += 1) {
      missing.add(prefix)
    }
    const keys: Uint8Array[] = []
    for (let tries = 0; missing.size > 0 && tries < REFRESH_TRIES_MAX; tries += 1) {
      const bytes = this.#deps.random.bytes(REFRESH_KEY_BYTES)
      if (missing.delete(commonPrefixLength(this.#deps.self.key, dhtKey(bytes)))) keys.push(bytes)
    }
    return keys
  }

  stop(): void {
    this.#life.abort()
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
