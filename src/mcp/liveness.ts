/**
 * Whether peers that owe us an answer are still there.
 *
 * A process that was killed says no goodbye, and over QUIC nothing says it in its place. So a peer
 * on whose streams nothing was heard for a while is pinged: once for all calls that wait for it,
 * one ping at a time. A tool may take as long as it likes; only a peer that does not answer even a
 * ping is given up. Any answer is a sign of life, also that it does not speak the ping protocol.
 */

import { type Clock, either, every, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import { McpError } from './errors.ts'

const SILENT_MS = 1_500
const CHECK_MS = 500
const PING_TIMEOUT_MS = 3_000

export interface LivenessDeps {
  readonly host: Pick<Host, 'ping'>
  readonly clock: Clock
  readonly log: Logger
}

/** A stream on which an answer is owed. */
export interface Owed {
  /** Grows with everything that is heard on it. */
  heard(): number
  /** The peer is gone. */
  lost(reason: Error): void
}

interface Waiting {
  readonly owed: Owed
  heard: number
  quietSinceMs: number
}

export class Liveness {
  readonly #deps: LivenessDeps
  readonly #byPeer = new Map<PeerId, Set<Waiting>>()
  readonly #stopped = new AbortController()

  constructor(deps: LivenessDeps) {
    this.#deps = deps
  }

  stop(): void {
    this.#stopped.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
  }

  /** Looks after `peer` until what is returned is called. */
  watch(peer: PeerId, owed: Owed): () => void {
    const waiting = { owed, heard: owed.heard(), quietSinceMs: this.#deps.clock.now() }
    let ofPeer = this.#byPeer.get(peer)
    if (ofPeer === undefined) {
      ofPeer = new Set()
      this.#byPeer.set(peer, ofPeer)
      void this.#attend(peer, ofPeer)
    }
    const all = ofPeer.add(waiting)
    return () => void all.delete(waiting)
  }

  /** Goes on between calls that follow each other, and ends when there are none. */
  async #attend(peer: PeerId, ofPeer: Set<Waiting>): Promise<void> {
    const unattended = new AbortController()
    using attended = either(unattended.signal, this.#stopped.signal)
    const check = async () => {
      if (ofPeer.size === 0) {
        this.#byPeer.delete(peer)
        unattended.abort()
      } else if (this.#isSilent(ofPeer)) await this.#ask(peer, ofPeer)
    }
    await every(this.#deps.clock, CHECK_MS, check, attended.signal)
  }

  #isSilent(ofPeer: Set<Waiting>): boolean {
    const nowMs = this.#deps.clock.now()
    let longestMs = 0
    for (const waiting of ofPeer) {
      const heard = waiting.owed.heard()
      if (heard !== waiting.heard) waiting.quietSinceMs = nowMs
      waiting.heard = heard
      longestMs = Math.max(longestMs, nowMs - waiting.quietSinceMs)
    }
    return longestMs >= SILENT_MS
  }

  #isHeard(ofPeer: Set<Waiting>): boolean {
    return [...ofPeer].some(({ owed, heard }) => owed.heard() !== heard)
  }

  async #ask(peer: PeerId, ofPeer: Set<Waiting>): Promise<void> {
    const { host, clock, log } = this.#deps
    using deadline = clock.deadline(PING_TIMEOUT_MS, this.#stopped.signal)
    try {
      await host.ping(peer, { signal: deadline.signal })
    } catch (error) {
      if (this.#stopped.signal.aborted) return
      // Behind much that is on its way a ping waits its turn: what arrives is a sign of life too.
      if (deadline.signal.aborted && !this.#isHeard(ofPeer)) {
        log.warn('peer does not answer a ping', { peer, waiting: ofPeer.size })
        const reason = McpError.PEER_SILENT({ peer, afterMs: PING_TIMEOUT_MS })
        for (const { owed } of [...ofPeer]) owed.lost(reason)
        return
      }
      log.debug('ping failed', { peer, error })
    }
    for (const waiting of ofPeer) waiting.quietSinceMs = clock.now()
  }
}
