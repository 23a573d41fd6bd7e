/** What the store's rules need of a disk: rows in, rows out, and a few sums. No rule lives here. */

import type { PeerId } from '../identity/index.ts'
import type { DhtKey } from './key.ts'

export interface StoredRecord {
  readonly key: DhtKey
  /** The whole record, as its publisher signed it. */
  readonly bytes: Uint8Array
  readonly publisher: PeerId
  /** Who brought it: its publisher, a reader that mends what it found, or this node. */
  readonly sender: PeerId
  /** The network that the sender spoke from, as `siteOf` has it; null if private or not known. */
  readonly site: string | null
  /** From this node to the record: the farthest goes first. */
  readonly distance: Uint8Array
  readonly receivedMs: number
  readonly expiresMs: number
}

export interface StoredProvider {
  readonly key: DhtKey
  readonly peer: PeerId
  readonly site: string | null
  readonly expiresMs: number
}

export interface Usage {
  readonly records: number
  readonly bytes: number
}

/** On whose account a record lies here. */
export type Account = 'publisher' | 'sender' | 'site'
/** On whose account a provider row lies here. */
export type ProviderAccount = 'peer' | 'site'

/**
 * Rows survive a restart when the storage does. Every call may throw `DHT_STORE_FULL` or
 * `DHT_STORE_FAILED`, and has then changed nothing.
 */
export interface RecordStorage {
  /** Why the last write failed; null when it did not. */
  readonly failure: string | null
  get(key: DhtKey): StoredRecord | undefined
  /** Stores, replacing what lies under the same key. */
  put(record: StoredRecord): void
  delete(key: DhtKey): void
  /** What lies here in all, expired or not. */
  usage(): Usage
  /** What lies here on one account, expired or not; asked at every write, so it must be cheap. */
  usageOf(account: Account, id: string): Usage
  /** The record farthest from this node that `except` did not publish. */
  farthest(except: PeerId): Pick<StoredRecord, 'key' | 'distance'> | undefined
  providers(key: DhtKey): readonly StoredProvider[]
  putProvider(provider: StoredProvider): void
  deleteProvider(key: DhtKey, peer: PeerId): void
  /** How many provider rows there are in all. */
  providerCount(): number
  providerCountOf(account: ProviderAccount, id: string): number
  /** Deletes the provider row that expires first, under one key or in all. */
  dropProvider(key?: DhtKey): void
  /** Deletes what has expired by `nowMs`. */
  sweep(nowMs: number): void
  close(): void
}
