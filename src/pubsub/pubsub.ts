/**
 * Topics: telling everybody who listens. Each message is checked by its topic's rules, ours before
 * it leaves and others' before it is delivered or passed on.
 *
 * Publishing is handing a message to the peers that subscribe; nobody says that it arrived. What
 * must arrive needs a receipt, and that is not the concern of this room.
 */

import {
  type Clock,
  every,
  hasCode,
  type Logger,
  type Random,
  type Service,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Admission, Checks } from './checks.ts'
import type { Codec } from './codec.ts'
import type { PubsubConfig } from './config.ts'
import { PubsubError, reasonOf } from './errors.ts'
import type { Router } from './gossip.ts'
import type { PubsubMetrics } from './metrics.ts'
import {
  checkOption,
  definedIn,
  type PublishOptions,
  QUEUE_BYTES_MAX,
  QUEUE_MAX,
  type SubscribeOptions,
  WAIT_MS_MAX,
} from './options.ts'
import { awaitPeers } from './patience.ts'
import { type Asking, Repair } from './repair.ts'
import { COUNTED_BYTES_MAX } from './repair-protocol.ts'
import type { ReplayFile } from './replay-file.ts'
import { ReplayGuard } from './replay-guard.ts'
import { Sequence } from './sequence.ts'
import { type Message, Subscription } from './subscription.ts'
import { isBare, readBy, type Topic, type TopicRules, Topics } from './topics.ts'

export interface PubsubDeps {
  readonly gossip: Router
  readonly policy: Admission
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: PubsubMetrics
  /** How values become bytes where a topic has no codec of its own; CBOR unless given. */
  readonly codec?: Codec | undefined
  /** Keeps the last numbers of authors across a restart; without it they are forgotten. */
  readonly replays?: Pick<ReplayFile, 'load' | 'save'> | undefined
  /** How missing messages are asked for; without it topics with repair only count them. */
  readonly asking?: Asking | undefined
}

/** What became of a message of ours. */
export interface Published {
  readonly topic: string
  /**
   * To how many the message was handed: all we are connected to that subscribe. They hand it on;
   * nobody says that it arrived.
   */
  readonly peers: number
  /** How many peers of our mesh were there for the topic; 0 unless we subscribe to it ourselves. */
  readonly mesh: number
  readonly state: 'sent' | 'nobody-listens'
}

/** One topic as it stands. */
export interface TopicState {
  readonly topic: string
  /** Peers we are connected to that subscribe. */
  readonly peers: number
  readonly subscribed: boolean
}

/** What a run that is cut off may have heard since its file was written. */
const SAVE_MS = 5_000

export class Pubsub implements Service {
  readonly name = 'pubsub'
  readonly #deps: PubsubDeps
  readonly #config: PubsubConfig
  readonly #topics: Topics
  readonly #replays: ReplayGuard
  readonly #sequence: Sequence
  readonly #repair: Repair
  readonly #stopped = new AbortController()
  #saving: Promise<void> = Promise.resolve()

