/** One try to meet a peer without the relay: begins what may lead there, and waits for a while. */

import type { Connection } from '@libp2p/interface'
import { type Clock, race } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { NetMetrics } from './metrics.ts'
import { directTo, type OpenConnections } from './paths.ts'
import { type PunchAttempt, PunchAttempts } from './punch-attempts.ts'
import type { Address } from './transports.ts'

export interface PunchTriesDeps {
  readonly libp2p: OpenConnections
  readonly clock: Clock
  readonly metrics: Pick<NetMetrics, 'punches'>
}

export type Begun = Pick<PunchAttempt, 'peer' | 'kind' | 'role'> & {
  readonly targets: readonly Address[]
}

const WINDOW_MS = 3_000
/** The dial that won has a few turns to go when its connection is announced. */
const SETTLE_MS = 500

export class PunchTries {
  readonly #deps: PunchTriesDeps
  readonly #stopped: AbortSignal
  readonly #waiting = new Map<PeerId, Set<(connection: Connection) => void>>()
  readonly #attempts = new PunchAttempts()

  constructor(deps: PunchTriesDeps, stopped: AbortSignal) {
    this.#deps = deps
    this.#stopped = stopped
  }

  /** The last tries, the newest last. */
  get attempts(): readonly PunchAttempt[] {
    return this.#attempts.all
  }

  /** A connection without a relay has come. */
  came(peer: PeerId, connection: Connection): void {
    for (const resolve of this.#waiting.get(peer) ?? []) resolve(connection)
  }

  /** The direct connection that came of it, if one did. */
  async run(
    { peer, kind, role, targets }: Begun,
    begin: (signal: AbortSignal) => readonly Promise<unknown>[],
    signal: AbortSignal,
  ): Promise<Connection | undefined> {
    const { clock, metrics } = this.#deps
    const startedMs = clock.now()
    const reasons: string[] = []
    const over = new AbortController()
    const coming = this.#coming(peer, signal)
    for (const one of begin(over.signal)) {
      one.catch((error: unknown) => {
        reasons.push(reasonOf(error))
      })
    }
    const won = directTo(this.#deps.libp2p, peer) ?? (await coming)
    this.#end(over, won === undefined ? 0 : SETTLE_MS)
    const outcome = won === undefined ? 'failed' : 'connected'
    metrics.punches.add(1, { transport: kind, outcome })
    this.#attempts.add({
      peer,
      atMs: startedMs,
      kind,
      role,
      targets: targets.map(({ text }) => text),
      outcome,
      tookMs: clock.now() - startedMs,
      ...(won === undefined && { reason: reasons[0] ?? 'nothing came through' }),
    })
    return won
  }

  async #coming(peer: PeerId, signal: AbortSignal): Promise<Connection | undefined> {
    const { clock, libp2p } = this.#deps
    const { promise, resolve } = Promise.withResolvers<Connection>()
    const all = this.#waiting.get(peer) ?? new Set()
    this.#waiting.set(peer, all.add(resolve))
    using time = clock.deadline(WINDOW_MS, signal)
    try {
      return await race(promise, time.signal)
    } catch {
      return directTo(libp2p, peer)
    } finally {
      all.delete(resolve)
      if (all.size === 0) this.#waiting.delete(peer)
    }
  }

  #end(over: AbortController, afterMs: number): void {
    const end = () => {
      over.abort(NetError.CONNECTION_DROPPED({ reason: 'the try is over' }))
    }
    if (afterMs === 0) end()
    else this.#deps.clock.sleep(afterMs, this.#stopped).then(end, end)
  }
}
