/** What is told of open connections; what of it never changes is worked out once for each. */

import type { Connection } from '@libp2p/interface'
import { peerId } from '../identity/index.ts'
import type { ConnectionInfo } from './host.ts'
import { addressOfConnection, pathOf } from './paths.ts'

type Fixed = Pick<ConnectionInfo, 'peer' | 'address' | 'transport'>

export class ConnectionFacts {
  /** Asked for with every connection that opens, and with a thousand of them that is often. */
  readonly #fixed = new WeakMap<Connection, Fixed>()

  /** A connection as `p2p peers` shows it. */
  of(connection: Connection): ConnectionInfo {
    return {
      ...this.fixed(connection),
      path: pathOf(connection),
      direction: connection.direction,
      openedAtMs: connection.timeline.open,
      streams: connection.streams.length,
    }
  }

  /** Who is at the other end, and how we are connected. */
  fixed(connection: Connection): Fixed {
    const known = this.#fixed.get(connection)
    if (known !== undefined) return known
    const address = addressOfConnection(connection)
    const fixed: Fixed = {
      peer: peerId(connection.remotePeer.toString()),
      address: address.text,
      transport: address.transport === 'dnsaddr' ? 'other' : address.transport,
    }
    this.#fixed.set(connection, fixed)
    return fixed
  }
}
