/**
 * The store in memory, for nodes that keep nothing on disk (`dht.persist = false`) and for the
 * simulator, which has 10,000 of them: empty, it takes next to nothing.
 *
 * Two lists are kept in order, records by distance and providers by expiry, so that whoever has to
 * make room is found without a look at every row; a flood makes that happen at each write.
 */

import { compareBytes } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DhtKey } from './key.ts'
import type {
  Account,
  ProviderAccount,
  RecordStorage,
  StoredProvider,
  StoredRecord,
  Usage,
} from './storage.ts'
import { accountsOf, Tally } from './tally.ts'

export class MemoryStore implements RecordStorage {
  /** Memory takes what the limits allow; beyond them nothing is put. */
  readonly failure = null
  readonly #records = new Map<string, StoredRecord>()
  readonly #farthestLast: StoredRecord[] = []
  readonly #tally = new Tally<Account>()
  readonly #providers = new Map<string, Map<PeerId, StoredProvider>>()
  readonly #latestFirst: StoredProvider[] = []
  readonly #providerTally = new Tally<ProviderAccount>()

  get(key: DhtKey): StoredRecord | undefined {
    return this.#records.get(textOf(key))
  }

  put(record: StoredRecord): void {
    this.delete(record.key)
    // Of the message that brought it nothing is kept: it may be eight times as long.
    const own = { ...record, bytes: Uint8Array.from(record.bytes) }
    this.#records.set(textOf(own.key), own)
    insert(this.#farthestLast, own, byDistance)
    this.#tally.add(accountsOf(own), own.bytes.length)
  }

  delete(key: DhtKey): void {
    const old = this.get(key)
    if (old === undefined) return
    this.#records.delete(textOf(key))
    remove(this.#farthestLast, old, byDistance)
    this.#tally.remove(accountsOf(old), old.bytes.length)
  }

  usage(): Usage {
    return this.#tally.all
  }

  usageOf(account: Account, id: string): Usage {
    return this.#tally.of(account, id)
  }

  farthest(except: PeerId): Pick<StoredRecord, 'key' | 'distance'> | undefined {
    return this.#farthestLast.findLast(({ publisher }) => publisher !== except)
  }

  providers(key: DhtKey): readonly StoredProvider[] {
    return [...(this.#providers.get(textOf(key))?.values() ?? [])]
  }

  putProvider(provider: StoredProvider): void {
    this.deleteProvider(provider.key, provider.peer)
    const place = textOf(provider.key)
    const rows = this.#providers.get(place) ?? new Map<PeerId, StoredProvider>()
    this.#providers.set(place, rows.set(provider.peer, provider))
    insert(this.#latestFirst, provider, byExpiry)
    this.#providerTally.add({ peer: provider.peer, site: provider.site }, 0)
  }

  deleteProvider(key: DhtKey, peer: PeerId): void {
    const rows = this.#providers.get(textOf(key))
    const old = rows?.get(peer)
    if (rows === undefined || old === undefined) return
    rows.delete(peer)
    if (rows.size === 0) this.#providers.delete(textOf(key))
    remove(this.#latestFirst, old, byExpiry)
    this.#providerTally.remove({ peer, site: old.site }, 0)
  }

  providerCount(): number {
    return this.#providerTally.all.records
  }

  providerCountOf(account: ProviderAccount, id: string): number {
    return this.#providerTally.of(account, id).records
  }

  dropProvider(key?: DhtKey): void {
    const rows = key === undefined ? this.#latestFirst : this.providers(key).toSorted(byExpiry)
    const first = rows.at(-1)
    if (first !== undefined) this.deleteProvider(first.key, first.peer)
  }

  sweep(nowMs: number): void {
    for (const { key, expiresMs } of [...this.#records.values()]) {
      if (expiresMs <= nowMs) this.delete(key)
    }
    for (let row = this.#latestFirst.at(-1); row !== undefined; row = this.#latestFirst.at(-1)) {
      if (row.expiresMs > nowMs) return
      this.deleteProvider(row.key, row.peer)
    }
  }

  close(): void {
    // Nothing is open.
  }
}

type Compare<T> = (a: T, b: T) => number

function byDistance(a: StoredRecord, b: StoredRecord): number {
  return compareBytes(a.distance, b.distance) || compareBytes(a.key, b.key)
}

/** The one that expires first is last, where taking it away moves nothing. */
function byExpiry(a: StoredProvider, b: StoredProvider): number {
  return (
    b.expiresMs - a.expiresMs ||
    compareBytes(a.key, b.key) ||
    (a.peer < b.peer ? -1 : Number(a.peer > b.peer))
  )
}

function insert<T>(sorted: T[], row: T, compare: Compare<T>): void {
  sorted.splice(placeOf(sorted, row, compare), 0, row)
}

/** Takes out the row that stands at this one's place: no two rows compare equal. */
function remove<T>(sorted: T[], row: T, compare: Compare<T>): void {
  sorted.splice(placeOf(sorted, row, compare), 1)
}

function placeOf<T>(sorted: readonly T[], row: T, compare: Compare<T>): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const there = sorted[middle]
    if (there !== undefined && compare(there, row) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Bytes as a map's key, one character each. */
function textOf(key: DhtKey): string {
  return String.fromCharCode(...key)
}
