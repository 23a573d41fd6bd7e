/**
 * Ethereum address → peer: keeps this node's own record written in the DHT, and finds others'.
 *
 * One loop does the writing: once there is a first peer, and again well before the record expires
 * or its newest pre-key does. When the node stops, the record stays until it expires, for who
 * writes to an agent that is away needs its pre-keys; that it left is said on the topic.
 */

import {
  backoffMs,
  type Clock,
  Emitter,
  either,
  type Logger,
  type Random,
  type Service,
} from '../base/index.ts'
import { type Dht, ethRecordKey, openEthValue } from '../dht/index.ts'
import type { Binding, EthAddress, PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import { AgentError } from './errors.ts'
import { type KnownAgent, KnownAgents } from './known-agents.ts'
import type { PresenceMetrics } from './metrics.ts'
import type { VerifiedNotice } from './notice.ts'
import type { OwnRecord } from './own-record.ts'

/** Where an agent is, by its own record. */
export interface FoundAgent extends KnownAgent {
  /** Multiaddrs; empty where nobody told any. */
  readonly addresses: readonly string[]
}

export interface PresenceDeps {
  /** Null where the node has no DHT: then who was heard on the topic is found, and nobody else. */
  readonly dht: Pick<Dht, 'put' | 'get'> | null
  readonly host: Pick<Host, 'self' | 'addresses' | 'connections'> & {
    readonly events: Pick<Host['events'], 'on'>
  }
  /** Where a peer is reached. */
  readonly addressesOf: (peer: PeerId, options: CallOptions) => Promise<readonly string[]>
  readonly own: Pick<OwnRecord, 'current' | 'renew' | 'latest'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: PresenceMetrics
  readonly network: string
}

/** An address speaks through another peer from now on, by a binding with a higher version. */
export interface MoveEvents {
  readonly moved: KnownAgent
}

export interface PresenceConfig {
  readonly ttlSeconds: number
  readonly intervalMs: number
}

/** What was read of a record in the DHT, or why it was not. */
interface Read {
  readonly report: Awaited<ReturnType<Dht['get']>> | undefined
  readonly cause: unknown
}

/** The first peer brings others with it; a write before that reaches too few. */
const SETTLE_MS = 1_000
/** The pauses while too few hold it; doubled until the regular interval is reached. */
const SHORT_MS = 15_000
const PUBLISH_TIMEOUT_MS = 30_000

export class Presence implements Service {
  readonly name = 'presence'
  readonly events: Emitter<MoveEvents>
  readonly #deps: PresenceDeps
  readonly #config: PresenceConfig
  readonly #known: KnownAgents
  readonly #life = new AbortController()
  #unsubscribe: (() => void) | undefined
  #running: Promise<void> = Promise.resolve()
  #nap = new AbortController()
  #dueMs = Number.POSITIVE_INFINITY
  /** Writes in a row that too few peers took. */
  #short = 0

  constructor(deps: PresenceDeps, config: PresenceConfig) {
    this.#deps = deps
    this.#config = config
    const { clock, network, log } = deps
    this.events = new Emitter((error) => log.error('listener failed', { error }))
    this.#known = new KnownAgents(clock, network, (agent) => {
      const { peer, binding } = agent
      log.info('address speaks through another peer', { address: binding.address, peer })
      this.events.emit('moved', agent)
    })
  }

  async start(): Promise<void> {
    const { host, own, dht } = this.#deps
    await own.current()
    if (dht === null) return
    this.#unsubscribe = host.events.on('identified', () => this.#hasPeer())
    if (host.connections().length > 0) this.#hasPeer()
    this.#running = this.#run(dht)
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.()
    this.#life.abort()
    await this.#running
  }

  /**
   * Who speaks for `address` and where; `undefined` where everybody was asked and nobody knows.
   * Throws `AGENT_RECORD_UNCERTAIN` where somebody who may know was not asked, or did not answer.
   */
  async find(address: EthAddress, options: CallOptions = {}): Promise<FoundAgent | undefined> {
    const { own, host, metrics } = this.#deps
    const said = await own.current()
    if (said.binding.address === address) {
      metrics.lookups.add(1, { outcome: 'own' })
      const { binding, preKeys } = said
      return { peer: host.self, binding, preKeys, addresses: host.addresses() }
    }
    const fresh = this.#known.fresh(address)
    const agent = fresh ?? (await this.#look(address, options))
    if (fresh !== undefined) metrics.lookups.add(1, { outcome: 'known' })
    if (agent === undefined) return undefined
    return { ...agent, addresses: await this.#deps.addressesOf(agent.peer, options) }
  }

  /** As envelopes carry it; there from the start on. */
  binding(): Uint8Array | undefined {
    return this.#deps.own.latest?.bindingBytes
  }

  /** The binding with the highest version that was seen of an address; nobody is asked. */
  newest(address: EthAddress): Binding | undefined {
    return this.#known.newest(address)
  }

  /** The next `find` asks the network: what was known of the address turned out to be wrong. */
  forget(address: EthAddress): void {
    this.#known.forget(address)
  }

  /** An agent told who it is on a topic; its record serves as if it had been read. */
  heard({ record }: Pick<VerifiedNotice, 'record'>): void {
    // On node-status there are no keys, and none would be known instead of those that were.
    if (record.preKeys.length > 0) this.#known.note(record)
    else this.#known.noteMove(record)
  }

  async #look(address: EthAddress, options: CallOptions): Promise<KnownAgent | undefined> {
    const read = await this.#read(address, options)
    const found = this.#opened(address, read.report?.value ?? null)
    const agent = found ?? this.#known.stale(address)
    const uncertain = agent === undefined ? this.#uncertain(address, read) : undefined
    const missing = uncertain === undefined ? 'nobody' : 'uncertain'
    const outcome = found !== undefined ? 'found' : agent !== undefined ? 'stale' : missing
    this.#deps.metrics.lookups.add(1, { outcome })
    if (uncertain !== undefined) throw uncertain
    return agent
  }

  /** What the DHT says, or why it says nothing; neither without a DHT. */
  async #read(address: EthAddress, options: CallOptions): Promise<Read> {
    const { dht, log } = this.#deps
    try {
      return { report: await dht?.get(ethRecordKey(address), options), cause: undefined }
    } catch (cause) {
      options.signal?.throwIfAborted()
      log.debug('record of an agent not read', { address, error: cause })
      return { report: undefined, cause }
    }
  }

  #opened(address: EthAddress, value: Uint8Array | null): KnownAgent | undefined {
    const { network, clock, log } = this.#deps
    if (value === null) return undefined
    try {
      const record = openEthValue(value, { network, nowMs: clock.now() })
      // A DHT that was brought by a program may not have looked at what it hands out.
      return record.binding.address === address ? this.#known.note(record) : undefined
    } catch (error) {
      log.debug('record of an agent does not hold', { address, error })
      return undefined
    }
  }

  /** "Nobody has it" and "could not ask everybody" are two different answers. */
  #uncertain(address: EthAddress, { report, cause }: Read): Error | undefined {
    const { self } = this.#deps.host
    const { answered = [], failed = [], complete = false } = report ?? {}
    if (complete && failed.length === 0) return undefined
    const others = answered.filter((peer) => peer !== self)
    const facts = { address, answered: others.length, failed: failed.length }
    return AgentError.RECORD_UNCERTAIN(facts, cause)
  }

  /** Nothing was written yet, or there was nobody to write it to. */
  #hasPeer(): void {
    if (this.#dueMs !== Number.POSITIVE_INFINITY) return
    this.#dueMs = this.#deps.clock.now() + SETTLE_MS
    this.#nap.abort()
  }

  async #run(dht: NonNullable<PresenceDeps['dht']>): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#life
    while (!signal.aborted) {
      this.#nap = new AbortController()
      const leftMs = this.#dueMs - clock.now()
      if (leftMs <= 0) {
        await this.#write(dht)
        continue
      }
      using woken = either(signal, this.#nap.signal)
      // Being woken is as good as having slept.
      await clock.sleep(leftMs, woken.signal).catch(() => undefined)
    }
  }

  async #write(dht: NonNullable<PresenceDeps['dht']>): Promise<void> {
    const { clock, host, log, metrics } = this.#deps
    if (host.connections().length === 0) {
      this.#dueMs = Number.POSITIVE_INFINITY
      return
    }
    let outcome = 'failed'
    try {
      const { stored, wanted } = await this.#publish(dht)
      outcome = stored.length < wanted ? 'short' : 'stored'
    } catch (error) {
      if (this.#life.signal.aborted) return
      log.warn('own record not published', { error })
    }
    metrics.published.add(1, { outcome })
    this.#short = outcome === 'stored' ? 0 : this.#short + 1
    this.#dueMs = clock.now() + this.#pauseMs()
  }

  /** Reads what lies there first: the address may have spoken through another peer since. */
  async #publish(dht: NonNullable<PresenceDeps['dht']>) {
    const { clock, own, network } = this.#deps
    const { ttlSeconds } = this.#config
    using deadline = clock.deadline(PUBLISH_TIMEOUT_MS, this.#life.signal)
    const { signal } = deadline
    const { address } = (await own.current()).binding
    const key = ethRecordKey(address)
    const { value } = await dht.get(key, { signal })
    const at = { network, nowMs: clock.now() }
    const before = value === null ? 0 : openEthValue(value, at).binding.version
    const { value: said, binding } = await own.renew(before)
    return await dht.put(key, said, { ttlSeconds, version: binding.version, signal })
  }

  /** The whole of the interval but for a tenth, by chance, so that nodes do not write together. */
  #pauseMs(): number {
    const { random } = this.#deps
    const { intervalMs: maxMs } = this.#config
    if (this.#short === 0) return maxMs - random.int(Math.ceil(maxMs / 10))
    return backoffMs(this.#short - 1, { firstMs: SHORT_MS, maxMs }, random)
  }
}
