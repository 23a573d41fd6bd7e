/** Multiaddrs between their binary form, which kad-dht carries, and text, which the host takes. */

import { CODE_P2P, multiaddr } from '@multiformats/multiaddr'

/** The text of a binary multiaddr, without the peer id at its end; `undefined` if it is none. */
export function addressFromBytes(bytes: Uint8Array): string | undefined {
  try {
    const address = multiaddr(bytes)
    const last = address.getComponents().at(-1)
    return (last?.code === CODE_P2P ? address.decapsulateCode(CODE_P2P) : address).toString()
  } catch {
    return undefined
  }
}

export function addressToBytes(address: string): Uint8Array | undefined {
  try {
    return multiaddr(address).bytes
  } catch {
    return undefined
  }
}
