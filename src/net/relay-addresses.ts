/**
 * Where others reach us through a relay: of the addresses that it names, and the one that we reach
 * it by, one of each kind, so that whoever lacks IPv6 or UDP finds a way. Sans I/O.
 */

import type { PeerId } from '../identity/index.ts'
import type { Reservation } from './relay-protocol.ts'
import { type Address, parseAny, reaches, scopeOfAddress } from './transports.ts'

/** Per relay; two relays and our own addresses fit into what others will dial. */
const ADDRESSES_MAX = 4

/** Addresses through `relay`, each ending in `/p2p-circuit`; `via` is where we are connected. */
export function relayAddresses(
  via: string,
  relay: PeerId,
  { addresses }: Pick<Reservation, 'addresses'>,
): readonly string[] {
  const met = parseAny(via)
  const scope = scopeOfAddress(met) ?? 'global'
  const all = [met, ...addresses.flatMap((text) => tryParse(text))]
    .filter(({ transport }) => ['quic', 'tcp', 'memory'].includes(transport))
    .filter(({ peer }) => peer === undefined || peer === relay)
    // What reaches less far than the way that we came is of no use to those who are there.
    .filter((address) => address === met || reaches(address, scope))
  const kinds = new Map<string, string>()
  for (const address of all) {
    const kind = `${address.transport} ${address.host?.kind ?? ''}`
    if (!kinds.has(kind)) kinds.set(kind, `${address.text}/p2p/${relay}/p2p-circuit`)
  }
  return [...kinds.values()].slice(0, ADDRESSES_MAX)
}

function tryParse(text: string): readonly Address[] {
  try {
    return [parseAny(text)]
  } catch {
    return []
  }
}
