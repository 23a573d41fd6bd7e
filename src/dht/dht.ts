/**
 * The DHT as the rooms above see it: put, get, provide, find.
 *
 * The rules lie in sans-I/O files (`table`, `lookup`, `records`); this one puts them together, and
 * keeps the node's place in the network: who comes into the table, what is looked at again, what
 * is renewed. Answers say who was asked and who did not answer, so that "nobody has it" and
 * "could not ask" stay apart.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, every, type Logger, type Random, type Service } from '../base/index.ts'
import { type PeerId, peerIdToBytes, type Signer } from '../identity/index.ts'
import type { CallOptions, Host, Protocol } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf } from './errors.ts'
import { Handler } from './handler.ts'
import { type Contact, contactOf } from './key.ts'
import { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import { dhtProtocol } from './protocol.ts'
import { type ProvideReport, Providers, type ProvidersReport } from './providers.ts'
import { Publications } from './publications.ts'
import { Questions } from './questions.ts'
import { Records } from './records.ts'
import { type Failure, Search, type TimedOptions } from './search.ts'
import type { RecordStorage } from './storage.ts'
import { parseRecordName } from './validators.ts'
import { type GetReport, type PutOptions, type PutReport, Values } from './values.ts'

/** Peers that come in numbers, as when a network forms, are looked around for together. */
const JOIN_PAUSE_MS = 1_000

export interface DhtDeps {
  readonly host: Pick<
    Host,
    | 'self'
    | 'events'
    | 'open'
    | 'handle'
    | 'addresses'
    | 'addressesOf'
    | 'learn'
    | 'connections'
    | 'protocolsOf'
  >
  readonly signer: Signer
  readonly policy: Policy
  readonly storage: RecordStorage
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: DhtMetrics
  readonly network: string
}

/** The peers closest to a key, and how sure that is. */
export interface ClosestReport {
  readonly closest: readonly PeerId[]
  readonly answered: readonly PeerId[]
  readonly failed: readonly Failure[]
  readonly complete: boolean
}

export class Dht implements Service {
  readonly name = 'dht'
  readonly #deps: DhtDeps
  readonly #config: DhtConfig
  readonly #protocol: Protocol
  readonly #self: Contact
  readonly #records: Records
  readonly #questions: Questions
  readonly #members: Members
  readonly #search: Search
  readonly #values: Values
  readonly #providers: Providers
  readonly #keptValues: Publications
  readonly #keptProviders: Publications
  readonly #handler: Handler
  readonly #life = new AbortController()
  #unsubscribe: (() => void) | undefined
  #upkeep: Promise<void> = Promise.resolve()
  #joining: Promise<void> | undefined
  #joinAgain = false
  #refreshedMs = Number.NEGATIVE_INFINITY

  constructor(deps: DhtDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
    this.#protocol = dhtProtocol(deps.network, config.protocol)
    this.#self = contactOf(deps.host.self)
    const self = this.#self
    const records = new Records({ ...deps, self }, config)
    const questions = new Questions(deps, config, this.#protocol)
    const members = new Members({ ...deps, self, questions }, config)
    const search = new Search({ ...deps, members, questions }, config)
    this.#records = records
    this.#questions = questions
    this.#members = members
    this.#search = search
    this.#values = new Values({ ...deps, records, members, questions, search }, config)
    this.#providers = new Providers({ ...deps, records, members, questions, search }, config)
    this.#handler = new Handler({ ...deps, records, members }, config)
    const valuesMs = Math.min(config.republishIntervalMs, 500 * config.recordTtlSeconds)
    const providersMs = Math.min(config.republishIntervalMs, 500 * config.providerTtlSeconds)
    const kept = { ...deps, self: deps.host.self }
    const { publishedMax } = config
    this.#keptValues = new Publications(kept, { publishedMax, intervalMs: valuesMs }, 'values')
    this.#keptProviders = new Publications(
      kept,
      { publishedMax, intervalMs: providersMs },
      'provided names',
    )
  }

  /** How many peers the routing table holds. */
  get peers(): number {
    return this.#members.size
  }

  /** How many values lie on this node. */
  get recordsStored(): number {
    return this.#records.count
  }

  /** Why the store takes no writes; null while it does. */
  get storeFailure(): string | null {
    return this.#deps.storage.failure
  }

