/**
 * Circuit relay v2 on the wire (libp2p specification relay/circuit-v2.md): varint-framed protobuf
 * messages of at most 4 KiB.
 *
 *   Hop          1 type (0 reserve, 1 connect, 2 status) · 2 Peer · 3 Reservation · 4 Limit ·
 *                5 status
 *   Stop         1 type (0 connect, 1 status) · 2 Peer · 3 Limit · 4 status
 *   Peer         1 id (multihash) · 2 addrs: passed over, as relaying to addresses is deprecated
 *   Reservation  1 expire (Unix seconds) · 2 addrs: binary multiaddr… · 3 voucher (signed envelope)
 *   Limit        1 duration (seconds; 0 none) · 2 data (bytes each way; 0 none)
 */

import { multiaddr } from '@multiformats/multiaddr'
import { type PeerId, peerIdFromBytes, peerIdToBytes } from '../identity/index.ts'
import { WireError } from '../wire/index.ts'
import { allBytesIn, bytesIn, type Field, fieldsOf, Message, numberIn } from './protobuf.ts'

export const HOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/hop'
export const STOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/stop'
export const RELAY_MESSAGE_BYTES_MAX = 4_096
const ADDRESSES_MAX = 16
const ADDRESS_BYTES_MAX = 256

export const RELAY_STATUS = {
  ok: 100,
  refused: 200,
  limitExceeded: 201,
  denied: 202,
  connectionFailed: 203,
  noReservation: 204,
  malformed: 400,
  unexpected: 401,
} as const

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  200: 'it takes no more reservations',
  201: 'one of its limits is reached',
  202: 'it does not permit it',
  203: 'it did not reach the other peer',
  204: 'the other peer has no reservation there',
  400: 'it did not understand us',
  401: 'it did not expect that',
}

/** What a relay's answer means, for people. */
export function relayStatusText(status: number | undefined): string {
  return STATUS_TEXTS[status ?? 0] ?? `it answered with status ${status ?? 'none'}`
}

export interface Reservation {
  readonly expiresAtMs: number
  /** The relay's own multiaddrs, as far as they can be read. */
  readonly addresses: readonly string[]
  readonly voucher?: Uint8Array | undefined
}

/** What a relay lets pass through one circuit; absent or zero where it sets no bound. */
export interface CircuitLimit {
  readonly seconds?: number | undefined
  readonly bytes?: number | undefined
}

export type RelayMessageType = 'reserve' | 'connect' | 'status'

export interface RelayMessage {
  readonly type: RelayMessageType
  readonly peer?: PeerId | undefined
  readonly reservation?: Reservation | undefined
  readonly limit?: CircuitLimit | undefined
  readonly status?: number | undefined
}

/** Which of the two protocols a message is of: their fields are numbered differently. */
interface Layout {
  readonly types: readonly RelayMessageType[]
  readonly reservation: number
  readonly limit: number
  readonly status: number
}

/** No field has this number. */
const NONE = 0
const HOP: Layout = {
  types: ['reserve', 'connect', 'status'],
  reservation: 3,
  limit: 4,
  status: 5,
}
const STOP: Layout = { types: ['connect', 'status'], reservation: NONE, limit: 3, status: 4 }

export const encodeHop = (message: RelayMessage): Uint8Array => encode(HOP, message)
export const decodeHop = (bytes: Uint8Array): RelayMessage => decode(HOP, bytes)
export const encodeStop = (message: RelayMessage): Uint8Array => encode(STOP, message)
export const decodeStop = (bytes: Uint8Array): RelayMessage => decode(STOP, bytes)

function encode(layout: Layout, { type, peer, reservation, limit, status }: RelayMessage) {
  const message = new Message().number(1, layout.types.indexOf(type))
  if (peer !== undefined) message.bytes(2, new Message().bytes(1, peerIdToBytes(peer)).finish())
  if (reservation !== undefined && layout.reservation !== NONE) {
    message.bytes(layout.reservation, encodeReservation(reservation))
  }
  if (limit !== undefined) {
    const { seconds, bytes } = limit
    message.bytes(layout.limit, new Message().number(1, seconds).number(2, bytes).finish())
  }
  return message.number(layout.status, status).finish()
}

function decode(layout: Layout, bytes: Uint8Array): RelayMessage {
  if (bytes.length > RELAY_MESSAGE_BYTES_MAX) {
    const limit = RELAY_MESSAGE_BYTES_MAX
    throw WireError.TOO_LONG({ field: 'relay message', size: bytes.length, limit })
  }
  const fields = fieldsOf(bytes, 'relay message')
  const type = layout.types[Number(numberIn(fields, 1) ?? -1n)]
  if (type === undefined) throw WireError.MALFORMED({ field: 'relay message', found: 'no type' })
  const status = numberIn(fields, layout.status)
  return {
    type,
    peer: peerIn(fields),
    reservation: reservationIn(bytesIn(fields, layout.reservation)),
    limit: limitIn(bytesIn(fields, layout.limit)),
    status: status === undefined ? undefined : Number(status),
  }
}

function encodeReservation({ expiresAtMs, addresses, voucher }: Reservation): Uint8Array {
  const message = new Message().number(1, Math.floor(expiresAtMs / 1_000))
  for (const text of addresses.slice(0, ADDRESSES_MAX)) message.bytes(2, multiaddr(text).bytes)
  return message.bytes(3, voucher).finish()
}

function peerIn(fields: readonly Field[]): PeerId | undefined {
  const peer = bytesIn(fields, 2)
  if (peer === undefined) return undefined
  const id = bytesIn(fieldsOf(peer, 'peer'), 1)
  if (id === undefined) throw WireError.MALFORMED({ field: 'peer', found: 'no id' })
  return peerIdFromBytes(id)
}

function reservationIn(bytes: Uint8Array | undefined): Reservation | undefined {
  if (bytes === undefined) return undefined
  const fields = fieldsOf(bytes, 'reservation')
  return {
    expiresAtMs: Number(numberIn(fields, 1) ?? 0n) * 1_000,
    addresses: addressesIn(fields, 2),
    voucher: bytesIn(fields, 3),
  }
}

/** Multiaddrs of a repeated field, without those that cannot be read and beyond a bound. */
export function addressesIn(fields: readonly Field[], no: number): readonly string[] {
  return allBytesIn(fields, no)
    .slice(0, ADDRESSES_MAX)
    .filter(({ length }) => length <= ADDRESS_BYTES_MAX)
    .flatMap((bytes) => {
      try {
        return [multiaddr(bytes).toString()]
      } catch {
        return []
      }
    })
}

function limitIn(bytes: Uint8Array | undefined): CircuitLimit | undefined {
  if (bytes === undefined) return undefined
  const fields = fieldsOf(bytes, 'limit')
  return { seconds: Number(numberIn(fields, 1) ?? 0n), bytes: Number(numberIn(fields, 2) ?? 0n) }
}
