/**
 * Topics: telling everybody who listens. Each message is checked by its topic's rules, ours before
 * it leaves and others' before it is delivered or passed on.
 *
 * Publishing is handing a message to the peers that subscribe; nobody says that it arrived. What
 * must arrive needs a receipt, and that is not the concern of this room.
 */

import { type Clock, hasCode, type Logger, race, type Service } from '../base/index.ts'
import { type Admission, Checks } from './checks.ts'
import type { Codec } from './codec.ts'
import type { PubsubConfig } from './config.ts'
import { PubsubError, reasonOf } from './errors.ts'
import type { Router } from './gossip.ts'
import type { PubsubMetrics } from './metrics.ts'
import { type Message, Subscription } from './subscription.ts'
import { readBy, type Topic, type TopicRules, Topics } from './topics.ts'

export interface PubsubDeps {
  readonly gossip: Router
  readonly policy: Admission
  readonly network: string
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: PubsubMetrics
  /** How values become bytes where a topic has no codec of its own; CBOR unless given. */
  readonly codec?: Codec | undefined
}

/** What became of a message of ours. */
export interface Published {
  readonly topic: string
  /**
   * To how many the message was handed: all we are connected to that subscribe. They hand it on;
   * nobody says that it arrived.
   */
  readonly peers: number
  readonly state: 'sent' | 'nobody-listens'
}

export interface PublishOptions {
  readonly signal?: AbortSignal
  /**
   * How long to wait, when nobody listens, for the first peer that does: one that told us so and
   * to which a stream is open. Without it, not at all; a day at most.
   */
  readonly waitForPeersMs?: number
}

export interface SubscribeOptions {
  /** Ends the subscription; what waits in its queue by then can still be read. */
  readonly signal?: AbortSignal
  /** Messages kept while you read none; then the oldest is dropped. `queue_max` unless given. */
  readonly queueMax?: number
}

/** One topic as it stands. */
export interface TopicState {
  readonly topic: string
  /** Peers we are connected to that subscribe. */
  readonly peers: number
  readonly subscribed: boolean
}

export class Pubsub implements Service {
  readonly name = 'pubsub'
  readonly #deps: PubsubDeps
  readonly #config: PubsubConfig
  readonly #topics: Topics
  readonly #stopped = new AbortController()