  async start(): Promise<void> {
    const { host, clock, metrics } = this.#deps
    const { mode, maintenanceIntervalMs } = this.#config
    metrics.recordsStored.set(this.#records.count)
    this.#unsubscribe = host.events.on('identified', ({ peer, protocols }) =>
      this.#meet(peer, protocols),
    )
    // Who was connected before we listened.
    for (const { peer } of host.connections()) this.#meet(peer, await host.protocolsOf(peer))
    if (mode === 'server') {
      await host.handle(this.#protocol, (channel) => this.#handler.serve(channel))
    }
    const { signal } = this.#life
    this.#upkeep = every(clock, maintenanceIntervalMs, () => this.#maintain(), signal)
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#life.abort()
    this.#handler.stop()
    this.#values.stop()
    this.#members.stop()
    this.#questions.stop()
    await Promise.allSettled([this.#upkeep, this.#joining])
    this.#records.close()
  }

  /**
   * Stores `value` under `key`, which must lie in a namespace of ours (`/data/<our peer id>/…`).
   * Without `ttlSeconds` it is renewed until `withdraw` or the end of the node.
   */
  async put(key: string, value: Uint8Array, options: PutOptions = {}): Promise<PutReport> {
    const { ttlSeconds, ...call } = options
    if (ttlSeconds !== undefined) {
      this.#keptValues.drop(key)
      return this.#values.put(key, value, options)
    }
    const publish = (each: CallOptions) => this.#values.put(key, value, each)
    return this.#keptValues.keep(key, publish, call)
  }

  /** Stops renewing what `put` stored; copies at other peers expire within their ttl. */
  withdraw(key: string): void {
    this.#keptValues.drop(key)
    this.#records.remove(parseRecordName(key).key)
  }

  async get(key: string, options: TimedOptions = {}): Promise<GetReport> {
    return this.#values.get(key, options)
  }

  /** Announces this node as a provider of `name`, and again until `unprovide`. */
  async provide(name: string, options: CallOptions = {}): Promise<ProvideReport> {
    const publish = (each: CallOptions) => this.#providers.provide(name, each)
    return this.#keptProviders.keep(name, publish, options)
  }

  /** Stops announcing; rows at other peers expire within `providerTtlSeconds`. */
  unprovide(name: string): void {
    this.#keptProviders.drop(name)
    this.#providers.unprovide(name)
  }

  async findProviders(name: string, options: TimedOptions = {}): Promise<ProvidersReport> {
    return this.#providers.find(name, options)
  }

  /** The k peers closest to the place of `key`, which is hashed as the keys of messages are. */
  async closest(key: Uint8Array, options: CallOptions = {}): Promise<ClosestReport> {
    const report = await this.#search.run({ type: 'findNode', key }, options)
    return { ...report, closest: report.closest.map(({ peer }) => peer) }
  }

  /** Addresses of `peer`: those we know, else those the network does; empty if nobody told any. */
  async findPeer(peer: PeerId, options: CallOptions = {}): Promise<readonly string[]> {
    const { host } = this.#deps
    const known = await host.addressesOf(peer)
    if (known.length > 0) return known
    const told: { addresses: readonly string[]; source: PeerId }[] = []
    const key = peerIdToBytes(peer)
    await this.#search.run(
      { type: 'findNode', key },
      {
        ...options,
        onAnswer: (source, { closer = [] }) => {
          const info = closer.find((one) => one.peer === peer && one.addresses.length > 0)
          if (info !== undefined) told.push({ addresses: info.addresses, source })
          return told.length >= this.#config.readQuorum
        },
      },
    )
    for (const { addresses, source } of told) await host.learn(peer, addresses, source)
    return host.addressesOf(peer)
  }

  /** A peer said what it speaks; while the table is small, each new one may know our neighbours. */
  #meet(peer: PeerId, protocols: readonly string[]): void {
    const grew = this.#members.identified(peer, protocols.includes(this.#protocol.id))
    if (grew && this.#members.size <= this.#config.k) this.#join()
  }

  /** Looks for ourselves, so that our neighbours and we know each other; one at a time. */
  #join(): void {
    this.#joinAgain = true
    this.#joining ??= this.#lookAround().finally(() => {
      this.#joining = undefined
    })
  }

  async #lookAround(): Promise<void> {
    const { signal } = this.#life
    while (this.#joinAgain && !signal.aborted) {
      this.#joinAgain = false
      await this.#lookFor(peerIdToBytes(this.#deps.host.self))
      await this.#deps.clock.sleep(JOIN_PAUSE_MS, signal).catch(() => undefined)
    }
  }

  async #maintain(): Promise<void> {
    const { clock, log, metrics } = this.#deps
    const { signal } = this.#life
    try {
      this.#records.sweep()
    } catch (error) {
      log.error('store could not be swept', { error })
    }
    metrics.recordsStored.set(this.#records.count)
    if (this.#members.size === 0) return
    if (clock.now() - this.#refreshedMs >= this.#config.refreshIntervalMs) {
      this.#refreshedMs = clock.now()
      this.#join()
      for (const key of this.#members.refreshKeys()) await this.#lookFor(key)
    }
    await this.#keptValues.renewDue({ signal })
    await this.#keptProviders.renewDue({ signal })
  }

  async #lookFor(key: Uint8Array): Promise<void> {
    try {
      await this.#search.run({ type: 'findNode', key }, { signal: this.#life.signal })
    } catch (error) {
      if (this.#life.signal.aborted) return
      this.#deps.log.warn('lookup failed', { code: codeOf(error) })
    }
  }
}
