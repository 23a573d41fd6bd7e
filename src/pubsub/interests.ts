/**
 * Which topics each connected peer subscribes to, known to us or not, up to a limit.
 *
 * GossipSub says each subscription once, when peers meet. Stock GossipSub keeps every topic that
 * anybody names (CVE-2026-46679) or, with a fixed list of allowed ones, forgets those that we join
 * later. So the router is only told of topics that we know, and the rest waits here: at most
 * `topicsMax` names of at most 256 bytes for one peer. Sans I/O.
 */

import type { PeerId } from '../identity/index.ts'
import { TOPIC_BYTES_MAX } from './topics.ts'

/** One subscription as it stands in a message; every field is a stranger's. */
export interface SubscriptionNote {
  readonly topic?: string
  readonly subscribe?: boolean
}

export class Interests {
  readonly #topicsMax: number
  readonly #topicsOf = new Map<PeerId, Set<string>>()

  constructor(topicsMax: number) {
    this.#topicsMax = topicsMax
  }

  /** Notes what `peer` says; returns what counts, and how many were over the limit. */
  note(
    peer: PeerId,
    notes: readonly SubscriptionNote[],
  ): { taken: SubscriptionNote[]; refused: number } {
    const topics = this.#topicsOf.get(peer) ?? new Set()
    const taken = notes.filter((note) => this.#take(topics, note))
    if (topics.size > 0) this.#topicsOf.set(peer, topics)
    else this.#topicsOf.delete(peer)
    return { taken, refused: notes.length - taken.length }
  }

  /** Peers that have subscribed to `topic`. */
  peersOf(topic: string): PeerId[] {
    return [...this.#topicsOf].filter(([, topics]) => topics.has(topic)).map(([peer]) => peer)
  }

  /** The peer is gone, and says all of it again when it comes back. */
  forget(peer: PeerId): void {
    this.#topicsOf.delete(peer)
  }

  #take(topics: Set<string>, { topic = '', subscribe }: SubscriptionNote): boolean {
    if (topic === '' || Buffer.byteLength(topic) > TOPIC_BYTES_MAX) return false
    if (subscribe !== true) {
      topics.delete(topic)
      return true
    }
    if (topics.has(topic)) return true
    if (topics.size >= this.#topicsMax) return false
    topics.add(topic)
    return true
  }
}
