/**
 * Peers that somebody on the link says are there: whom to dial next, and when.
 *
 * A bounded bag that is drawn from by chance, so that a flood of false peers makes an honest one
 * wait but cannot order itself in front, and a bound on dials a minute, whatever the bag holds.
 */

import type { Clock, Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

export const LINK_DIALS_PER_MINUTE = 32
const MINUTE_MS = 60_000
const CANDIDATES_MAX = 64
const ADDRESSES_MAX = 8

/** A peer to dial, and where it may be. */
export interface Candidate {
  readonly peer: PeerId
  readonly addresses: readonly string[]
}

export class LinkCandidates {
  readonly #clock: Clock
  readonly #random: Random
  readonly #waiting = new Map<PeerId, readonly string[]>()
  /** When each dial of the last minute was granted. */
  #grantedAtMs: number[] = []
  #arrived = Promise.withResolvers<unknown>()

  constructor(deps: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = deps.clock
    this.#random = deps.random
  }

  add(peer: PeerId, addresses: readonly string[]): void {
    const known = this.#waiting.get(peer) ?? []
    const all = [...new Set([...known, ...addresses])].slice(0, ADDRESSES_MAX)
    if (!this.#waiting.has(peer) && this.#waiting.size >= CANDIDATES_MAX) {
      this.#waiting.delete(this.#drawn())
    }
    this.#waiting.set(peer, all)
    this.#arrived.resolve(undefined)
    this.#arrived = Promise.withResolvers()
  }

  /** Takes one out, as soon as there is one; `undefined` when aborted. */
  async next(signal: AbortSignal): Promise<Candidate | undefined> {
    while (this.#waiting.size === 0 && !signal.aborted) await this.#arrival(signal)
    if (signal.aborted) return undefined
    const peer = this.#drawn()
    const addresses = this.#waiting.get(peer) ?? []
    this.#waiting.delete(peer)
    return { peer, addresses }
  }

  /** Resolves when one more dial is allowed; rejects when aborted. */
  async grant(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      const now = this.#clock.now()
      this.#grantedAtMs = this.#grantedAtMs.filter((at) => at > now - MINUTE_MS)
      const [oldest] = this.#grantedAtMs
      if (oldest === undefined || this.#grantedAtMs.length < LINK_DIALS_PER_MINUTE) break
      await this.#clock.sleep(oldest + MINUTE_MS - now, signal)
    }
    this.#grantedAtMs.push(this.#clock.now())
  }

  #drawn(): PeerId {
    return [...this.#waiting.keys()][this.#random.int(this.#waiting.size)] as PeerId
  }

  async #arrival(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = this.#arrived
    signal.addEventListener('abort', resolve, { once: true })
    await promise
    signal.removeEventListener('abort', resolve)
  }
}
