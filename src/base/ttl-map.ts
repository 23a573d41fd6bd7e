/** A map with a bound, whose entries expire and whose least recently used makes room. */

import { LRUCache } from 'lru-cache'
import type { Clock } from './clock.ts'

export class TtlMap<K extends string | number, V extends string | number | boolean | object> {
  readonly #cache: LRUCache<K, V>

  constructor(limits: { readonly entriesMax: number; readonly ttlMs: number; clock: Clock }) {
    this.#cache = new LRUCache<K, V>({
      // A bound by size, each entry being one: under a bound by number the library takes memory for
      // all entries at once, and a node has a dozen of these maps, most of them nearly empty.
      maxSize: limits.entriesMax,
      sizeCalculation: () => 1,
      ttl: limits.ttlMs,
      ttlResolution: 0,
      perf: { now: () => limits.clock.now() + 1 },
    })
  }

  get(key: K): V | undefined {
    return this.#cache.get(key)
  }

  has(key: K): boolean {
    return this.#cache.has(key)
  }

  /** Stores for the map's own time, or for `ttlMs`; what has no time left is not kept. */
  set(key: K, value: V, ttlMs?: number): void {
    // The library takes zero for "never expires".
    if (ttlMs !== undefined && ttlMs <= 0) this.#cache.delete(key)
    else this.#cache.set(key, value, ttlMs === undefined ? {} : { ttl: ttlMs })
  }

  delete(key: K): boolean {
    return this.#cache.delete(key)
  }

  /** Entries that have not expired, most recently used first. */
  entries(): [K, V][] {
    return [...this.#cache.entries()]
  }

  get size(): number {
    this.#cache.purgeStale()
    return this.#cache.size
  }
}
