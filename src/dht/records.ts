/**
 * What this node keeps for the network, and by which rules; sans I/O over a `RecordStorage`.
 *
 * A record comes in only under its own key, from its own publisher, and never over a newer one.
 * Checks run from cheap to dear: form, name, time and work, version, quota, then the signature.
 * All of it is one synchronous step, so two writes of one key cannot interleave. When the store is
 * full, the record farthest from this node makes room, for others hold it more surely than we do.
 */

import type { Clock, Random } from '../base/index.ts'
import { compareBytes, shuffled } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { type Contact, type DhtKey, distance } from './key.ts'
import {
  checkSignature,
  checkTimeAndWork,
  compareRecords,
  type DhtRecord,
  decodeRecord,
  expiryOf,
  type RecordRules,
  verifyRecord,
} from './record.ts'
import type { RecordStorage } from './storage.ts'
import type { RecordName } from './validators.ts'

export interface RecordsDeps {
  readonly storage: RecordStorage
  readonly self: Contact
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly network: string
}

/** A record with the bytes its publisher signed; the two are never apart. */
export interface Held {
  readonly record: DhtRecord
  readonly bytes: Uint8Array
}

export type StoreOutcome =
  | { readonly kind: 'stored' }
  /** Nothing was stored: this one is newer. */
  | { readonly kind: 'newer'; readonly held: Held }

export class Records {
  readonly #deps: RecordsDeps
  readonly #config: DhtConfig
  readonly #rules: RecordRules

  constructor(deps: RecordsDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
    this.#rules = { network: deps.network, workBits: config.workBits }
  }

  get count(): number {
    return this.#deps.storage.usage().records
  }

  get(key: DhtKey): Held | undefined {
    const stored = this.#deps.storage.get(key)
    if (stored === undefined || stored.expiresMs <= this.#deps.clock.now()) return undefined
    return { record: decodeRecord(stored.bytes), bytes: stored.bytes }
  }

  /** Reads and verifies bytes that claim to be the record called `name`; stores nothing. */
  open(name: RecordName, bytes: Uint8Array): Held {
    const record = readAs(name, bytes)
    verifyRecord(record, this.#rules, this.#deps.clock.now())
    return { record, bytes }
  }

  /** Stores the record called `name`, or says which newer one stands in its way. */
  put(name: RecordName, bytes: Uint8Array): StoreOutcome {
    const { storage, self, clock } = this.#deps
    const record = readAs(name, bytes)
    checkTimeAndWork(record, this.#rules, clock.now())
    const held = this.get(name.key)
    if (held !== undefined) {
      const order = compareRecords(record, held.record)
      if (order < 0) return { kind: 'newer', held }
      if (order === 0 && compareBytes(bytes, held.bytes) === 0) return { kind: 'stored' }
    }
    if (record.publisher !== self.peer) this.#checkQuota(record, bytes.length)
    checkSignature(record, this.#rules)

    const away = distance(self.key, name.key)
    this.#makeRoom(name.key, away, bytes.length)
    const receivedMs = clock.now()
    storage.put({
      key: name.key,
      bytes,
      publisher: record.publisher,
      distance: away,
      receivedMs,
      expiresMs: Math.min(expiryOf(record), receivedMs + 1_000 * this.#config.recordTtlSeconds),
    })
    return { kind: 'stored' }
  }

  remove(key: DhtKey): void {
    this.#deps.storage.delete(key)
  }

  /** Notes that `peer` provides what lies at `key`, from now for as long as we are configured. */
  addProvider(key: DhtKey, peer: PeerId): void {
    const { storage, clock, self } = this.#deps
    const { providersMax, providersPerKeyMax, providersPerPeerMax } = this.#config
    const known = storage.providers(key)
    if (!known.some((provider) => provider.peer === peer)) {
      const records = storage.providerCount(peer)
      if (peer !== self.peer && records >= providersPerPeerMax) {
        throw DhtError.PUBLISHER_QUOTA({ publisher: peer, records, bytes: 0 })
      }
      if (known.length >= providersPerKeyMax) storage.dropProvider(key)
      else if (storage.providerCount() >= providersMax) storage.dropProvider()
    }
    const expiresMs = clock.now() + 1_000 * this.#config.providerTtlSeconds
    storage.putProvider({ key, peer, expiresMs })
  }

  removeProvider(key: DhtKey, peer: PeerId): void {
    this.#deps.storage.deleteProvider(key, peer)
  }

  /** Up to `count` providers by chance: nobody is first by announcing more often than others. */
  providers(key: DhtKey, count: number): PeerId[] {
    const { storage, clock, random } = this.#deps
    const live = storage.providers(key).filter(({ expiresMs }) => expiresMs > clock.now())
    return shuffled(live, random)
      .slice(0, count)
      .map(({ peer }) => peer)
  }

  sweep(): void {
    this.#deps.storage.sweep(this.#deps.clock.now())
  }

  close(): void {
    this.#deps.storage.close()
  }

  /** What a publisher already has here, this record's older version aside, plus what is new. */
  #checkQuota(record: DhtRecord, size: number): void {
    const { publisherRecordsMax, publisherBytesMax } = this.#config
    const { publisher, key } = record
    const used = this.#deps.storage.usage(publisher)
    const old = this.#deps.storage.get(key)
    const records = used.records - (old === undefined ? 0 : 1)
    const bytes = used.bytes - (old?.bytes.length ?? 0)
    if (records + 1 > publisherRecordsMax || bytes + size > publisherBytesMax) {
      throw DhtError.PUBLISHER_QUOTA({ publisher, records, bytes })
    }
  }

  #makeRoom(key: DhtKey, away: Uint8Array, size: number): void {
    const { storage, self, clock } = this.#deps
    const { recordsMax, bytesMax } = this.#config
    const old = storage.get(key)
    let swept = false
    for (;;) {
      const { records, bytes } = storage.usage()
      const fits =
        records + (old === undefined ? 1 : 0) <= recordsMax &&
        bytes + size - (old?.bytes.length ?? 0) <= bytesMax
      if (fits) return
      if (!swept) {
        storage.sweep(clock.now())
        swept = true
        continue
      }
      const farthest = storage.farthest(self.peer)
      if (farthest === undefined || compareBytes(farthest.distance, away) <= 0) {
        throw DhtError.CROWDED({ records, bytes })
      }
      storage.delete(farthest.key)
    }
  }
}

/** A record that may bear this name: its key and its publisher are those of the name. */
function readAs(name: RecordName, bytes: Uint8Array): DhtRecord {
  const record = decodeRecord(bytes)
  if (compareBytes(record.key, name.key) !== 0) {
    throw DhtError.RECORD_INVALID({ field: 'key', found: `not that of ${name.text}` })
  }
  if (record.publisher !== name.publisher) {
    const { text: key, publisher: wanted } = name
    throw DhtError.NOT_PUBLISHER({ key, publisher: record.publisher, wanted })
  }
  return record
}
