/**
 * Brings those together who share a topic. GossipSub passes messages along connections, and finding
 * each other by datagram makes none: two readers of a topic, each connected to the same first peer
 * that does not read it, would never hear each other. So a node says in the DHT which topics it
 * reads, and connects to a few of those who say the same, until it has enough for a mesh.
 */

import { createHash } from 'node:crypto'
import {
  backoffMs,
  type Clock,
  every,
  type Logger,
  type Random,
  type Service,
  shuffled,
} from '../base/index.ts'
import type { Host } from '../net/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { NodeDht } from './injected.ts'

/** As many as a mesh wants (GossipSub D). */
const PEERS_WANTED = 6
const CHECK_MS = 1_000
const SEARCH = { firstMs: 2_000, maxMs: 60_000 }
/** A topic that we only publish on is looked after for so long after the last message. */
const PUBLISHED_MS = 60_000
/** Topics that are looked after at once; a program has few, and nobody else adds any. */
const TOPICS_MAX = 64
const SEARCH_TIMEOUT_MS = 10_000
const CONNECT_TIMEOUT_MS = 10_000

export interface TopicPeersDeps {
  readonly dht: Pick<NodeDht, 'provide' | 'unprovide' | 'findProviders'>
  readonly pubsub: Pick<Pubsub, 'topics'>
  readonly host: Pick<Host, 'self' | 'connect' | 'connections'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

interface Watched {
  provided: boolean
  busy: boolean
  tries: number
  dueMs: number
  /** When it may be announced: again only after a pause, when that failed. */
  announceMs: number
}

/** Keeps each topic of this node connected to some of its readers. */
export class TopicPeers implements Service {
  readonly name = 'topic peers'
  readonly #deps: TopicPeersDeps
  readonly #watched = new Map<string, Watched>()
  /** When each topic was last published on. */
  readonly #published = new Map<string, number>()
  readonly #life = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(deps: TopicPeersDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { clock } = this.#deps
    this.#running = every(clock, CHECK_MS, () => this.#check(), this.#life.signal)
  }

  async stop(): Promise<void> {
    this.#life.abort()
    await this.#running
  }

  /** Something is about to be published: whoever reads it should be there for the next one. */
  publishes(topic: string): void {
    const isNew = !this.#published.has(topic)
    if (isNew && this.#published.size >= TOPICS_MAX) return
    this.#published.set(topic, this.#deps.clock.now())
    if (isNew) this.#check()
  }

  #check(): void {
    const { clock, pubsub, dht } = this.#deps
    const nowMs = clock.now()
    for (const [topic, atMs] of this.#published) {
      if (nowMs - atMs > PUBLISHED_MS) this.#published.delete(topic)
    }
    for (const { topic, peers, subscribed } of pubsub.topics()) {
      const watched = this.#watched.get(topic)
      if (!subscribed && watched?.provided === true) {
        watched.provided = false
        dht.unprovide(nameOf(topic))
      }
      if (!subscribed && !this.#published.has(topic)) this.#watched.delete(topic)
      else this.#look(topic, { peers, subscribed, nowMs })
    }
  }

  #look(topic: string, now: { peers: number; subscribed: boolean; nowMs: number }): void {
    const watched = this.#watch(topic, now.nowMs)
    if (watched === undefined || watched.busy) return
    const announce = now.subscribed && !watched.provided && watched.announceMs <= now.nowMs
    const search = now.peers < PEERS_WANTED && watched.dueMs <= now.nowMs
    if (!announce && !search) return
    watched.busy = true
    watched.provided ||= announce
    void this.#meet(topic, { announce, wanted: PEERS_WANTED - now.peers }).then((isDone) => {
      const { clock, random } = this.#deps
      watched.busy = false
      if (!isDone && announce) {
        watched.provided = false
        watched.announceMs = clock.now() + SEARCH.firstMs
      }
      watched.dueMs = clock.now() + backoffMs(watched.tries, SEARCH, random)
      watched.tries = now.peers < PEERS_WANTED ? watched.tries + 1 : 0
    })
  }

  #watch(topic: string, nowMs: number): Watched | undefined {
    const known = this.#watched.get(topic)
    if (known !== undefined || this.#watched.size >= TOPICS_MAX) return known
    const watched = { provided: false, busy: false, tries: 0, dueMs: nowMs, announceMs: nowMs }
    this.#watched.set(topic, watched)
    return watched
  }

  /** Whether all went well; never rejects: what fails now is tried again. */
  async #meet(
    topic: string,
    { announce, wanted }: { announce: boolean; wanted: number },
  ): Promise<boolean> {
    const { dht, host, random, log } = this.#deps
    const { signal } = this.#life
    const name = nameOf(topic)
    try {
      if (announce) await dht.provide(name, { signal })
      const timeoutMs = SEARCH_TIMEOUT_MS
      const { providers } = await dht.findProviders(name, { signal, timeoutMs })
      const connected = new Set(host.connections().map(({ peer }) => peer))
      const others = providers.filter(({ peer }) => peer !== host.self && !connected.has(peer))
      const some = shuffled(others, random).slice(0, Math.max(0, wanted))
      await Promise.all(some.map(({ peer }) => this.#connect(peer)))
      return true
    } catch (error) {
      if (!signal.aborted) log.debug('readers of a topic not found', { topic, error })
      return false
    }
  }

  async #connect(peer: Parameters<Host['connect']>[0]): Promise<void> {
    const { host, clock, log } = this.#deps
    using deadline = clock.deadline(CONNECT_TIMEOUT_MS, this.#life.signal)
    try {
      await host.connect(peer, { signal: deadline.signal })
    } catch (error) {
      log.debug('reader of a topic not reached', { peer, error })
    }
  }
}

/** What is provided, in the manner of `mcp:tool:…`; a hash, because a name may be longer. */
export function nameOf(topic: string): string {
  return `topic:${createHash('sha256').update(topic).digest('hex')}`
}
