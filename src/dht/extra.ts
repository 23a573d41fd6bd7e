/**
 * Another network's DHT, such as `/ipfs/kad/1.0.0`, in which this node is a client.
 *
 * It has a table of its own, for the peers of one DHT are strangers in the other, and shares with
 * ours what asking takes: lookups over disjoint paths, on streams. Nothing is stored there and
 * nothing for it here: others' records follow rules that we cannot check. Nobody is told of us, so
 * nobody there asks us anything. Whom to ask first come from the peers that the node is connected
 * to: name one of that network among the first peers.
 */

import { type Clock, every, type Logger, type Random, type Service } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, DhtError } from './errors.ts'
import { type Gathered, gatherAddresses, gatherProviders } from './gather.ts'
import { contactOf } from './key.ts'
import { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import { dhtProtocol } from './protocol.ts'
import { Questions } from './questions.ts'
import { type Failure, Search, type TimedOptions } from './search.ts'
import { NAME_BYTES_MAX } from './validators.ts'

export interface ExtraDhtDeps {
  readonly host: Pick<
    Host,
    | 'self'
    | 'events'
    | 'open'
    | 'addresses'
    | 'addressesOf'
    | 'learn'
    | 'connections'
    | 'protocolsOf'
  >
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: DhtMetrics
}

/** What a client may ask of a DHT that is not ours. */
export interface OtherDht {
  readonly protocol: string
  /** How many of its peers are known; with none nothing can be asked. */
  readonly peers: number
  /** Addresses of a peer; empty if nobody told any. */
  findPeer(peer: PeerId, options?: CallOptions): Promise<readonly string[]>
  /** The k peers closest to the place of `key`, which is hashed as the keys of messages are. */
  closest(key: Uint8Array, options?: CallOptions): Promise<OtherClosest>
  /** Who provides a content: its CID's multihash is what providers are noted under. */
  findProviders(multihash: Uint8Array, options?: TimedOptions): Promise<OtherProviders>
}

/** The peers closest to a key in another DHT, and how sure that is. */
export interface OtherClosest {
  readonly closest: readonly PeerId[]
  readonly answered: readonly PeerId[]
  readonly failed: readonly Failure[]
  readonly complete: boolean
}

/** Who provides a content there: "nobody" needs `complete`, and `failed` to be empty. */
export type OtherProviders = Pick<Gathered, 'providers' | 'answered' | 'failed' | 'complete'>

export class ExtraDht implements OtherDht, Service {
  readonly name: string
  readonly protocol: string
  readonly #deps: ExtraDhtDeps
  readonly #config: DhtConfig
  readonly #questions: Questions
  readonly #members: Members
  readonly #search: Search
  readonly #life = new AbortController()
  #unsubscribe: (() => void) | undefined
  #upkeep: Promise<void> = Promise.resolve()
  #met = false
  #refreshedMs = Number.NEGATIVE_INFINITY

  constructor(protocol: string, deps: ExtraDhtDeps, config: DhtConfig) {
    this.name = `dht ${protocol}`
    this.protocol = protocol
    this.#deps = deps
    this.#config = config
    const self = contactOf(deps.host.self)
    // The gauge tells of our own table.
    const metrics = { ...deps.metrics, tablePeers: { set: () => undefined } }
    // Without a datagram face: it belongs to our network.
    const { host, clock } = deps
    const questions = new Questions({ host, clock, metrics }, config, dhtProtocol('', protocol))
    const members = new Members({ ...deps, metrics, self, questions }, config)
    this.#questions = questions
    this.#members = members
    this.#search = new Search({ ...deps, members, questions }, config)
  }

  get peers(): number {
    return this.#members.size
  }

  async start(): Promise<void> {
    const { host, clock } = this.#deps
    this.#unsubscribe = host.events.on('identified', ({ peer, protocols }) =>
      this.#meet(peer, protocols),
    )
    for (const { peer } of host.connections()) this.#meet(peer, await host.protocolsOf(peer))
    const { maintenanceIntervalMs } = this.#config
    this.#upkeep = every(clock, maintenanceIntervalMs, () => this.#maintain(), this.#life.signal)
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#life.abort()
    this.#members.stop()
    this.#questions.stop()
    await this.#upkeep
  }

  findPeer(peer: PeerId, options: CallOptions = {}): Promise<readonly string[]> {
    return gatherAddresses(this.#gathering, peer, this.#config.readQuorum, options)
  }

  async closest(key: Uint8Array, options: CallOptions = {}): Promise<OtherClosest> {
    const report = await this.#search.run({ type: 'findNode', key }, options)
    const { answered, failed, complete } = report
    return { closest: report.closest.map(({ peer }) => peer), answered, failed, complete }
  }

  async findProviders(multihash: Uint8Array, options: TimedOptions = {}): Promise<OtherProviders> {
    if (multihash.length === 0 || multihash.length > NAME_BYTES_MAX) {
      const reason = `a multihash has 1 to ${NAME_BYTES_MAX} bytes`
      throw DhtError.KEY_INVALID({ key: `${multihash.length} bytes`, reason })
    }
    const found = await gatherProviders(this.#gathering, multihash, [], options)
    const { providers, answered, failed, complete } = found
    return { providers, answered, failed, complete }
  }

  get #gathering() {
    const { host } = this.#deps
    return { self: host.self, host, questions: this.#questions, search: this.#search }
  }

  #meet(peer: PeerId, protocols: readonly string[]): void {
    if (this.#members.identified(peer, protocols.includes(this.protocol))) this.#met = true
  }

  /** Fills the table while few are known, and looks at all of it now and then. */
  async #maintain(): Promise<void> {
    if (this.#members.size === 0) return
    const { clock } = this.#deps
    const { refreshIntervalMs, k } = this.#config
    const due = clock.now() - this.#refreshedMs >= refreshIntervalMs
    if (!due && !(this.#met && this.#members.size <= k)) return
    this.#met = false
    await this.#lookFor(peerIdToBytes(this.#deps.host.self))
    if (!due) return
    this.#refreshedMs = clock.now()
    for (const key of this.#members.refreshKeys(refreshIntervalMs)) await this.#lookFor(key)
  }

  async #lookFor(key: Uint8Array): Promise<void> {
    const { signal } = this.#life
    try {
      await this.#search.run({ type: 'findNode', key }, { signal })
    } catch (error) {
      if (signal.aborted) return
      this.#deps.log.warn('lookup failed', { protocol: this.protocol, code: codeOf(error) })
    }
  }
}
