/** Who may do what: the question that every handler asks before it reads a byte. */

import type { PeerId } from '../identity/index.ts'

/**
 * What a peer can ask of us, and `dht.refused`: what it pays for a write that was wasted on us.
 * Whatever is not listed is refused: nothing that changes the host is here, because no peer may
 * ask for it.
 */
export const ACTIONS = [
  'connect',
  'stream',
  'dht.query',
  'dht.put',
  'dht.refused',
  'rpc.call',
  'mcp.call',
  'pubsub.message',
] as const
export type Action = (typeof ACTIONS)[number]

export interface Policy {
  /**
   * Returns when `peer` may do `action` now, and takes its cost from the quota of the peer and of
   * the node. Throws `ACCESS_DENIED` or `ACCESS_QUOTA` otherwise.
   */
  admit(peer: PeerId, action: Action): void
}