  constructor(deps: PubsubDeps, config: PubsubConfig) {
    const { gossip, network, codec } = deps
    this.#deps = deps
    this.#config = config
    const defaults = { bytesMax: config.messageBytesMax, codec }
    this.#topics = new Topics(network, defaults, (wire) => gossip.learn(wire))
    const checks = new Checks({ ...deps, topics: this.#topics, self: () => gossip.self }, config)
    gossip.guard({
      admits: (source, wire, bytes) => checks.admits(source, wire, bytes),
      judge: (source, wire, message) => checks.judge(source, wire, message),
      knows: (wire) => this.#topics.onWire(wire) !== undefined,
    })
  }

  /** The router was started with the host; there is nothing left to wait for. */
  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopped.abort()
    for (const { readers } of this.#topics.all()) {
      for (const reader of [...readers]) reader.end()
    }
  }

  /** Sets what a topic carries, from now on; the same rules again change nothing. */
  topic<T>(name: string, rules: TopicRules<T> = {}): void {
    this.#topics.define(name, rules)
  }

  /** Resolves when the message is handed to those who listen, or says that nobody does. */
  async publish(topic: string, value: unknown, options: PublishOptions = {}): Promise<Published> {
    const { gossip, metrics } = this.#deps
    const { signal, waitForPeersMs = 0 } = options
    signal?.throwIfAborted()
    const { wire, rules } = this.#use(topic)
    checkOption(topic, { rule: 'waitForPeersMs', found: waitForPeersMs, min: 0, max: WAIT_MS_MAX })
    const data = this.#encoded(topic, value, rules)
    if (gossip.listeners(wire) === 0) await this.#awaitListener(wire, waitForPeersMs, signal)
    // It may have been stopped in the meantime.
    if (!this.#isUp) throw PubsubError.NOT_RUNNING({ topic })
    // With nobody there the message must not wait in a cache and turn up later after all.
    const peers = gossip.listeners(wire) === 0 ? 0 : await this.#handOut(topic, wire, data)
    metrics.published.add(1, { outcome: peers > 0 ? 'sent' : 'nobody_listens' })
    return { topic, peers, state: peers > 0 ? 'sent' : 'nobody-listens' }
  }

  /** Joins at once; messages wait in the queue until the iterator is read. */
  subscribe<T>(
    topic: string,
    options: SubscribeOptions = {},
  ): AsyncIterable<Message<T>> & AsyncDisposable {
    const { signal, queueMax = this.#config.queueMax } = options
    signal?.throwIfAborted()
    const used = this.#use(topic)
    checkOption(topic, { rule: 'queueMax', found: queueMax, min: 1, max: QUEUE_MAX })
    const { metrics } = this.#deps
    const end = () => reader.end()
    const reader = new Subscription<unknown>({
      queueMax,
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
  }

  #leave({ wire, readers }: Topic, reader: Subscription<unknown>): void {
    readers.delete(reader)
    if (readers.size === 0) this.#deps.gossip.leave(wire)
  }

  /** The bytes of `value`, after everything that its receivers will ask of them. */
  #encoded(topic: string, value: unknown, rules: Topic['rules']): Uint8Array {
    const { codec, bytesMax } = rules
    const { metrics } = this.#deps
    try {
      const data: unknown = codec.encode(value)
      if (!(data instanceof Uint8Array)) throw PubsubError.CODEC_INVALID({ found: typeof data })
      if (data.length > bytesMax) {
        throw PubsubError.TOO_LARGE({ topic, size: data.length, limit: bytesMax })
      }
      readBy(rules, codec.decode(data))
      return data
    } catch (cause) {
      metrics.published.add(1, { outcome: 'refused' })
      if (hasCode(cause, 'PUBSUB_TOO_LARGE')) throw cause
      throw PubsubError.VALUE_REFUSED({ topic, reason: reasonOf(cause) }, cause)
    }
  }

  async #handOut(topic: string, wire: string, data: Uint8Array): Promise<number> {
    try {
      return await this.#deps.gossip.publish(wire, data)
    } catch (cause) {
      throw PubsubError.PUBLISH_FAILED({ topic, reason: reasonOf(cause) }, cause)
    }
  }

  /** Resolves when somebody listens or the time is over; rejects when the caller gives up. */
  async #awaitListener(wire: string, ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (ms <= 0) return
    const { gossip, clock } = this.#deps
    using deadline = clock.deadline(ms, signal)
    const { promise, resolve } = Promise.withResolvers<void>()
    const stopped = this.#stopped.signal
    const over = () => resolve()
    stopped.addEventListener('abort', over, { once: true })
    const stopWatching = gossip.onChange(() => {
      if (gossip.listeners(wire) > 0) resolve()
    })
    try {
      await race(promise, deadline.signal)
    } catch {
      signal?.throwIfAborted()
    } finally {
      stopWatching()
      stopped.removeEventListener('abort', over)
    }
  }
}

/** A subscriber that asks for more would keep what strangers send, without an end. */
const QUEUE_MAX = 100_000
const WAIT_MS_MAX = 86_400_000

interface Option {
  readonly rule: string
  readonly found: number
  readonly min: number
  readonly max: number
}

function checkOption(topic: string, { rule, found, min, max }: Option): void {
  // Written so that NaN is refused as well.
  if (found >= min && found <= max) return
  const wanted = `a number from ${min} to ${max}`
  throw PubsubError.RULES_INVALID({ topic, rule, found, wanted })
}
