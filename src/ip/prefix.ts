/** Address prefixes, and the groups that limits count by: one holder of a prefix is one group. */

import { assert } from '../base/index.ts'
import { embeddedIPv4, type IpAddress, ipFromBytes, parseIp } from './address.ts'
import { IpError } from './errors.ts'

/** An address whose bits beyond `bits` are zero. */
export interface IpPrefix {
  readonly address: IpAddress
  readonly bits: number
}

/** How many leading bits of each version tell two groups apart. */
export interface GroupBits {
  readonly v4: number
  readonly v6: number
}

/** Reads `address/length`; bits set beyond the length are refused, for they are a typing error. */
export function parsePrefix(text: string): IpPrefix {
  const [, address = '', digits = ''] = /^([^/]{1,45})\/(0|[1-9]\d{0,2})$/.exec(text) ?? []
  if (digits === '') throw IpError.PREFIX_INVALID({ found: text.slice(0, 64) })
  const whole = parseIp(address)
  const bits = Number(digits)
  if (bits > 8 * whole.bytes.length || masked(whole.bytes, bits).text !== whole.text) {
    throw IpError.PREFIX_INVALID({ found: text })
  }
  return { address: whole, bits }
}

/** Whether `address` lies in `prefix`; an address of the other version never does. */
export function contains(prefix: IpPrefix, address: IpAddress): boolean {
  if (prefix.address.version !== address.version) return false
  return masked(address.bytes, prefix.bits).text === prefix.address.text
}

/**
 * The group of an address as prefix text: `groupOf('192.0.2.7', { v4: 24, v6: 56 })` is
 * `192.0.2.0/24`. IPv6 that carries IPv4 (mapped, NAT64, 6to4, Teredo) falls into the group of that
 * IPv4, so that one host does not count twice and all users of one Teredo server not as one.
 */
export function groupOf(text: string, bits: GroupBits): string {
  const whole = parseIp(text)
  const address = embeddedIPv4(whole)[0] ?? whole
  const length = address.version === 4 ? bits.v4 : bits.v6
  assert(
    length >= 0 && length <= 8 * address.bytes.length,
    'a prefix is no longer than its address',
  )
  return `${masked(address.bytes, length).text}/${length}`
}

function masked(bytes: Uint8Array, bits: number): IpAddress {
  return ipFromBytes(
    bytes.map((byte, i) => {
      const kept = Math.min(8, Math.max(0, bits - 8 * i))
      return byte & (0xff << (8 - kept))
    }),
  )
}
