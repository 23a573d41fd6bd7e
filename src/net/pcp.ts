/**
 * The Port Control Protocol, RFC 6887: MAP and ANNOUNCE, and what a router's clock tells.
 *
 *   request                              answer
 *   offset size field                    offset size field
 *        0    1 version, 2                    0    1 version, 2
 *        1    1 opcode                        1    1 opcode, 0x80 added
 *        2    2 0                             2    1 0
 *        4    4 lifetime, seconds             3    1 result
 *        8   16 our address                   4    4 lifetime, seconds
 *                                             8    4 epoch time, seconds
 *                                            12   12 0
 *
 *   MAP, after either (offset 24)
 *        0   12 nonce                        16    2 internal port
 *       12    1 protocol, 6 or 17            18    2 external port
 *       13    3 0                            20   16 external address, IPv4 as ::ffff:a.b.c.d
 *
 * Options may follow an answer; we ask for none and pass over them. Whoever speaks NAT-PMP alone
 * answers in version 0.
 */

import { concatBytes } from '../base/index.ts'
import { embeddedIPv4, ipFromBytes, parseIp } from '../ip/index.ts'
import { Reader, Writer } from '../wire/index.ts'

export const PCP_PORT = 5351
export const PCP_NONCE_BYTES = 12

const VERSION = 2
const ANSWER_BIT = 0x80
const OPCODE_ANNOUNCE = 0
const OPCODE_MAP = 1
const PROTOCOLS = { tcp: 6, udp: 17 } as const
const REQUEST_HEAD_BYTES = 24
const ANSWER_HEAD_BYTES = 24
const MAP_BYTES = 36
/** RFC 6887 §7: no message is longer. */
const MESSAGE_BYTES_MAX = 1_100
const ADDRESS_BYTES = 16

/** One MAP request; a lifetime of zero gives the port back. */
export interface PcpMap {
  readonly clientHost: string
  readonly nonce: Uint8Array
  readonly protocol: 'tcp' | 'udp'
  readonly internalPort: number
  readonly externalPort: number
  readonly externalHost: string | undefined
  readonly lifetimeSeconds: number
}

interface AnswerHead {
  /** Zero is success; `pcpReason` says what the others mean. */
  readonly result: number
  readonly lifetimeSeconds: number
  readonly epochSeconds: number
}

/** What a router answered, as far as we ask for it. */
export type PcpAnswer =
  | { readonly kind: 'other-version'; readonly version: number }
  | (AnswerHead & { readonly kind: 'announce' })
  | (AnswerHead & {
      readonly kind: 'map'
      readonly nonce: Uint8Array
      readonly protocol: 'tcp' | 'udp'
      readonly internalPort: number
      readonly externalPort: number
      readonly externalHost: string
    })

export function encodePcpMap(map: PcpMap): Uint8Array {
  const head = requestHead(OPCODE_MAP, map.lifetimeSeconds, map.clientHost)
  const any = map.clientHost.includes(':') ? '::' : '0.0.0.0'
  const writer = new Writer(MAP_BYTES)
  writer.put(map.nonce).u8(PROTOCOLS[map.protocol]).put(new Uint8Array(3))
  writer.put(u16Bytes(map.internalPort)).put(u16Bytes(map.externalPort))
  writer.put(addressBytes(map.externalHost ?? any))
  return concatBytes(head, writer.end())
}

/** Asks for nothing but the router's epoch (RFC 6887 §14.1). */
export function encodePcpAnnounce(clientHost: string): Uint8Array {
  return requestHead(OPCODE_ANNOUNCE, 0, clientHost)
}

/** Reads an answer; `undefined` for whatever is none. */
export function decodePcpAnswer(bytes: Uint8Array): PcpAnswer | undefined {
  if (bytes.length < 4 || bytes.length > MESSAGE_BYTES_MAX) return undefined
  const reader = new Reader(bytes)
  const version = reader.u8()
  const opcode = reader.u8() - ANSWER_BIT
  if (opcode < 0) return undefined
  if (version !== VERSION) return { kind: 'other-version', version }
  const isMap = opcode === OPCODE_MAP
  const needed = ANSWER_HEAD_BYTES + (isMap ? MAP_BYTES : 0)
  if (bytes.length < needed || bytes.length % 4 !== 0) return undefined
  if (!isMap && opcode !== OPCODE_ANNOUNCE) return undefined

  reader.u8()
  const result = reader.u8()
  const head = { result, lifetimeSeconds: reader.u32(), epochSeconds: reader.u32() }
  reader.take(12)
  return isMap ? mapAnswer(reader, head) : { kind: 'announce', ...head }
}

function mapAnswer(reader: Reader, head: AnswerHead): PcpAnswer | undefined {
  const nonce = Uint8Array.from(reader.take(PCP_NONCE_BYTES))
  const protocol = protocolOf(reader.u8())
  reader.take(3)
  if (protocol === undefined) return undefined
  const [internalPort, externalPort] = [u16(reader), u16(reader)]
  const externalHost = hostOf(reader.take(ADDRESS_BYTES))
  return { kind: 'map', ...head, nonce, protocol, internalPort, externalPort, externalHost }
}

/** What the router's clock said, and ours when it said so, both in seconds. */
export interface Epoch {
  readonly routerSeconds: number
  readonly ourSeconds: number
}

/**
 * Whether the router has kept its state between two answers (RFC 6887 §8.5): its clock went on,
 * and as fast as ours up to one part in sixteen.
 */
export function isPcpEpochKept(before: Epoch, now: Epoch): boolean {
  if (now.routerSeconds + 1 < before.routerSeconds) return false
  const ours = now.ourSeconds - before.ourSeconds
  const routers = now.routerSeconds - before.routerSeconds
  return ours + 2 >= routers - routers / 16 && routers + 2 >= ours - ours / 16
}

/** What a result other than zero means (RFC 6887 §7.4). */
export function pcpReason(result: number): string {
  return REASONS[result] ?? `it refuses with result ${result}`
}

const REASONS: readonly string[] = [
  'it gave nothing',
  'it speaks another version of PCP',
  'it does not allow it, or the port is still held by an earlier run of this node',
  'it cannot read the request',
  'it has no MAP',
  'it misses an option',
  'it cannot read an option',
  'its uplink is down, or has no address yet',
  'it has no room for more mappings',
  'it does not map this protocol',
  'this machine has as many mappings as it allows',
  'it cannot give this external port',
  'another NAT is between this machine and the router',
  'it cannot name so many remote peers',
]

function requestHead(opcode: number, lifetimeSeconds: number, clientHost: string): Uint8Array {
  const writer = new Writer(REQUEST_HEAD_BYTES)
  writer.u8(VERSION).u8(opcode).put(u16Bytes(0)).u32(lifetimeSeconds)
  return writer.put(addressBytes(clientHost)).end()
}

function addressBytes(host: string): Uint8Array {
  const { version, bytes } = parseIp(host)
  return version === 6 ? bytes : parseIp(`::ffff:${host}`).bytes
}

function hostOf(bytes: Uint8Array): string {
  const address = ipFromBytes(Uint8Array.from(bytes))
  const mapped = address.text.startsWith('::ffff:') ? embeddedIPv4(address)[0] : undefined
  return mapped?.text ?? address.text
}

function protocolOf(number: number): 'tcp' | 'udp' | undefined {
  if (number === PROTOCOLS.tcp) return 'tcp'
  return number === PROTOCOLS.udp ? 'udp' : undefined
}

function u16(reader: Reader): number {
  return 256 * reader.u8() + reader.u8()
}

function u16Bytes(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff)
}
