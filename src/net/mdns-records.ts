/**
 * The messages by which peers on one link find each other (libp2p specification, discovery/mdns.md,
 * over RFC 6762 and RFC 1035).
 *
 *   query    question     PTR _p2p._udp.local
 *   answer   answer       PTR _p2p._udp.local → <name>._p2p._udp.local
 *            additional   TXT <name>._p2p._udp.local "dnsaddr=/ip6/…/p2p/<peer>", one an address
 *
 * An answer that would not fit one unfragmented IPv6 packet is sent as several, each complete. What
 * arrives is a hint from anybody on the link: read whole or not at all, and only what we can dial.
 */

import * as dns from 'dns-packet'
import { concatBytes, fromUtf8, type Random, utf8 } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { parseIp, type Scope, scopeOf } from '../ip/index.ts'
import { MAIN_NETWORK } from '../wire/index.ts'

/** How long a record that we send may be believed; longer claims are cut to this. */
export const TTL_SECONDS = 120
/** RFC 6762 §17. */
export const MESSAGE_BYTES_MAX = 9_000
/** Questions and records in one message, whatever they are of. */
const ENTRIES_MAX = 128
/** Addresses that we read from one message, and that we send of ourselves. */
export const ADDRESSES_MAX = 8
/** Texts of one message that we look at to find them. */
const READ_MAX = 2 * ADDRESSES_MAX
/** The smallest IPv6 packet that every link carries, without the headers (RFC 8200 §5). */
const ANSWER_BYTES_MAX = 1_280 - 40 - 8
const HEADER_BYTES = 12
const TEXT_PREFIX = 'dnsaddr='
/** One character string of a TXT record has a length byte (RFC 1035 §3.3). */
const STRING_BYTES_MAX = 255
/** The libp2p specification asks for at least 32 characters. */
const NAME_CHARS = 32
const PORT_MAX = 65_535
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** An address of a peer, taken from a record: `address` ends in `/p2p/<peer>`. */
export interface Announced {
  readonly peer: PeerId
  readonly address: string
  /** The IP address inside, in canonical form. */
  readonly ip: string
  readonly scope: Scope
  readonly ttlSeconds: number
}

export type Message =
  | { readonly kind: 'query' }
  | { readonly kind: 'answer'; readonly announced: readonly Announced[] }

/** The DNS name that the peers of a network ask for. */
export function serviceName(network: string): string {
  return network === MAIN_NETWORK ? '_p2p._udp.local' : `_p2p-${network}._udp.local`
}

/** A name for this run of the node, which tells nothing about it. */
export function newPeerName(random: Random): string {
  return Array.from({ length: NAME_CHARS }, () => ALPHABET[random.int(ALPHABET.length)]).join('')
}

export function encodeQuery(service: string): Uint8Array {
  return dns.encode({ type: 'query', questions: [{ type: 'PTR', class: 'IN', name: service }] })
}

/** As many messages as it takes; none when there is no address to tell. */
export function encodeAnswers(
  service: string,
  name: string,
  addresses: readonly string[],
): Uint8Array[] {
  const messages: Uint8Array[] = []
  let group: string[] = []
  for (const address of addresses.filter(fitsString).slice(0, ADDRESSES_MAX)) {
    const more = [...group, address]
    if (group.length > 0 && encodeAnswer(service, name, more).length > ANSWER_BYTES_MAX) {
      messages.push(encodeAnswer(service, name, group))
      group = [address]
    } else {
      group = more
    }
  }
  if (group.length > 0) messages.push(encodeAnswer(service, name, group))
  return messages
}

