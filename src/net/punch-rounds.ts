/**
 * When it is tried to leave a relay: as soon as somebody calls us through it, and while it stays,
 * again: after 2 s where a side did not know its own ports yet and nothing was sent, else after
 * 30 s, then every five minutes.
 *
 * If both called each other at the same time, both begin, and neither would hear the other: the
 * one with the smaller peer id goes on, the other one gives way and answers.
 */

import type { Connection } from '@libp2p/interface'
import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { NetError, reasonOf } from './errors.ts'
import { calledBy, directTo, type OpenConnections } from './paths.ts'

export interface PunchRoundsDeps {
  readonly libp2p: OpenConnections
  readonly self: PeerId
  readonly clock: Clock
  readonly log: Logger
  upgrade(relayed: Connection, peer: PeerId, signal: AbortSignal): Promise<Outcome>
}

/** What came of a round; `too early` if one of the two had no port to punch through. */
export type Outcome = 'direct' | 'relayed' | 'too early'

interface Round {
  readonly over: AbortController
  readonly work: Promise<void>
}

const PAUSES_MS = [2_000, 30_000, 300_000]
/** Whoever was knocked at in vain is left alone for longer, however often it calls. */
const FAILED_ROUND = 1
const UNDERWAY_MAX = 16
const WAITING_MAX = 512

export class PunchRounds {
  readonly #deps: PunchRoundsDeps
  readonly #stopped = new AbortController()
  readonly #underway = new Map<PeerId, Round>()
  /** With whom another round is due; who calls again waits as well. */
  readonly #waiting = new Set<PeerId>()

  constructor(deps: PunchRoundsDeps) {
    this.#deps = deps
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    const rounds = [...this.#underway.values()]
    for (const { over } of rounds) over.abort(this.#stopped.signal.reason)
    await Promise.all(rounds.map(({ work }) => work))
  }

  /** Somebody called us through a relay. */
  called(peer: PeerId): void {
    if (!this.#waiting.has(peer)) this.#begin(peer, 0)
  }

  /** Whether to answer a peer that has begun. What we began ourselves may end by it. */
  givesWay(peer: PeerId): boolean {
    const own = this.#underway.get(peer)
    if (own === undefined) return this.#underway.size < UNDERWAY_MAX
    if (this.#deps.self < peer) return false
    own.over.abort(NetError.PUNCH_FAILED({ peer, reason: 'the other side has begun as well' }))
    return true
  }

  #begin(peer: PeerId, round: number): void {
    if (this.#stopped.signal.aborted || this.#underway.has(peer)) return
    const { libp2p, log } = this.#deps
    const relayed = calledBy(libp2p, peer)
    if (relayed === undefined || directTo(libp2p, peer) !== undefined) return
    if (this.#underway.size >= UNDERWAY_MAX) {
      this.#later(peer, round)
      return
    }
    const over = new AbortController()
    const ended = (outcome: Outcome, error?: unknown) => {
      this.#underway.delete(peer)
      if (outcome === 'direct') return
      log.debug('the relay stays', { peer, round, outcome, why: error && reasonOf(error) })
      this.#later(peer, outcome === 'too early' ? round : Math.max(round, FAILED_ROUND))
    }
    const work = this.#deps.upgrade(relayed, peer, over.signal).then(ended, (error: unknown) => {
      ended('relayed', error)
    })
    this.#underway.set(peer, { over, work })
  }

  #later(peer: PeerId, round: number): void {
    const { clock } = this.#deps
    if (this.#stopped.signal.aborted || this.#waiting.has(peer)) return
    if (this.#waiting.size >= WAITING_MAX) return
    this.#waiting.add(peer)
    const pauseMs = PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)] ?? 0
    const again = () => {
      this.#waiting.delete(peer)
      this.#begin(peer, round + 1)
    }
    clock.sleep(pauseMs, this.#stopped.signal).then(again, () => undefined)
  }
}
