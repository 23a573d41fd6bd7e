/**
 * AutoNAT v2 on the wire (libp2p specification autonat/autonat-v2.md), varint-framed protobuf.
 *
 *   Message           1 DialRequest · 2 DialResponse · 3 DialDataRequest · 4 DialDataResponse
 *   DialRequest       1 addrs: binary multiaddr… · 2 nonce (fixed64)
 *   DialResponse      1 status · 2 addrIdx · 3 dialStatus
 *   DialDataRequest   1 addrIdx · 2 numBytes
 *   DialDataResponse  1 data
 *   DialBack          1 nonce (fixed64)          DialBackResponse  1 status (0: fine)
 */

import { multiaddr } from '@multiformats/multiaddr'
import { WireError } from '../wire/index.ts'
import { allBytesIn, bytesIn, type Field, fieldsOf, Message, numberIn } from './protobuf.ts'

export const DIAL_REQUEST_PROTOCOL = '/libp2p/autonat/2/dial-request'
export const DIAL_BACK_PROTOCOL = '/libp2p/autonat/2/dial-back'
export const AUTONAT_MESSAGE_BYTES_MAX = 8_192
export const DATA_BYTES_MAX = 4_096
const ADDRESSES_MAX = 16
const ADDRESS_BYTES_MAX = 256

export const AUTONAT_STATUS = { internal: 0, rejected: 100, refused: 101, ok: 200 } as const
export const DIAL_STATUS = { unused: 0, failed: 100, dialBackFailed: 101, ok: 200 } as const

export type AutonatMessage =
  | { readonly kind: 'request'; readonly addresses: readonly string[]; readonly nonce: bigint }
  | {
      readonly kind: 'response'
      readonly status: number
      readonly index: number
      readonly dial: number
    }
  | { readonly kind: 'dataRequest'; readonly index: number; readonly bytes: number }
  | { readonly kind: 'data'; readonly data: Uint8Array }

const KINDS = ['request', 'response', 'dataRequest', 'data'] as const

export function encodeAutonat(message: AutonatMessage): Uint8Array {
  return new Message().bytes(KINDS.indexOf(message.kind) + 1, bodyOf(message)).finish()
}

export function decodeAutonat(bytes: Uint8Array): AutonatMessage {
  const [field] = fieldsOf(bytes, 'AutoNAT message')
  const kind = KINDS[(field?.no ?? 0) - 1]
  if (kind === undefined || field === undefined || typeof field.value === 'bigint') {
    throw WireError.MALFORMED({ field: 'AutoNAT message', found: field?.no ?? 'nothing' })
  }
  return decodeBody(kind, fieldsOf(field.value, kind))
}

/** Empty where it cannot be read: the answer counts places in the list. */
function textOf(bytes: Uint8Array): string {
  if (bytes.length > ADDRESS_BYTES_MAX) return ''
  try {
    return multiaddr(bytes).toString()
  } catch {
    return ''
  }
}

/** A nonce as either side of a dial-back sends it. */
export function encodeNonce(nonce: bigint): Uint8Array {
  return new Message().fixed64(1, nonce).finish()
}

export function decodeNonce(bytes: Uint8Array): bigint {
  const nonce = numberIn(fieldsOf(bytes, 'dial back'), 1)
  if (nonce === undefined) throw WireError.MALFORMED({ field: 'dial back', found: 'no nonce' })
  return nonce
}

/** The answer to a nonce; zero, which is fine, may be left out. */
export function encodeDialBackAnswer(): Uint8Array {
  return new Message().number(1, 0).finish()
}

function bodyOf(message: AutonatMessage): Uint8Array {
  const body = new Message()
  switch (message.kind) {
    case 'request':
      for (const text of message.addresses) body.bytes(1, multiaddr(text).bytes)
      return body.fixed64(2, message.nonce).finish()
    case 'response':
      return body
        .number(1, message.status)
        .number(2, message.index)
        .number(3, message.dial)
        .finish()
    case 'dataRequest':
      return body.number(1, message.index).number(2, message.bytes).finish()
    case 'data':
      return body.bytes(1, message.data).finish()
  }
}

function decodeBody(kind: AutonatMessage['kind'], fields: readonly Field[]): AutonatMessage {
  const number = (no: number) => Number(numberIn(fields, no) ?? 0n)
  switch (kind) {
    case 'request': {
      const nonce = numberIn(fields, 2)
      if (nonce === undefined) throw WireError.MALFORMED({ field: 'nonce', found: 'none' })
      return { kind, addresses: allBytesIn(fields, 1).slice(0, ADDRESSES_MAX).map(textOf), nonce }
    }
    case 'response':
      return { kind, status: number(1), index: number(2), dial: number(3) }
    case 'dataRequest':
      return { kind, index: number(1), bytes: number(2) }
    case 'data':
      return { kind, data: bytesIn(fields, 1) ?? new Uint8Array() }
  }
}
