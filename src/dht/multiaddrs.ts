/** Multiaddrs between their binary form, which kad-dht carries, and text, which the host takes. */

import { CODE_P2P, multiaddr } from '@multiformats/multiaddr'

/** What a component's value may be so that the text means what the bytes meant. */
const PLAIN_VALUE = /^[!-.0-~]+$/

/**
 * The text of a binary multiaddr, without the peer id at its end; `undefined` if it is none, or if
 * its text would be read as another address: a DNS name of `x/tcp/1` smuggles in two components.
 */
export function addressFromBytes(bytes: Uint8Array): string | undefined {
  try {
    const address = multiaddr(bytes)
    const components = address.getComponents()
    if (components.some(({ value }) => value !== undefined && !PLAIN_VALUE.test(value))) return
    const last = components.at(-1)
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
