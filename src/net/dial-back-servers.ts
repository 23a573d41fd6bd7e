/**
 * Who can be asked to dial us: those we are directly connected to, one of each network, for only
 * networks that are not ours say something, and each says it once. This is asked with every peer
 * that comes, so what is found out of a connection is kept with it.
 */

import type { Connection } from '@libp2p/interface'
import { groupOf, type Scope } from '../ip/index.ts'
import { addressOfConnection, ipOfConnection, isRelayed } from './paths.ts'
import { reaches } from './transports.ts'

const NETWORK_BITS = { v4: 16, v6: 32 }

export class DialBackServers {
  readonly #scope: Scope
  readonly #connections: () => readonly Connection[]
  /** Undefined for those that cannot be asked. */
  readonly #networks = new WeakMap<Connection, string | undefined>()

  constructor(scope: Scope, connections: () => readonly Connection[]) {
    this.#scope = scope
    this.#connections = connections
  }

  list(): readonly Connection[] {
    const byNetwork = new Map<string, Connection>()
    for (const connection of this.#connections()) {
      const network = this.#networkOf(connection)
      if (network === undefined || connection.status !== 'open') continue
      if (!byNetwork.has(network)) byNetwork.set(network, connection)
    }
    return [...byNetwork.values()]
  }

  #networkOf(connection: Connection): string | undefined {
    if (this.#networks.has(connection)) return this.#networks.get(connection)
    const ip = ipOfConnection(connection) ?? '0.0.0.0'
    const isFar = !isRelayed(connection) && reaches(addressOfConnection(connection), this.#scope)
    const network = isFar ? groupOf(ip, NETWORK_BITS) : undefined
    this.#networks.set(connection, network)
    return network
  }
}
