/**
 * A peer that connects to us anew may have lost the connections that it had: it was started again,
 * or its network changed. We would go on using them until they are silent for too long, half a
 * minute over QUIC, and what is sent over them is lost. So each older connection to it must answer
 * a ping soon, or it is closed.
 *
 * How soon, the new one says: the time counts from its own answer to the same question. A peer or a
 * machine that is busy is late on both, and loses neither. One through a relay says nothing of the
 * direct ones: on those something may just be sent again, as where large packets are dropped.
 */

import type { Connection, Libp2p } from '@libp2p/interface'
import { type Clock, type Logger, race } from '../base/index.ts'
import { NetError } from './errors.ts'
import { pingOver } from './over-live.ts'
import { isRelayed } from './paths.ts'

export interface OlderConnectionsDeps {
  readonly libp2p: Pick<Libp2p, 'addEventListener' | 'getConnections'>
  readonly clock: Clock
  readonly log: Logger
  /** One round trip over a connection. */
  readonly ping?: typeof pingOver
}

/** For what was lost on the way to be sent again. */
const BEHIND_MS = 3_000
/** Who does not answer on the new connection either is busy, or does not speak ping. */
const ANSWER_MS = 10_000
const UNANSWERED = 'it did not answer, and its peer has a newer one'

/** Looks at each connection that is opened, for as long as `libp2p` lives. */
export class OlderConnections {
  readonly #deps: OlderConnectionsDeps
  /** Those that are being asked: each one question at a time. */
  readonly #asked = new Set<Connection>()

  constructor(deps: OlderConnectionsDeps) {
    this.#deps = deps
    deps.libp2p.addEventListener('connection:open', ({ detail }) => this.#look(detail))
  }

  #look(newest: Connection): void {
    const isComparable = (one: Connection) => isRelayed(one) || !isRelayed(newest)
    const older = this.#deps.libp2p.getConnections(newest.remotePeer).filter((one) => {
      return one !== newest && one.status === 'open' && !this.#asked.has(one) && isComparable(one)
    })
    if (older.length === 0) return
    for (const one of older) this.#asked.add(one)
    void this.#compare(older, newest).finally(() => {
      for (const one of older) this.#asked.delete(one)
    })
  }

  async #compare(older: readonly Connection[], newest: Connection): Promise<void> {
    const { clock, ping = pingOver } = this.#deps
    using whole = clock.deadline(ANSWER_MS + 2 * BEHIND_MS)
    const silent = new Set(older)
    for (const one of older) {
      // A refusal is an answer too: of who does not speak ping, or of one that is closed by now.
      const heard = () => silent.delete(one)
      ping(one, clock, whole.signal).then(heard, heard)
    }
    using answer = clock.deadline(ANSWER_MS)
    const isThere = await race(ping(newest, clock, answer.signal), answer.signal).then(
      () => true,
      () => false,
    )
    if (!isThere) return
    await clock.sleep(BEHIND_MS)
    for (const one of silent) if (one.status === 'open') this.#close(one)
  }

  #close(connection: Connection): void {
    this.#deps.log.debug('older connection closed', { peer: connection.remotePeer.toString() })
    connection.abort(NetError.CONNECTION_DROPPED({ reason: UNANSWERED }))
  }
}
