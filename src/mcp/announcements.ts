/**
 * Services told over a topic: what this node offers as soon as it does, and what others offer kept
 * in the text index. An announcement is the descriptor itself, signed by its author as every
 * message of a topic is; one without tools withdraws the service. Nobody relies on having heard:
 * the DHT has the same, and is what a call goes by.
 */

import type { Clock, Logger, Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import { DESCRIPTOR_BYTES_MAX, type Descriptor, decodeDescriptor } from './descriptor.ts'
import { McpError } from './errors.ts'
import type { TextIndex } from './text-index.ts'

/** The rules of the topic, for whoever keeps topics. */
export const ANNOUNCEMENTS = {
  topic: 'mcp-announcements',
  bytesMax: DESCRIPTOR_BYTES_MAX,
  perPeerPerSecond: 5,
  /** Throws for what is no announcement: such a message is not passed on. */
  check(value: unknown): Uint8Array {
    if (!(value instanceof Uint8Array)) throw McpError.DESCRIPTOR_INVALID({ found: typeof value })
    decodeDescriptor(value)
    return value
  },
  /** A peer speaks for itself only. The message's signature, checked before, says who speaks. */
  isAuthor(value: Uint8Array, author: PeerId): boolean {
    return decodeDescriptor(value).peer === author
  },
} as const

/** One topic, as the directory needs it. */
export interface AnnouncementTopic {
  /** Waits at most `waitForPeersMs` for somebody who listens. */
  publish(bytes: Uint8Array, options: CallOptions & { waitForPeersMs: number }): Promise<unknown>
  /** Calls `heard` for each message of others until the signal aborts. */
  listen(
    heard: (from: PeerId, bytes: Uint8Array) => void,
    options: { readonly signal: AbortSignal },
  ): Promise<void>
}

export interface AnnouncementsDeps {
  readonly topic: AnnouncementTopic
  readonly index: Pick<TextIndex, 'put'>
  readonly self: PeerId
  readonly clock: Clock
  readonly log: Logger
}

/** Below the rate of the topic, so that nobody refuses ours. */
const PACE_MS = 250
const WAIT_FOR_PEERS_MS = 30_000
/** For what is left to say when the node stops. */
const LAST_MS = 500
/** A descriptor that says to count longer than this is no honest one. */
const LIFE_MS_MAX = 25 * 3_600_000

export class Announcements implements Service {
  readonly name = 'mcp announcements'
  readonly #deps: AnnouncementsDeps
  readonly #life = new AbortController()
  /** By service: what was said meanwhile need not be said. */
  readonly #pending = new Map<string, Uint8Array>()
  #listening: Promise<void> = Promise.resolve()
  #telling: Promise<void> | undefined

  constructor(deps: AnnouncementsDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { topic, log } = this.#deps
    const { signal } = this.#life
    const heard = (from: PeerId, bytes: Uint8Array) => this.#hear(from, bytes)
    this.#listening = topic.listen(heard, { signal }).catch((error: unknown) => {
      if (!signal.aborted) log.warn('announcements are no longer heard', { error })
    })
  }

  /** Says what is left to say, as far as half a second allows. */
  async stop(): Promise<void> {
    this.#life.abort()
    await Promise.all([this.#telling, this.#listening])
    const left = [...this.#pending.values()]
    this.#pending.clear()
    if (left.length === 0) return
    using deadline = this.#deps.clock.deadline(LAST_MS)
    const last = { signal: deadline.signal, waitForPeersMs: 0 }
    await Promise.allSettled(left.map((bytes) => this.#deps.topic.publish(bytes, last)))
  }

  /** Tells it in its turn; once more of the same service takes the place of what was not told. */
  announce(service: string, bytes: Uint8Array): void {
    this.#pending.delete(service)
    this.#pending.set(service, bytes)
    if (this.#life.signal.aborted) return
    this.#telling ??= this.#tell().finally(() => {
      this.#telling = undefined
    })
  }

  get #isOver(): boolean {
    return this.#life.signal.aborted
  }

  async #tell(): Promise<void> {
    const { topic, clock, log } = this.#deps
    const { signal } = this.#life
    while (this.#pending.size > 0 && !signal.aborted) {
      const [service = '', bytes = new Uint8Array()] = [...this.#pending].at(0) ?? []
      this.#pending.delete(service)
      try {
        await topic.publish(bytes, { signal, waitForPeersMs: WAIT_FOR_PEERS_MS })
      } catch (error) {
        if (!this.#isOver) log.debug('service not announced', { service, error })
        else if (!this.#pending.has(service)) this.#pending.set(service, bytes)
      }
      await clock.sleep(PACE_MS, signal).catch(() => undefined)
    }
  }

  /** Only what a peer says of itself counts, and only for as long as a record would. */
  #hear(from: PeerId, bytes: Uint8Array): void {
    const { index, self, clock, log } = this.#deps
    if (from === self) return
    try {
      const descriptor = decodeDescriptor(bytes)
      check(descriptor, from, clock.now())
      index.put(descriptor)
    } catch (error) {
      log.debug('announcement not taken', { peer: from, error })
    }
  }
}

function check({ peer, expires }: Descriptor, from: PeerId, nowMs: number): void {
  if (peer !== from) throw McpError.DESCRIPTOR_INVALID({ found: `one of ${peer} said by ${from}` })
  if (expires === 0 || expires * 1_000 > nowMs + LIFE_MS_MAX) {
    throw McpError.DESCRIPTOR_INVALID({ found: `one that expires at ${expires}` })
  }
}
