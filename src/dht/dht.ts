/**
 * The DHT as the rooms above see it: put, get, provide, find.
 *
 * The rules lie in sans-I/O files (`table`, `lookup`, `records`); this one puts them together, and
 * keeps the node's place in the network: who comes into the table, what is looked at again, what
 * is renewed. Answers say who was asked and who did not answer, so that "nobody has it" and
 * "could not ask" stay apart.
 */

import { every, type Service, startAll, stopAll } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Facility, Protocol } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { DatagramFace } from './datagram-face.ts'
import type { DhtDeps } from './dht-deps.ts'
import { DhtError } from './errors.ts'
import { ExtraDht, type OtherDht } from './extra.ts'
import { type FindPeerOptions, gatherAddresses } from './gather.ts'
import { Handler } from './handler.ts'
import { type Contact, contactOf, type DhtKey } from './key.ts'
import { Meeting } from './meeting.ts'
import { Members } from './members.ts'
import { dhtProtocol } from './protocol.ts'
import { type ProvideReport, Providers, type ProvidersReport } from './providers.ts'
import { Publications } from './publications.ts'
import { Questions } from './questions.ts'
import { Records } from './records.ts'
import { type Failure, Search, type TimedOptions } from './search.ts'
import { siteOf } from './site.ts'
import { bucketsOf, type TableBucket } from './table-report.ts'
import { Upkeep } from './upkeep.ts'
import { parseRecordName } from './validators.ts'
import type { GetReport, PutOptions, PutReport } from './value-reports.ts'
import { Values } from './values.ts'
import type { Message } from './wire.ts'

/** The peers closest to a key, and how sure that is. */
export interface ClosestReport {
  readonly closest: readonly PeerId[]
  readonly answered: readonly PeerId[]
  readonly failed: readonly Failure[]
  readonly complete: boolean
  /** How many answers led to the closest, and how many questions were sent in all. */
  readonly hops: number
  readonly questions: number
}

export class Dht implements Service {
  readonly name = 'dht'
  readonly #deps: DhtDeps
  readonly #config: DhtConfig
  readonly #protocol: Protocol
  readonly #self: Contact
  readonly #records: Records
  readonly #questions: Questions
  readonly #face: DatagramFace | undefined
  readonly #members: Members
  readonly #search: Search
  readonly #upkeep: Upkeep
  readonly #meeting: Meeting
  readonly #values: Values
  readonly #providers: Providers
  readonly #keptValues: Publications
  readonly #keptProviders: Publications
  readonly #handler: Handler
  readonly #extras: readonly ExtraDht[]
  readonly #life = new AbortController()
  #unsubscribe: (() => void) | undefined
  #maintaining: Promise<void> = Promise.resolve()

