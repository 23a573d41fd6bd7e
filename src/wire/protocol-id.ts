/** Names of protocols on the wire. A network other than `main` is part of the name. */

import { WireError } from './errors.ts'

/** The network that stands in no name. */
export const MAIN_NETWORK = 'main'

/** `/p2p-foundation/<room>/<version>`, or `/p2p-foundation/<network>/<room>/<version>`. */
export function protocolId(network: string, room: string, version: string): string {
  return `/p2p-foundation/${inNetwork(network)}${room}/${version}`
}

/** `/p2p/kad/1.0.0`, or `/p2p/<network>/kad/1.0.0`. */
export function kadProtocolId(network: string): string {
  return `/p2p/${inNetwork(network)}kad/1.0.0`
}

function inNetwork(network: string): string {
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(network)) {
    throw WireError.MALFORMED({ field: 'network name', found: network })
  }
  return network === MAIN_NETWORK ? '' : `${network}/`
}
