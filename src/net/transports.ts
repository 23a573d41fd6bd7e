/**
 * Multiaddrs: what they say, which of our transports speaks them, how far they reach, and which
 * comes first. Text goes in and out; libp2p's own address objects stay inside this room.
 */

import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { RecentMap } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { SCOPES, type Scope, scopeOf } from '../ip/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { ConnectionInfo } from './host.ts'

export type TransportKind = ConnectionInfo['transport']

/** A multiaddr, taken apart. */
export interface Address {
  /** Without the peer id at its end. */
  readonly text: string
  readonly peer: PeerId | undefined
  readonly transport: TransportKind | 'dnsaddr'
  /** An IP address, or a name still to be resolved; `undefined` for memory addresses. */
  readonly host: AddressHost | undefined
  readonly port: number | undefined
  /** Who relays; only where the address goes through a relay. Host and port are the relay's. */
  readonly relay?: PeerId
}

export interface AddressHost {
  readonly kind: 'ip4' | 'ip6' | 'dns' | 'dns4' | 'dns6' | 'dnsaddr'
  readonly value: string
}

const TEXT_CHARS_MAX = 512
const HOST_KINDS: readonly string[] = ['ip4', 'ip6', 'dns', 'dns4', 'dns6', 'dnsaddr']

/** Takes apart an address that we could dial; says what is wrong with any other. */
export function parseMultiaddr(text: string): Address {
  const address = parseAny(text)
  if (address.transport === 'other') {
    const reason = `we cannot dial ${text.replace(/\/p2p\/[^/]*$/, '').slice(0, 100)}`
    throw invalid(text, `${reason}, for we speak TCP, QUIC (quic-v1) and relays (p2p-circuit)`)
  }
  if (address.port === 0) throw invalid(text, 'port 0 is no port to dial')
  return address
}

/** Takes apart an address to listen on: an IP address with `/tcp/` or `/udp/…/quic-v1`. */
export function parseListenAddress(text: string): Address {
  const address = parseAny(text)
  const isIp = address.host?.kind === 'ip4' || address.host?.kind === 'ip6'
  if (address.transport === 'memory') return address
  if (isIp && (address.transport === 'tcp' || address.transport === 'quic')) return address
  throw invalid(text, 'we listen on IP addresses with /tcp/<port> or /udp/<port>/quic-v1 only')
}

/** Takes apart any multiaddr, also one that we cannot dial. */
export function parseAny(text: string): Address {
  if (text.length > TEXT_CHARS_MAX) throw invalid(text, `it is ${text.length} characters long`)
  if (!text.startsWith('/')) throw invalid(text, 'it does not start with "/"')
  const known = addresses.get(text)
  if (known !== undefined) return known
  let parsed: Multiaddr
  try {
    parsed = multiaddr(text)
  } catch (cause) {
    throw invalid(text, reasonOf(cause), cause)
  }
  const address = fromMultiaddr(parsed, text)
  addresses.set(text, address)
  return address
}

/** The same few addresses come by again and again: in each identify, each answer, each dial. */
const addresses = new RecentMap<string, Address>(4_096)

/** How far the address reaches; `undefined` for names. Memory reaches no further than loopback. */
export function scopeOfAddress({ host, transport }: Address): Scope | undefined {
  if (transport === 'memory') return 'loopback'
  if (host?.kind !== 'ip4' && host?.kind !== 'ip6') return undefined
  return scopeOf(host.value)
}

/** Whether `address` is for everybody who can be met at `scope`: not narrower, never special. */
export function reaches(address: Address, scope: Scope): boolean {
  const own = scopeOfAddress(address)
  if (own === undefined || own === 'special') return false
  return SCOPES.indexOf(own) >= SCOPES.indexOf(scope)
}

/**
 * The order of dialling: IPv6 before IPv4, then QUIC before TCP, and relays after all others;
 * otherwise as they came.
 */
export function compareAddresses(a: Address, b: Address): number {
  return rank(a) - rank(b)
}

/** The address with the peer that must answer there. */
export function withPeer(text: string, peer: PeerId): string {
  return `${text}/p2p/${peer}`
}

function rank({ host, transport, text }: Address): number {
  const family = host?.kind === 'ip6' || host?.kind === 'dns6' ? 0 : 2
  if (transport === 'relay') return 4 + family + (text.includes('/quic-v1/') ? 0 : 1)
  return family + (transport === 'quic' ? 0 : 1)
}

function fromMultiaddr(parsed: Multiaddr, text: string): Address {
  const parts = parsed.getComponents()
  const last = parts.at(-1)
  const peer = last?.name === 'p2p' ? peerOf(last.value, text) : undefined
  const route = peer === undefined ? parts : parts.slice(0, -1)
  const names = route.map(({ name }) => name)
  const host = route.find(({ name }) => HOST_KINDS.includes(name))
  const port = route.find(({ name }) => name === 'tcp' || name === 'udp')?.value
  const transport = transportOf(names)
  const via = transport === 'relay' ? route.findLast(({ name }) => name === 'p2p') : undefined
  return {
    text: peer === undefined ? parsed.toString() : parsed.toString().replace(/\/p2p\/[^/]+$/, ''),
    peer,
    transport,
    host:
      host?.value === undefined
        ? undefined
        : { kind: host.name as AddressHost['kind'], value: host.value },
    port: port === undefined ? undefined : Number(port),
    ...(via !== undefined && { relay: peerOf(via.value, text) }),
  }
}

function peerOf(value: string | undefined, text: string): PeerId {
  try {
    return peerId(value ?? '')
  } catch (cause) {
    throw invalid(text, 'the peer id at its end is not one', cause)
  }
}

function transportOf(names: readonly string[]): Address['transport'] {
  const route = names.filter((name) => name !== 'ip6zone').join('/')
  if (/^(?:[^/]+\/(?:tcp|udp\/quic-v1)\/|memory\/|)p2p\/p2p-circuit$/.test(route)) return 'relay'
  if (/^(?:ip4|ip6|dns4?|dns6)\/tcp$/.test(route)) return 'tcp'
  if (/^(?:ip4|ip6|dns4?|dns6)\/udp\/quic-v1$/.test(route)) return 'quic'
  if (route === 'memory') return 'memory'
  return route === 'dnsaddr' ? 'dnsaddr' : 'other'
}

function invalid(found: string, reason: string, cause?: unknown) {
  return NetError.ADDRESS_INVALID({ found: found.slice(0, 128), reason }, cause)
}