  constructor(deps: PubsubDeps, config: PubsubConfig) {
    const { gossip, network, codec } = deps
    this.#deps = deps
    this.#config = config
    const defaults = { bytesMax: config.messageBytesMax, codec }
    this.#topics = new Topics(network, defaults, (wire) => gossip.learn(wire))
    this.#replays = new ReplayGuard(config)
    this.#sequence = new Sequence(deps.clock)
    const topics = this.#topics
    this.#repair = new Repair({ ...deps, asking: deps.asking, topics }, config)
    const parts = { topics, replays: this.#replays, repair: this.#repair }
    const checks = new Checks({ ...deps, ...parts, self: () => gossip.self }, config)
    gossip.onMessage((message) => this.#repair.keep(message))
    gossip.guard({
      admits: (source, wire, bytes) => checks.admits(source, wire, bytes),
      judge: (source, wire, message) => checks.judge(source, wire, message),
      knows: (wire) => this.#topics.onWire(wire) !== undefined,
    })
  }

  /** The router was started with the host; what an earlier run heard is read before topics are. */
  async start(): Promise<void> {
    const { replays, clock, log } = this.#deps
    if (replays === undefined) return
    await replays.load(this.#replays, this.#sequence)
    const save = () => replays.save(this.#replays, this.#sequence, false)
    this.#saving = every(clock, SAVE_MS, save, this.#stopped.signal).catch((error: unknown) => {
      log.error('numbers of messages no longer written', { error })
    })
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return
    this.#stopped.abort()
    this.#repair.stop()
    for (const { readers } of this.#topics.all()) {
      for (const reader of [...readers]) reader.end()
    }
    // One that is under way would put its older file over the last.
    await this.#saving
    await this.#deps.replays?.save(this.#replays, this.#sequence, true)
  }

  /** Sets what a topic carries, from now on; the same rules again change nothing. */
  topic<T>(name: string, rules: TopicRules<T> = {}): void {
    this.#topics.define(name, rules)
  }

  /** Resolves when the message is handed to those who listen, or says that nobody does. */
  async publish(topic: string, value: unknown, options: PublishOptions = {}): Promise<Published> {
    const { gossip, metrics } = this.#deps
    const { signal, waitForPeersMs = 0, waitForMeshMs = 0 } = options
    signal?.throwIfAborted()
    const { wire, rules } = this.#use(topic)
    for (const [rule, found] of Object.entries({ waitForPeersMs, waitForMeshMs })) {
      checkOption(topic, { rule, found, min: 0, max: WAIT_MS_MAX })
    }
    const data = this.#encoded(topic, value, rules)
    const stopped = this.#stopped.signal
    const listened = () => gossip.listeners(wire) > 0
    await awaitPeers(listened, this.#deps, { ms: waitForPeersMs, signal, stopped })
    const meshed = () => this.#isMeshed(wire)
    await awaitPeers(meshed, this.#deps, { ms: waitForMeshMs, signal, stopped })
    // It may have been stopped in the meantime.
    if (!this.#isUp) throw PubsubError.NOT_RUNNING({ topic })
    // With nobody there the message must not wait in a cache and turn up later after all.
    const peers = listened() ? await this.#handOut(topic, { wire, rules }, data) : 0
    const mesh = gossip.mesh(wire).length
    metrics.published.add(1, { outcome: peers > 0 ? 'sent' : 'nobody_listens' })
    return { topic, peers, mesh, state: peers > 0 ? 'sent' : 'nobody-listens' }
  }

  /** Joins at once; messages wait in the queue until the iterator is read. */
  subscribe<T>(
    topic: string,
    options: SubscribeOptions = {},
  ): AsyncIterable<Message<T>> & AsyncDisposable {
    const { signal } = options
    const { queueMax, queueBytesMax } = { ...this.#config, ...definedIn(options) }
    signal?.throwIfAborted()
    const used = this.#use(topic)
    checkOption(topic, { rule: 'queueMax', found: queueMax, min: 1, max: QUEUE_MAX })
    const bytes = { rule: 'queueBytesMax', found: queueBytesMax, min: 1, max: QUEUE_BYTES_MAX }
    checkOption(topic, bytes)
    const { metrics } = this.#deps
    const end = () => reader.end()
    const reader = new Subscription<unknown>({
      queueMax,
      queueBytesMax,
      dropped: () => metrics.dropped.add(1),
      left: () => {
        signal?.removeEventListener('abort', end)
        this.#leave(used, reader)
      },
    })
    if (used.readers.size === 0) this.#join(used)
    used.readers.add(reader)
    signal?.addEventListener('abort', end, { once: true })
    // What T is, the topic's schema has decided.
    return reader as unknown as Subscription<T>
  }

  /** The topics we know. */
  topics(): readonly TopicState[] {
    return this.#topics.all().map(({ name, wire, readers }) => ({
      topic: name,
      peers: this.#deps.gossip.listeners(wire),
      subscribed: readers.size > 0,
    }))
  }

  /** Peers that hand us each message of a topic; none unless we subscribe to it. */
  mesh(topic: string): readonly PeerId[] {
    const known = this.#topics.all().find(({ name }) => name === topic)
    return known === undefined ? [] : this.#deps.gossip.mesh(known.wire)
  }

  /** Calls back when listeners or meshes may have changed; the function returned ends it. */
  onChange(changed: () => void): () => void {
    return this.#deps.gossip.onChange(changed)
  }

  /**
   * Holds something against a peer that it did outside of topics, or in what only its reader can
   * judge: `points` go away one a second, `max` is the most that this comes to. From the first on a
   * peer is in no mesh, with more than 15 it is told nothing, with more than 80 it is not heard.
   */
  blame(peer: PeerId, points: number, max = points): void {
    this.#deps.gossip.blame(peer, points, max)
  }

  #use(topic: string): Topic {
    if (!this.#isUp) throw PubsubError.NOT_RUNNING({ topic })
    return this.#topics.use(topic)
  }

  get #isUp(): boolean {
    return !this.#stopped.signal.aborted && this.#deps.gossip.isUp
  }

  #join({ name, wire }: Topic): void {
    const limit = this.#config.topicsPerPeerMax
    const joined = this.#topics.all().filter(({ readers }) => readers.size > 0).length
    // Peers would not note one more.
    if (joined >= limit)
      throw PubsubError.TOPICS_EXHAUSTED({ topic: name, limit, of: 'subscribed' })
    this.#deps.gossip.join(wire)
    this.#repair.listen(wire)
  }

  #leave({ wire, readers }: Topic, reader: Subscription<unknown>): void {
    readers.delete(reader)
    if (readers.size > 0) return
    this.#deps.gossip.leave(wire)
    this.#repair.forget(wire)
  }

