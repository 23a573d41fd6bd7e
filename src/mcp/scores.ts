/** What this node has seen of each peer as a server of tools. Kept in memory, bounded. */

import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

export interface Score {
  /** Moving average of the calls that were answered; absent before the first answer. */
  readonly latencyMs?: number
  /** Failures since the last success, each worth half as much after every `HALF_LIFE_MS`. */
  readonly failures: number
  /** Moving share of the calls that were answered, from 0 to 1; it recovers with time. */
  readonly success?: number
}

/** How much of a new latency enters the average. */
const WEIGHT = 0.2
/** A peer that was restarted a minute ago deserves another look; one that failed just now none. */
const HALF_LIFE_MS = 60_000
/** What is left of a failure after some five half-lives counts for nothing. */
const FORGOTTEN_BELOW = 0.03
const PEERS_MAX = 4_096

interface Entry {
  readonly latencyMs?: number
  readonly failures: number
  readonly success: number
  readonly atMs: number
}

export class Scores {
  readonly #byPeer = new Map<PeerId, Entry>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get(peer: PeerId): Score | undefined {
    const entry = this.#byPeer.get(peer)
    if (entry === undefined) return undefined
    return {
      ...latencyOf(entry),
      failures: this.#decayed(entry),
      success: this.#recovered(entry),
    }
  }

  succeeded(peer: PeerId, latencyMs: number): void {
    const known = this.#byPeer.get(peer)
    const before = known?.latencyMs ?? latencyMs
    const success = known === undefined ? 1 : this.#recovered(known)
    this.#set(peer, {
      latencyMs: before + WEIGHT * (latencyMs - before),
      failures: 0,
      success: success + WEIGHT * (1 - success),
    })
  }

  failed(peer: PeerId): void {
    const before = this.#byPeer.get(peer)
    const success = (1 - WEIGHT) * (before === undefined ? 1 : this.#recovered(before))
    if (before === undefined) this.#set(peer, { failures: 1, success })
    else {
      this.#set(peer, { ...latencyOf(before), failures: this.#decayed(before) + 1, success })
    }
  }

  /** What is missing of 1 halves as a failure does, but a tenth as fast. */
  #recovered({ success, atMs }: Entry): number {
    const elapsedMs = Math.max(0, this.#clock.now() - atMs)
    const missing = (1 - success) * 0.5 ** (elapsedMs / (10 * HALF_LIFE_MS))
    return missing < FORGOTTEN_BELOW ? 1 : 1 - missing
  }

  #decayed({ failures, atMs }: Entry): number {
    const elapsedMs = Math.max(0, this.#clock.now() - atMs)
    const left = failures * 0.5 ** (elapsedMs / HALF_LIFE_MS)
    return left < FORGOTTEN_BELOW ? 0 : left
  }

  /** The peer longest unheard of makes room for a new one. */
  #set(peer: PeerId, score: Omit<Entry, 'atMs'>): void {
    this.#byPeer.delete(peer)
    const [oldest] = this.#byPeer.keys()
    if (oldest !== undefined && this.#byPeer.size >= PEERS_MAX) this.#byPeer.delete(oldest)
    this.#byPeer.set(peer, { ...score, atMs: this.#clock.now() })
  }
}

function latencyOf({ latencyMs }: Entry): { latencyMs?: number } {
  return latencyMs === undefined ? {} : { latencyMs }
}
