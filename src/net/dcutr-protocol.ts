/**
 * DCUtR on the wire (libp2p specification relay/DCUtR.md), varint-framed protobuf of up to 4 KiB.
 *
 *   HolePunch   1 type (100 connect, 300 sync) · 2 ObsAddrs: binary multiaddr…
 */

import { multiaddr } from '@multiformats/multiaddr'
import { WireError } from '../wire/index.ts'
import { fieldsOf, Message, numberIn } from './protobuf.ts'
import { addressesIn } from './relay-protocol.ts'

export const DCUTR_PROTOCOL = '/libp2p/dcutr'
export const DCUTR_MESSAGE_BYTES_MAX = 4_096

const TYPES = { connect: 100, sync: 300 } as const

export interface HolePunch {
  readonly type: keyof typeof TYPES
  readonly addresses: readonly string[]
}

export function encodeHolePunch({ type, addresses }: HolePunch): Uint8Array {
  const message = new Message().number(1, TYPES[type])
  for (const text of addresses) message.bytes(2, multiaddr(text).bytes)
  return message.finish()
}

export function decodeHolePunch(bytes: Uint8Array): HolePunch {
  const fields = fieldsOf(bytes, 'hole punch')
  const found = Number(numberIn(fields, 1) ?? 0n)
  const addresses = addressesIn(fields, 2)
  if (found === TYPES.connect) return { type: 'connect', addresses }
  if (found === TYPES.sync) return { type: 'sync', addresses }
  throw WireError.MALFORMED({ field: 'hole punch', found })
}
