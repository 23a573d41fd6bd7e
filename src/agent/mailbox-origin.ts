/**
 * On whose account lies what a peer leaves here: the network that it speaks from, as the DHT counts
 * peers (/16 of IPv4, /32 of IPv6), for peers cost nothing and networks do. Behind a router or on
 * one machine nobody says where a peer is: then it is the peer itself. Whoever comes through relays
 * of one network has one account with all others who do, or a relay would turn one host into many.
 */

import { hasCode } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { groupOf, scopeOf } from '../ip/index.ts'
import type { ConnectionInfo } from '../net/index.ts'

const SITE_BITS = { v4: 16, v6: 32 }
const HOST = /^\/ip[46]\/([^/]+)\//

/** The account of `peer`, by the connections that there are. */
export function mailOrigin(
  peer: PeerId,
  connections: readonly Pick<ConnectionInfo, 'peer' | 'address' | 'path'>[],
): string {
  const own = connections.filter((one) => one.peer === peer)
  const direct = own.find(({ path }) => path !== 'relayed')
  if (direct !== undefined) return networkOf(direct.address) ?? peer
  // The address of a relayed connection begins with the relay's.
  const [relayed] = own
  return relayed === undefined ? peer : `relayed ${networkOf(relayed.address) ?? 'here'}`
}

/** Undefined where the address says nothing about a place in the internet. */
function networkOf(address: string): string | undefined {
  const host = HOST.exec(address)?.[1]
  if (host === undefined) return undefined
  try {
    return scopeOf(host) === 'global' ? groupOf(host, SITE_BITS) : undefined
  } catch (error) {
    // An address with a zone is of the link.
    if (hasCode(error, 'IP_ADDRESS_INVALID')) return undefined
    throw error
  }
}
