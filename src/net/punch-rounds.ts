/**
 * When it is tried to leave a relay: as soon as somebody calls us through it, and while it stays,
 * again: after 2 s where a side did not know its own ports yet and nothing was sent, else after
 * 30 s, then every five minutes. Whoever calls again is tried at once, but not within 30 s of a
 * round that sent something: nobody makes us knock more often, wherever that goes.
 *
 * If both called each other at the same time, both begin, and neither would hear the other: the
 * one with the smaller peer id goes on, the other one gives way and answers.
 */

import type { Connection } from '@libp2p/interface'
import { type Clock, type Logger, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { NetError, reasonOf } from './errors.ts'
import { calledBy, directTo, type OpenConnections } from './paths.ts'

export interface PunchRoundsDeps {
  readonly libp2p: OpenConnections
  readonly self: PeerId
  readonly clock: Clock
  readonly log: Logger
  /** One round over a circuit; ends early on `signal`. */
  upgrade(relayed: Connection, peer: PeerId, signal: AbortSignal): Promise<Outcome>
}

/** What came of a round; `too early` if one of the two had no port and nothing was sent. */
export type Outcome = 'direct' | 'relayed' | 'too early'

interface Running {
  readonly over: AbortController
  readonly work: Promise<void>
}

interface Due {
  readonly pauseMs: number
  /** How many rounds there were before. */
  readonly round: number
}

const REST_MS = 30_000
/** Before the second round and the ones after it. */
const PAUSES_MS = { 'too early': [2_000, REST_MS, 300_000], relayed: [REST_MS, 300_000] }
/** Until it is looked again whether there is a place. */
const FULL_MS = 2_000
const UNDERWAY_MAX = 16
const PEERS_MAX = 512

export class PunchRounds {
  readonly #deps: PunchRoundsDeps
  readonly #underway = new Map<PeerId, Running>()
  /** With whom another round is due, and what calls it off. */
  readonly #due = new Map<PeerId, AbortController>()
  readonly #resting: TtlMap<PeerId, boolean>
  #isStopped = false

  constructor(deps: PunchRoundsDeps) {
    this.#deps = deps
    this.#resting = new TtlMap({ entriesMax: PEERS_MAX, ttlMs: REST_MS, clock: deps.clock })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    const rounds = [...this.#underway.values()]
    for (const over of [...this.#due.values(), ...rounds.map((one) => one.over)]) over.abort()
    this.#due.clear()
    await Promise.all(rounds.map(({ work }) => work))
  }

  /** Somebody has called us through a relay, or has nothing else left. */
  called(peer: PeerId): void {
    if (calledBy(this.#deps.libp2p, peer) === undefined) return
    if (this.#resting.has(peer)) this.#later(peer, { pauseMs: REST_MS, round: 1 })
    else this.#begin(peer, 0)
  }

  /** Whether to answer a peer that has begun. What we began ourselves may end by it. */
  givesWay(peer: PeerId): boolean {
    const own = this.#underway.get(peer)
    if (own === undefined) return true
    if (this.#deps.self < peer) return false
    own.over.abort(NetError.PUNCH_FAILED({ peer, reason: 'the other side has begun as well' }))
    return true
  }

  #begin(peer: PeerId, round: number): void {
    if (this.#isStopped || this.#underway.has(peer)) return
    this.#due.get(peer)?.abort()
    this.#due.delete(peer)
    const { libp2p, log, upgrade } = this.#deps
    const relayed = calledBy(libp2p, peer)
    if (relayed === undefined || directTo(libp2p, peer) !== undefined) return
    if (this.#underway.size >= UNDERWAY_MAX) {
      this.#later(peer, { pauseMs: FULL_MS, round })
      return
    }
    const over = new AbortController()
    const failed = (error: unknown): Outcome => {
      log.debug('a round ended', { peer, round, why: reasonOf(error) })
      return 'relayed'
    }
    const work = upgrade(relayed, peer, over.signal)
      .catch(failed)
      .then((outcome) => this.#ended(peer, round, outcome))
    this.#underway.set(peer, { over, work })
  }

  #ended(peer: PeerId, round: number, outcome: Outcome): void {
    this.#underway.delete(peer)
    if (outcome !== 'too early') this.#resting.set(peer, true)
    if (outcome === 'direct') return
    this.#deps.log.debug('the relay stays', { peer, round, outcome })
    const pauses = PAUSES_MS[outcome]
    const pauseMs = pauses[Math.min(round, pauses.length - 1)] ?? REST_MS
    this.#later(peer, { pauseMs, round: round + 1 })
  }

  #later(peer: PeerId, { pauseMs, round }: Due): void {
    if (this.#isStopped || this.#due.has(peer) || this.#due.size >= PEERS_MAX) return
    const off = new AbortController()
    this.#due.set(peer, off)
    const again = () => {
      this.#due.delete(peer)
      this.#begin(peer, round)
    }
    this.#deps.clock.sleep(pauseMs, off.signal).then(again, () => undefined)
  }
}