/** What a message says about `service`; `undefined` when that is nothing, or no sound message. */
export function decodeMessage(bytes: Uint8Array, service: string): Message | undefined {
  if (!isWorthReading(bytes, service)) return undefined
  let packet: dns.DecodedPacket
  try {
    packet = dns.decode(Buffer.from(bytes))
  } catch {
    return undefined
  }
  if (packet.type === 'query') {
    const asked = packet.questions?.some(({ type, name }) => isPointer(type) && name === service)
    return asked === true ? { kind: 'query' } : undefined
  }
  const records = [...(packet.answers ?? []), ...(packet.additionals ?? [])]
  const texts = records
    .flatMap((record) => (record.type === 'TXT' ? [record] : []))
    .filter(({ name }) => name.endsWith(`.${service}`))
  const found = new Map<string, Announced>()
  // Reading one means to check a key, so those that nobody can read are bounded as well.
  for (const { address, ttlSeconds } of texts.flatMap(addressesIn).slice(0, READ_MAX)) {
    const read = readLinkAddress(address)
    if (read !== undefined) found.set(read.address, { ...read, ttlSeconds })
  }
  return { kind: 'answer', announced: [...found.values()].slice(0, ADDRESSES_MAX) }
}

/**
 * Reads one multiaddr as far as it is one that we dial on a link: an IP address, TCP or QUIC, and
 * the peer. No names, which would make us ask a resolver, no relays, and no zone of another host.
 */
export function readLinkAddress(text: string): Omit<Announced, 'ttlSeconds'> | undefined {
  const match = LINK_ADDRESS.exec(text)
  if (match === null) return undefined
  const [, family, host = '', transport = '', tcpPort, udpPort, id = ''] = match
  try {
    const ip = parseIp(host)
    if (`ip${ip.version}` !== family || Number(tcpPort ?? udpPort) > PORT_MAX) return undefined
    const peer = peerId(id)
    const address = `/${family}/${ip.text}/${transport}/p2p/${peer}`
    return { peer, address, ip: ip.text, scope: scopeOf(ip.text) }
  } catch {
    return undefined
  }
}

const LINK_ADDRESS =
  /^\/(ip[46])\/([^/]{2,45})\/(tcp\/([1-9]\d{0,4})|udp\/([1-9]\d{0,4})\/quic-v1)\/p2p\/(.+)$/

function encodeAnswer(service: string, name: string, addresses: readonly string[]): Uint8Array {
  const full = `${name}.${service}`
  const head = { class: 'IN', ttl: TTL_SECONDS } as const
  return dns.encode({
    type: 'response',
    flags: dns.AUTHORITATIVE_ANSWER,
    answers: [{ ...head, type: 'PTR', name: service, data: full }],
    additionals: addresses.map((address) => {
      return { ...head, type: 'TXT' as const, name: full, data: [`${TEXT_PREFIX}${address}`] }
    }),
  })
}

function fitsString(address: string): boolean {
  return utf8(`${TEXT_PREFIX}${address}`).length <= STRING_BYTES_MAX
}

/**
 * The header's counts are a peer's claim and dns-packet allocates by them, so they are read first.
 * The service's first label is in every message about it, however names are compressed; most
 * messages on a link do not have it and are not decoded.
 */
function isWorthReading(bytes: Uint8Array, service: string): boolean {
  if (bytes.length < HEADER_BYTES || bytes.length > MESSAGE_BYTES_MAX) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries = [4, 6, 8, 10].reduce((sum, at) => sum + view.getUint16(at), 0)
  if (entries === 0 || entries > ENTRIES_MAX) return false
  const label = service.slice(0, service.indexOf('.'))
  const start = concatBytes(Uint8Array.of(label.length), utf8(label))
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(start)
}

function isPointer(type: string): boolean {
  return type === 'PTR' || type === 'ANY'
}

function addressesIn(record: dns.TxtAnswer): { address: string; ttlSeconds: number }[] {
  const ttlSeconds = Math.min(TTL_SECONDS, record.ttl ?? 0)
  if (ttlSeconds === 0) return []
  const strings = Array.isArray(record.data) ? record.data : [record.data]
  return strings.slice(0, ADDRESSES_MAX).flatMap((string) => {
    const text = textOf(string)
    if (text === undefined || !text.startsWith(TEXT_PREFIX)) return []
    return [{ address: text.slice(TEXT_PREFIX.length), ttlSeconds }]
  })
}

function textOf(string: string | Buffer): string | undefined {
  try {
    return typeof string === 'string' ? string : fromUtf8(string)
  } catch {
    return undefined
  }
}
