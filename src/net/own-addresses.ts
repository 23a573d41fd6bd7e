/**
 * What we announce of ourselves: libp2p's own list holds the addresses of this machine that are not
 * global, for it verifies no others. To these come global ones until somebody fails to reach them,
 * those that were found to be public, and those of our relays.
 */

import type { Libp2p, PeerStore } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { PeerId } from '../identity/index.ts'
import { compareAddresses, parseAny, scopeOfAddress, withPeer } from './transports.ts'

/** What a node wants to be dialled at, found out as it goes. */
export interface Announced {
  /** Addresses beyond libp2p's own, without our peer id. */
  extra(): readonly string[]
}

const ADDRESSES_MAX = 24

/** Filters and completes what libp2p announces; `found` is asked each time. */
export function announceFilter(
  self: PeerId,
  isFixed: boolean,
  found: () => Announced | undefined,
): (all: Multiaddr[]) => Multiaddr[] {
  return (all) => {
    const listed = all.map((address) => parseAny(address.toString()))
    const extra = isFixed ? [] : (found()?.extra() ?? []).map(parseAny)
    const unique = new Map([...listed, ...extra].map((address) => [address.text, address]))
    return (
      [...unique.values()]
        // A link-local address says nothing without its zone, which only this machine knows.
        .filter((address) => scopeOfAddress(address) !== 'link')
        .sort(compareAddresses)
        .slice(0, ADDRESSES_MAX)
        .map(({ text, peer }) => multiaddr(withPeer(text, peer ?? self)))
    )
  }
}

/** Tells libp2p, and through it our peers, that what we announce has changed. */
export async function announceAgain(
  libp2p: Pick<Libp2p, 'getMultiaddrs' | 'peerId'> & {
    readonly peerStore: Pick<PeerStore, 'patch'>
  },
): Promise<void> {
  const multiaddrs = libp2p.getMultiaddrs().map((one) => multiaddr(parseAny(one.toString()).text))
  await libp2p.peerStore.patch(libp2p.peerId, { multiaddrs })
}
