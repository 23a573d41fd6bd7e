/**
 * Asking peers: one line to each, opened when first needed, the idlest closed to make room.
 *
 * A peer that could not be reached is not tried again for a while, unless it has other addresses
 * by then. So the paths of a lookup may each try a peer for themselves and pay for it only once,
 * and a liar with dead addresses cannot keep us from the peer's true ones.
 */

import { type Clock, race, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host, Protocol } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, DhtError, isOurBusyness } from './errors.ts'
import { Line } from './line.ts'
import type { DhtMetrics } from './metrics.ts'
import { encodeMessage, type Message } from './wire.ts'

const UNREACHABLE_MAX = 4_096

export interface QuestionsDeps {
  readonly host: Pick<Host, 'open' | 'addressesOf'>
  readonly clock: Clock
  readonly metrics: DhtMetrics
}

export class Questions {
  readonly #deps: QuestionsDeps
  readonly #config: DhtConfig
  readonly #protocol: Protocol
  /** Least recently used first. */
  readonly #lines = new Map<PeerId, Line>()
  /** The addresses at which a peer could not be reached. */
  readonly #unreachable: TtlMap<PeerId, string>
  #stopped = false

  constructor(deps: QuestionsDeps, config: DhtConfig, protocol: Protocol) {
    this.#deps = deps
    this.#config = config
    this.#protocol = protocol
    this.#unreachable = new TtlMap({
      entriesMax: UNREACHABLE_MAX,
      ttlMs: config.peerRetryMs,
      clock: deps.clock,
    })
  }

  /**
   * Sends `messages` and resolves with the answer to the last. Those before it are of kinds that
   * kad-dht does not answer. A caller that gives up is let go; the answer is then dropped.
   */
  async ask(peer: PeerId, messages: readonly Message[], options: CallOptions): Promise<Message> {
    const last = messages[messages.length - 1]
    if (last === undefined) throw DhtError.PEER_FAILED({ peer, reason: 'nothing was asked' })
    const { metrics } = this.#deps
    const { type } = last
    try {
      options.signal?.throwIfAborted()
      await this.#checkReachable(peer)
      const asked = this.#lineTo(peer).ask(messages.map(encodeMessage), type)
      const answer = await race(asked, options.signal)
      this.#unreachable.delete(peer)
      metrics.questions.add(1, { type, outcome: 'ok' })
      return answer
    } catch (error) {
      options.signal?.throwIfAborted()
      const code = codeOf(error)
      metrics.questions.add(1, { type, outcome: code })
      if (!isOurBusyness(error)) await this.#noteUnreachable(peer)
      throw error
    }
  }

  /** The peer is there after all: it has just spoken to us. */
  reachable(peer: PeerId): void {
    this.#unreachable.delete(peer)
  }

  stop(): void {
    this.#stopped = true
    for (const line of [...this.#lines.values()]) line.stop()
    this.#lines.clear()
  }

  async #checkReachable(peer: PeerId): Promise<void> {
    const tried = this.#unreachable.get(peer)
    if (tried !== undefined && tried === (await this.#addressesOf(peer))) {
      throw DhtError.PEER_FAILED({ peer, reason: 'it could not be reached a moment ago' })
    }
  }

  /** The first failure counts: the pause is not prolonged by being asked for. */
  async #noteUnreachable(peer: PeerId): Promise<void> {
    const addresses = await this.#addressesOf(peer)
    if (this.#unreachable.get(peer) !== addresses) this.#unreachable.set(peer, addresses)
  }

  async #addressesOf(peer: PeerId): Promise<string> {
    return (await this.#deps.host.addressesOf(peer)).toSorted().join(' ')
  }

  #lineTo(peer: PeerId): Line {
    if (this.#stopped) throw DhtError.PEER_FAILED({ peer, reason: 'the node is stopping' })
    const known = this.#lines.get(peer)
    if (known === undefined) this.#makeRoom(peer)
    const { host, clock } = this.#deps
    const ended = () => {
      if (this.#lines.get(peer)?.idle === true) this.#lines.delete(peer)
    }
    const line =
      known ?? new Line(peer, { host, clock, protocol: this.#protocol, ended }, this.#config)
    this.#lines.delete(peer)
    this.#lines.set(peer, line)
    return line
  }

  #makeRoom(peer: PeerId): void {
    if (this.#lines.size < this.#config.streamsMax) return
    const idlest = [...this.#lines.values()].find((line) => line.idle)
    if (idlest === undefined) throw DhtError.PEER_BUSY({ peer, waiting: this.#lines.size })
    this.#lines.delete(idlest.peer)
    idlest.stop()
  }
}