  /** Enough of those who listen are in our mesh; without one of ours, that anybody listens. */
  #isMeshed(wire: string): boolean {
    const { gossip } = this.#deps
    const listeners = gossip.listeners(wire)
    const isRead = (this.#topics.onWire(wire)?.readers.size ?? 0) > 0
    if (!isRead) return listeners > 0
    const wanted = Math.max(1, Math.min(this.#config.meshPeersMin, listeners))
    return gossip.mesh(wire).length >= wanted
  }

  /** The bytes of `value`, after everything that its receivers will ask of them. */
  #encoded(topic: string, value: unknown, rules: Topic['rules']): Uint8Array {
    const { codec, bytesMax } = rules
    const { metrics } = this.#deps
    try {
      const data: unknown = codec.encode(value)
      if (!(data instanceof Uint8Array)) throw PubsubError.CODEC_INVALID({ found: typeof data })
      const size = data.length + (rules.repair === undefined ? 0 : COUNTED_BYTES_MAX)
      if (size > bytesMax) throw PubsubError.TOO_LARGE({ topic, size, limit: bytesMax })
      readBy(rules, codec.decode(data))
      return data
    } catch (cause) {
      metrics.published.add(1, { outcome: 'refused' })
      if (hasCode(cause, 'PUBSUB_TOO_LARGE')) throw cause
      throw PubsubError.VALUE_REFUSED({ topic, reason: reasonOf(cause) }, cause)
    }
  }

  async #handOut(
    topic: string,
    { wire, rules }: Pick<Topic, 'wire' | 'rules'>,
    data: Uint8Array,
  ): Promise<number> {
    const isCounted = rules.repair !== undefined && !isBare(rules, data)
    const said = isCounted ? this.#repair.seal(wire, data) : data
    try {
      return await this.#deps.gossip.publish(wire, said, this.#sequence.next())
    } catch (cause) {
      throw PubsubError.PUBLISH_FAILED({ topic, reason: reasonOf(cause) }, cause)
    }
  }
}
