/**
 * Multiaddrs between their binary form, which kad-dht carries, and text, which the host takes.
 *
 * `/ip4/192.0.2.1/udp/9000`, with nothing after the port, says where a peer of our network takes
 * questions as datagrams: every libp2p can read it, and none takes it for an address to dial. An
 * answer names 20 of them, so they have a way of their own past the library, for IPv4:
 *
 *   04 · address (4) · 91 02 · port (2)
 */

import { CODE_P2P, multiaddr } from '@multiformats/multiaddr'
import { RecentMap } from '../base/index.ts'
import { parseIp } from '../ip/index.ts'
import type { UdpEndpoint } from '../net/index.ts'

/** What a component's value may be so that the text means what the bytes meant. */
const PLAIN_VALUE = /^[!-.0-~]+$/
const DATAGRAM = /^\/ip([46])\/([^/]{2,45})\/udp\/([1-9]\d{0,4})$/
const DOTTED = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const IP4 = 0x04
const UDP_HIGH = 0x91
const UDP_LOW = 0x02
const DATAGRAM_BYTES = 9
const PORT_MAX = 65_535

/**
 * The text of a binary multiaddr, without the peer id at its end; `undefined` if it is none, or if
 * its text would be read as another address: a DNS name of `x/tcp/1` smuggles in two components.
 */
export function addressFromBytes(bytes: Uint8Array): string | undefined {
  if (isDatagramOverIp4(bytes)) {
    const port = (bytes[7] ?? 0) * 256 + (bytes[8] ?? 0)
    return `/ip4/${bytes[1]}.${bytes[2]}.${bytes[3]}.${bytes[4]}/udp/${port}`
  }
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
  const [, version, host = '', port] = DATAGRAM.exec(address) ?? []
  const datagram = version === '4' ? datagramBytes(host, Number(port)) : undefined
  if (datagram !== undefined) return datagram
  try {
    return multiaddr(address).bytes
  } catch {
    return undefined
  }
}

/** Where a peer takes datagrams, if that is what the address says. */
export function datagramEndpoint(address: string): UdpEndpoint | undefined {
  const known = endpoints.get(address)
  if (known !== undefined) return known
  const endpoint = readEndpoint(address)
  if (endpoint !== undefined) endpoints.set(address, endpoint)
  return endpoint
}

/** Each answer tells of 20 peers, and others have told of most of them before. */
const ENDPOINTS_MAX = 8_192
const endpoints = new RecentMap<string, UdpEndpoint>(ENDPOINTS_MAX)

function readEndpoint(address: string): UdpEndpoint | undefined {
  const [, version, host, digits] = DATAGRAM.exec(address) ?? []
  const port = Number(digits)
  if (host === undefined || port > PORT_MAX) return undefined
  try {
    const ip = parseIp(host)
    return String(ip.version) === version ? { host: ip.text, port } : undefined
  } catch {
    return undefined
  }
}

/** The address that says so. */
export function datagramAddress({ host, port }: UdpEndpoint): string {
  return `/ip${host.includes(':') ? 6 : 4}/${host}/udp/${port}`
}

/** Whether this is the address of a datagram face, which no stream can be dialled at. */
export function isDatagramAddress(address: string): boolean {
  return DATAGRAM.test(address)
}

function isDatagramOverIp4(bytes: Uint8Array): boolean {
  const { length } = bytes
  if (length !== DATAGRAM_BYTES || bytes[0] !== IP4) return false
  return bytes[5] === UDP_HIGH && bytes[6] === UDP_LOW
}

/** `undefined` for what the library should judge. */
function datagramBytes(host: string, port: number): Uint8Array | undefined {
  const parts = DOTTED.exec(host)
  if (parts === null || port > PORT_MAX) return undefined
  const bytes = new Uint8Array(DATAGRAM_BYTES)
  bytes[0] = IP4
  for (let i = 1; i <= 4; i += 1) {
    const part = Number(parts[i])
    if (part > 0xff || parts[i] !== String(part)) return undefined
    bytes[i] = part
  }
  bytes[5] = UDP_HIGH
  bytes[6] = UDP_LOW
  bytes[7] = port >> 8
  bytes[8] = port & 0xff
  return bytes
}
