/**
 * Internet addresses as values: read strictly, printed in one way only.
 *
 * Only the forms of inet_pton are read: no octal or hexadecimal octets, no short IPv4 ("127.1"), no
 * zones. Lenient parsers disagree on such forms, and a filter that reads an address differently
 * from the socket that dials it is no filter.
 */

import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { assert } from '../base/index.ts'
import { IpError } from './errors.ts'

export const IPV4_BYTES = 4
export const IPV6_BYTES = 16

/** The longest text that inet_pton reads: IPv6 with a dotted IPv4 tail. */
const TEXT_CHARS_MAX = 45

/** One address. Two that are equal have equal `text`, so the text serves as a map key. */
export interface IpAddress {
  readonly version: 4 | 6
  /** In network order: 4 bytes or 16. */
  readonly bytes: Uint8Array
  /** The canonical form of RFC 5952; IPv4-mapped addresses end in dotted IPv4 (its section 5). */
  readonly text: string
}

/** Reads one address, and nothing else in the text. */
export function parseIp(text: string): IpAddress {
  const version = text.length > TEXT_CHARS_MAX || text.includes('%') ? 0 : isIP(text)
  if (version === 0) throw IpError.ADDRESS_INVALID({ found: text.slice(0, 64) })
  return ipFromBytes(Uint8Array.from(ipaddr.parse(text).toByteArray()))
}

/** The address of 4 or 16 bytes; any other number of bytes is the caller's bug. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  assert(bytes.length === IPV4_BYTES || bytes.length === IPV6_BYTES, 'an address has 4 or 16 bytes')
  const version = bytes.length === IPV4_BYTES ? 4 : 6
  return { version, bytes, text: textOf(bytes) }
}

/**
 * The IPv4 addresses that packets to an IPv6 address are really sent to, the host's own first.
 * Empty when there are none. Teredo has two: the client, and the server that opens the way to it.
 */
export function embeddedIPv4(address: IpAddress): readonly IpAddress[] {
  const { version, bytes } = address
  if (version === 4) return []
  const at = (offset: number) => ipFromBytes(bytes.slice(offset, offset + IPV4_BYTES))
  if (startsWith(bytes, MAPPED) || startsWith(bytes, NAT64)) return [at(12)]
  if (startsWith(bytes, SIX_TO_FOUR)) return [at(2)]
  if (!startsWith(bytes, TEREDO)) return []
  const client = bytes.slice(12).map((byte) => byte ^ 0xff)
  return [ipFromBytes(client), at(4)]
}

/** RFC 4291 §2.5.5.2: ::ffff:0:0/96, an IPv4 peer as a dual-stack socket shows it. */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
/** RFC 6052 §2.1: 64:ff9b::/96, the well-known prefix of translators. */
const NAT64 = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
/** RFC 3056 §2: 2002::/16, then the IPv4 address of the site's router. */
const SIX_TO_FOUR = [0x20, 0x02]
/** RFC 4380 §4: 2001::/32, server, flags, then port and client with every bit turned over. */
const TEREDO = [0x20, 0x01, 0, 0]

function textOf(bytes: Uint8Array): string {
  if (!startsWith(bytes, MAPPED) || bytes.length === IPV4_BYTES) {
    return ipaddr.fromByteArray([...bytes]).toString()
  }
  return `::ffff:${bytes.subarray(12).join('.')}`
}

function startsWith(bytes: Uint8Array, head: readonly number[]): boolean {
  return head.every((byte, i) => bytes[i] === byte)
}