  constructor(deps: DhtDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
    this.#protocol = dhtProtocol(deps.network, config.protocol)
    this.#self = contactOf(deps.host.self)
    const self = this.#self
    const face = this.#faceOf(deps)
    const questions = new Questions({ ...deps, face }, config, this.#protocol)
    this.#face = face
    const members = new Members({ ...deps, self, questions }, config)
    // Twice as many as are written to: tables differ, peers come and go, and made-up ones push in.
    const responsible = (key: DhtKey) =>
      members.selfAmong(key, 2 * config.k) || members.density.within(key, self.key, 2 * config.k)
    const records = new Records({ ...deps, self, responsible }, config)
    const search = new Search({ ...deps, members, questions }, config)
    this.#records = records
    this.#questions = questions
    this.#members = members
    this.#search = search
    const upkeep = new Upkeep({ ...deps, self: deps.host.self, members, search }, config)
    this.#upkeep = upkeep
    const meeting = { self: self.peer, protocol: this.#protocol.id, questions, members, upkeep }
    this.#meeting = new Meeting(meeting)
    this.#values = new Values({ ...deps, records, members, questions, search }, config)
    this.#providers = new Providers({ ...deps, records, members, questions, search }, config)
    const site = (peer: PeerId) => siteOf(questions.hostOf(peer))
    this.#handler = new Handler(
      { ...deps, book: questions, siteOf: site, records, members },
      config,
    )
    this.#extras = config.extraProtocols.map((protocol) => new ExtraDht(protocol, deps, config))
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

  /** Who the routing table holds, for whoever looks into a node. */
  get buckets(): readonly TableBucket[] {
    return bucketsOf(this.#self, this.#members)
  }

  /** Whether questions and answers also go as datagrams, and why not if they do not. */
  get datagrams(): Facility {
    return this.#face?.state ?? { state: 'off' }
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
    await this.#face?.start()
    this.#unsubscribe = host.events.on('identified', ({ peer, protocols }) => {
      this.#members.coming(this.#meeting.identified(peer, protocols))
    })
    // Who was connected before we listened.
    for (const { peer } of host.connections()) {
      this.#members.coming(this.#meeting.identified(peer, await host.protocolsOf(peer)))
    }
    if (mode === 'server') {
      await host.handle(this.#protocol, (channel) => this.#handler.serve(channel))
    }
    await startAll(this.#extras)
    const { signal } = this.#life
    this.#maintaining = every(clock, maintenanceIntervalMs, () => this.#maintain(), signal)
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#life.abort()
    this.#handler.stop()
    this.#values.stop()
    this.#meeting.stop()
    this.#members.stop()
    this.#questions.stop()
    this.#face?.stop()
    await Promise.allSettled([this.#maintaining, this.#upkeep.stop(), stopAll(this.#extras)])
    this.#records.close()
  }

  /**
   * Comes into the network over a peer that takes datagrams at `address`, which ends in its id
   * (`/ip4/192.0.2.1/udp/9000/p2p/…`); no connection is made. Rejects if it does not answer.
   */
  async join(address: string, options: CallOptions = {}): Promise<void> {
    if (this.datagrams.state !== 'active') {
      throw DhtError.NO_DATAGRAMS({ reason: `they are ${this.datagrams.state}` })
    }
    await this.#meeting.join(address, options)
  }

  /** Where this node itself takes datagrams, as `join` of another wants it; empty if nowhere. */
  datagramAddresses(): readonly string[] {
    const { self } = this.#deps.host
    return (this.#face?.addresses() ?? []).map((address) => `${address}/p2p/${self}`)
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
  async findPeer(peer: PeerId, options: FindPeerOptions = {}): Promise<readonly string[]> {
    const { host } = this.#deps
    const gathering = { self: host.self, host, questions: this.#questions, search: this.#search }
    await this.#questions.learnStreams(peer)
    const found = await gatherAddresses(gathering, peer, this.#config.readQuorum, options)
    // The search may have asked the peer itself, by datagram: by now it has spoken to us.
    if (found.length === 0 || options.afresh) await this.#questions.learnStreams(peer)
    return host.addressesOf(peer)
  }

  /** The DHT of another network that this node joined as a client (`dht.extra_protocols`). */
  extra(protocol: string): OtherDht {
    const found = this.#extras.find((extra) => extra.protocol === protocol)
    if (found !== undefined) return found
    throw DhtError.PROTOCOL_UNKNOWN({ protocol, known: this.#config.extraProtocols })
  }

  #faceOf(deps: DhtDeps): DatagramFace | undefined {
    const { datagrams, host } = deps
    if (datagrams === undefined || !this.#config.datagrams) return undefined
    // A peer that asks by datagram is met as one that a connection identified.
    const spoke = (peer: PeerId, serves: boolean) => this.#meeting.spoke(peer, serves)
    const answer = (peer: PeerId, messages: Iterable<Message>) =>
      this.#handler.answerMessages(peer, messages)
    return new DatagramFace({ ...deps, ...datagrams, host, answer, spoke }, this.#config)
  }

  async #maintain(): Promise<void> {
    const { log, metrics } = this.#deps
    const { signal } = this.#life
    try {
      this.#records.sweep()
    } catch (error) {
      log.error('store could not be swept', { error })
    }
    metrics.recordsStored.set(this.#records.count)
    if (this.#members.size === 0) return
    await this.#upkeep.maintain()
    await this.#keptValues.renewDue({ signal })
    await this.#keptProviders.renewDue({ signal })
  }
}
