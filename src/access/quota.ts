/**
 * Quotas as token buckets, sans I/O: one for each peer, one for the node.
 *
 * A bucket fills at its rate and holds `burstSeconds` of it. In any stretch of t seconds it
 * therefore admits at most rate · t + burst. Tokens are whole thousandths of a cost unit, so that
 * whole milliseconds at whole rates add up exactly.
 *
 * The buckets of at most `PEERS_MAX` peers are kept; the least recently used makes room. If it was
 * idle long enough to be full, forgetting it changes nothing. If a flood of peers forces it out
 * sooner, whoever comes next starts with an empty bucket, so that being forgotten never gives
 * tokens back; an honest newcomer is told to wait some milliseconds.
 */

import type { PeerId } from '../identity/index.ts'

export const PEERS_MAX = 10_000
const MILLI = 1_000

/** How much may be spent over time, and how much at once. */
export interface Rate {
  /** Cost units per second. */
  readonly perSecond: number
  /** Cost units that may be spent at once. */
  readonly burst: number
}

/** Why not now, and when. */
export interface Shortage {
  readonly of: 'peer' | 'node'
  readonly retryAfterMs: number
}

/** What may still be spent: it fills at a rate, up to its burst. */
export class TokenBucket {
  #rate: Rate
  #milliTokens: number
  #filledAtMs: number

  constructor(rate: Rate, nowMs: number, filled: 'full' | 'empty') {
    this.#rate = rate
    this.#milliTokens = filled === 'full' ? rate.burst * MILLI : 0
    this.#filledAtMs = nowMs
  }

  /** What was saved at the old rate stays, as far as the new burst holds it. */
  setRate(rate: Rate, nowMs: number): void {
    if (rate === this.#rate) return
    this.#fill(nowMs)
    this.#rate = rate
    this.#fill(nowMs)
  }

  /** Milliseconds until `cost` can be taken; zero when it can be taken now. */
  waitMs(cost: number, nowMs: number): number {
    this.#fill(nowMs)
    const missing = cost * MILLI - this.#milliTokens
    return missing <= 0 ? 0 : Math.ceil(missing / this.#rate.perSecond)
  }

  /** Takes what `waitMs` said is there. */
  take(cost: number): void {
    this.#milliTokens -= cost * MILLI
  }

  /**
   * Whether nobody came for so long that this bucket, and every one used before it, is full: all
   * rates of a node hold the same number of seconds.
   */
  isStale(nowMs: number): boolean {
    return (nowMs - this.#filledAtMs) * this.#rate.perSecond >= this.#rate.burst * MILLI
  }

  /** A clock that was set back adds nothing and takes nothing away. */
  #fill(nowMs: number): void {
    const added = Math.max(0, nowMs - this.#filledAtMs) * this.#rate.perSecond
    this.#milliTokens = Math.min(this.#rate.burst * MILLI, this.#milliTokens + added)
    this.#filledAtMs = nowMs
  }
}

/** What each peer, and all together, may still spend. */
export class Quotas {
  readonly #node: TokenBucket
  /** In the order of last use: a `Map` iterates as it was filled. */
  readonly #peers = new Map<PeerId, TokenBucket>()

  constructor(node: Rate, nowMs: number) {
    this.#node = new TokenBucket(node, nowMs, 'full')
  }

  /** The rate of all peers together. */
  setRate(node: Rate, nowMs: number): void {
    this.#node.setRate(node, nowMs)
  }

  /** Takes `cost` from the peer's bucket and the node's, or from neither and says what lacks. */
  take(peer: PeerId, cost: number, rate: Rate, nowMs: number): Shortage | undefined {
    const bucket = this.#bucketOf(peer, rate, nowMs)
    const peerWaitMs = bucket.waitMs(cost, nowMs)
    if (peerWaitMs > 0) return { of: 'peer', retryAfterMs: peerWaitMs }
    const nodeWaitMs = this.#node.waitMs(cost, nowMs)
    if (nodeWaitMs > 0) return { of: 'node', retryAfterMs: nodeWaitMs }
    bucket.take(cost)
    this.#node.take(cost)
    return undefined
  }

  #bucketOf(peer: PeerId, rate: Rate, nowMs: number): TokenBucket {
    const known = this.#peers.get(peer)
    known?.setRate(rate, nowMs)
    const bucket = known ?? new TokenBucket(rate, nowMs, this.#makeRoom(nowMs))
    this.#peers.delete(peer)
    this.#peers.set(peer, bucket)
    return bucket
  }

  #makeRoom(nowMs: number): 'full' | 'empty' {
    if (this.#peers.size < PEERS_MAX) return 'full'
    const [oldest] = this.#peers
    if (oldest === undefined) return 'full'
    const [peer, bucket] = oldest
    this.#peers.delete(peer)
    return bucket.isStale(nowMs) ? 'full' : 'empty'
  }
}
