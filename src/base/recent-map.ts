/**
 * What was worked out and is always true, kept while it is used: a bounded map without a clock.
 *
 * Two generations: what is read or stored goes into the young one; when that is full it becomes
 * the old one, and what nobody read in between is forgotten. A read costs one look-up, a tenth of
 * what `TtlMap` takes: it serves where a thing is looked up for every peer that a message names.
 */

export class RecentMap<K extends string | number, V extends object> {
  readonly #generationMax: number
  #young = new Map<K, V>()
  #old = new Map<K, V>()

  /** Keeps at least the `entriesMax / 2` entries used last, and never more than `entriesMax`. */
  constructor(entriesMax: number) {
    this.#generationMax = Math.max(1, Math.floor(entriesMax / 2))
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(key)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }

  /** Entries held; one that is in both generations counts twice. */
  get size(): number {
    return this.#young.size + this.#old.size
  }
}
