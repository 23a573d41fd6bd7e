/**
 * The list of all connections in one pass.
 *
 * libp2p asks for it with every connection that comes, and so do we; the library's
 * `getConnections()` copies what it has so far once for each peer (libp2p 3.x, `concat` in a
 * loop): with a thousand peers half a million entries each time, a tenth of what connections cost.
 */

import type { Connection } from '@libp2p/interface'

/** What is used of libp2p beyond its public face. */
interface Inside {
  readonly components: { readonly connectionManager: Manager }
}

interface Manager {
  getConnections(peer?: unknown): Connection[]
  getConnectionsMap(): { values(): Iterable<readonly Connection[]> }
}

/** The same libp2p, which lists its connections without copying them again and again. */
export function withFlatConnections<Libp2p extends object>(libp2p: Libp2p): Libp2p {
  const manager = (libp2p as unknown as Inside).components.connectionManager
  const ofPeer = manager.getConnections.bind(manager)
  manager.getConnections = (peer) => {
    if (peer !== undefined) return ofPeer(peer)
    const all: Connection[] = []
    for (const some of manager.getConnectionsMap().values()) all.push(...some)
    return all
  }
  return libp2p
}
