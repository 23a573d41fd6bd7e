/**
 * What this node keeps for the network, and by which rules; sans I/O over a `RecordStorage`.
 *
 * A record comes in only under its own key, from its own publisher, and never over a newer one.
 * Checks run from cheap to dear, so that a flood dies at the cheapest: size and form, time and
 * work, quotas, whether the key is our concern, version, and the signature last. All of it is one
 * synchronous step, so two writes of one key cannot interleave. When the store is full, the record
 * farthest from this node makes room, for others hold it more surely than we do.
 *
 * What this node itself puts, its own values and what it mends, comes without a sender: it counts
 * on nobody's account but the publisher's, and is our concern by being asked for.
 */

import type { Clock, Random } from '../base/index.ts'
import { compareBytes, shuffled } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { type Contact, type DhtKey, distance } from './key.ts'
import { checkPublisherQuota, checkSenderQuotas, type Sender } from './quotas.ts'
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
import type { RecordStorage, StoredRecord } from './storage.ts'
import { checkPublisher, type RecordName } from './validators.ts'

export interface RecordsDeps {
  readonly storage: RecordStorage
  readonly self: Contact
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly network: string
  /** Whether this node is among those that are to hold what lies at `key`. */
  readonly responsible: (key: DhtKey) => boolean
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
    return this.#live(this.#deps.storage.get(key))
  }

  /** What lies at `key`, as its publisher signed it: to be passed on it need not be read. */
  bytesAt(key: DhtKey): Uint8Array | undefined {
    const stored = this.#deps.storage.get(key)
    return stored !== undefined && this.#lives(stored) ? stored.bytes : undefined
  }

  /** Reads and verifies bytes that claim to be the record called `name`; stores nothing. */
  open(name: RecordName, bytes: Uint8Array): Held {
    const record = readAs(name, bytes)
    verifyRecord(record, this.#rules, this.#deps.clock.now())
    this.#checkProof(name, record)
    return { record, bytes }
  }

  /** Stores the record called `name`, or says which newer one stands in its way. */
  put(name: RecordName, bytes: Uint8Array, sender?: Sender): StoreOutcome {
    const { storage, self, clock } = this.#deps
    const record = readAs(name, bytes)
    checkTimeAndWork(record, this.#rules, clock.now())
    const old = storage.get(name.key)
    this.#checkPlace(record, bytes.length, { old, sender })
    const held = this.#live(old)
    if (held !== undefined) {
      const order = compareRecords(record, held.record)
      if (order < 0) return { kind: 'newer', held }
      if (order === 0 && compareBytes(bytes, held.bytes) === 0) return { kind: 'stored' }
    }
    checkSignature(record, this.#rules)
    this.#checkProof(name, record)

    const away = distance(self.key, name.key)
    this.#makeRoom(name.key, away, bytes.length)
    const receivedMs = clock.now()
    storage.put({
      key: name.key,
      bytes,
      publisher: record.publisher,
      sender: sender?.peer ?? self.peer,
      site: sender?.site ?? null,
      distance: away,
      receivedMs,
      expiresMs: Math.min(expiryOf(record), receivedMs + 1_000 * this.#keptSecondsMax(name)),
    })
    return { kind: 'stored' }
  }

  remove(key: DhtKey): void {
    this.#deps.storage.delete(key)
  }

  /** Notes that a peer provides what lies at `key`; without a sender, that this node does. */
  addProvider(key: DhtKey, sender?: Sender): void {
    const { storage, clock, self } = this.#deps
    const { peer, site } = sender ?? { peer: self.peer, site: null }
    const known = storage.providers(key)
    if (!known.some((provider) => provider.peer === peer)) {
      if (sender !== undefined) this.#checkProvider(key, sender)
      if (known.length >= this.#config.providersPerKeyMax) storage.dropProvider(key)
      else if (storage.providerCount() >= this.#config.providersMax) storage.dropProvider()
    }
    const expiresMs = clock.now() + 1_000 * this.#config.providerTtlSeconds
    storage.putProvider({ key, peer, site, expiresMs })
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

  /** What is stored, while it lives. */
  #live(stored: StoredRecord | undefined): Held | undefined {
    if (stored === undefined || !this.#lives(stored)) return undefined
    return { record: decodeRecord(stored.bytes), bytes: stored.bytes }
  }

  #lives({ expiresMs }: StoredRecord): boolean {
    return expiresMs > this.#deps.clock.now()
  }

  #keptSecondsMax({ publisher }: RecordName): number {
    return typeof publisher === 'string' ? this.#config.recordTtlSeconds : publisher.keptSecondsMax
  }

  /** Where the value says whose the record is, what it says must hold. */
  #checkProof({ publisher }: RecordName, record: DhtRecord): void {
    if (typeof publisher === 'string') return
    publisher.checkProof(record, { network: this.#rules.network, nowMs: this.#deps.clock.now() })
  }

  /** Whether there may be a place for the record: quotas, then whether its key is our concern. */
  #checkPlace(
    { key, publisher }: DhtRecord,
    size: number,
    { old, sender }: { old: StoredRecord | undefined; sender: Sender | undefined },
  ): void {
    const { storage, self, responsible } = this.#deps
    const wanting = { publisher, size, old }
    if (publisher !== self.peer) checkPublisherQuota(storage, this.#config, wanting)
    if (sender === undefined) return
    checkSenderQuotas(storage, this.#config, wanting, sender)
    // What lies here is replaced wherever it lies, for we would go on telling of the older one.
    if (old === undefined && !responsible(key)) throw DhtError.NOT_RESPONSIBLE({})
  }

  #checkProvider(key: DhtKey, { peer, site }: Sender): void {
    const { storage, responsible } = this.#deps
    const { providersPerPeerMax, providersPerSiteMax } = this.#config
    const records = storage.providerCountOf('peer', peer)
    if (records >= providersPerPeerMax) {
      throw DhtError.PUBLISHER_QUOTA({ publisher: peer, records, bytes: 0 })
    }
    const ofSite = site === null ? 0 : storage.providerCountOf('site', site)
    if (site !== null && ofSite >= providersPerSiteMax) {
      throw DhtError.SITE_QUOTA({ site, records: ofSite, bytes: 0 })
    }
    if (!responsible(key)) throw DhtError.NOT_RESPONSIBLE({})
  }

  #makeRoom(key: DhtKey, away: Uint8Array, size: number): void {
    const { storage, self, clock } = this.#deps
    const { recordsMax, bytesMax } = this.#config
    let swept = false
    for (;;) {
      // It may be the one that expires or is given up below.
      const old = storage.get(key)
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
  checkPublisher(name, record)
  return record
}
