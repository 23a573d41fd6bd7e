/**
 * NAT-PMP, RFC 6886: what routers spoke before PCP, and many still do. IPv4 only.
 *
 *   external address: request            answer
 *        0    1 version, 0                    0    1 version, 0
 *        1    1 opcode, 0                     1    1 opcode, 128
 *                                             2    2 result
 *                                             4    4 seconds since its state began
 *                                             8    4 external address
 *
 *   mapping: request                     answer
 *        0    1 version, 0                    0    1 version, 0
 *        1    1 opcode, 1 UDP, 2 TCP          1    1 opcode, 128 added
 *        2    2 0                             2    2 result
 *        4    2 internal port                 4    4 seconds since its state began
 *        6    2 external port                 8    2 internal port
 *        8    4 lifetime, seconds            10    2 external port
 *                                            12    4 lifetime, seconds
 *
 * A refusal may end after its first eight bytes.
 */

import { ipFromBytes } from '../ip/index.ts'
import { Reader, Writer } from '../wire/index.ts'
import type { Epoch } from './pcp.ts'

export const NAT_PMP_PORT = 5351

const VERSION = 0
const ANSWER_BIT = 128
const OPCODE_ADDRESS = 0
const OPCODES = { udp: 1, tcp: 2 } as const
const HEAD_BYTES = 8
const ADDRESS_ANSWER_BYTES = 12
const MAP_BYTES = 12
const MAP_ANSWER_BYTES = 16

/** One mapping asked for; a lifetime of zero gives the port back. */
export interface NatPmpMap {
  readonly protocol: 'tcp' | 'udp'
  readonly internalPort: number
  readonly externalPort: number
  readonly lifetimeSeconds: number
}

interface AnswerHead {
  /** Zero is success; `natPmpReason` says what the others mean. */
  readonly result: number
  /** Seconds since the router's table of mappings was empty. */
  readonly epochSeconds: number
}

/** What a router answered. A refusal names the question, and nothing else that could be used. */
export type NatPmpAnswer =
  | (AnswerHead & { readonly kind: 'refused'; readonly asked: 'address' | 'tcp' | 'udp' })
  | (AnswerHead & { readonly kind: 'address'; readonly externalHost: string })
  | (AnswerHead & NatPmpMap & { readonly kind: 'map' })

export function encodeNatPmpAddress(): Uint8Array {
  return Uint8Array.of(VERSION, OPCODE_ADDRESS)
}

export function encodeNatPmpMap(map: NatPmpMap): Uint8Array {
  const writer = new Writer(MAP_BYTES).u8(VERSION).u8(OPCODES[map.protocol])
  for (const value of [0, map.internalPort, map.externalPort]) writer.u8(value >> 8).u8(value & 255)
  return writer.u32(map.lifetimeSeconds).end()
}

/** Reads an answer; `undefined` for whatever is none. */
export function decodeNatPmpAnswer(bytes: Uint8Array): NatPmpAnswer | undefined {
  if (bytes.length < HEAD_BYTES || bytes.length > MAP_ANSWER_BYTES) return undefined
  const reader = new Reader(bytes)
  const version = reader.u8()
  const asked = askedBy(reader.u8() - ANSWER_BIT)
  if (version !== VERSION || asked === undefined) return undefined
  const head = { result: u16(reader), epochSeconds: reader.u32() }
  if (head.result !== 0) return { kind: 'refused', asked, ...head }

  if (asked === 'address') {
    if (bytes.length !== ADDRESS_ANSWER_BYTES) return undefined
    const externalHost = ipFromBytes(Uint8Array.from(reader.take(4))).text
    return { kind: 'address', externalHost, ...head }
  }
  if (bytes.length !== MAP_ANSWER_BYTES) return undefined
  const [internalPort, externalPort] = [u16(reader), u16(reader)]
  const lifetimeSeconds = reader.u32()
  return { kind: 'map', protocol: asked, internalPort, externalPort, lifetimeSeconds, ...head }
}

/**
 * Whether the router has kept its state between two answers (RFC 6886 §3.6): its clock ran seven
 * eighths as fast as ours at least, up to two seconds.
 */
export function isNatPmpEpochKept(before: Epoch, now: Epoch): boolean {
  const elapsed = Math.max(0, now.ourSeconds - before.ourSeconds)
  return now.routerSeconds + 2 >= before.routerSeconds + (elapsed * 7) / 8
}

/** What a result other than zero means (RFC 6886 §3.5). */
export function natPmpReason(result: number): string {
  return REASONS[result] ?? `it refuses with result ${result}`
}

const REASONS: readonly string[] = [
  'it gave nothing',
  'it does not speak NAT-PMP',
  'NAT-PMP is turned off in it, or it does not allow this port',
  'its uplink is down, or has no address yet',
  'it has no room for more mappings',
  'it does not know the request',
]

function askedBy(opcode: number): 'address' | 'tcp' | 'udp' | undefined {
  if (opcode === OPCODE_ADDRESS) return 'address'
  if (opcode === OPCODES.udp) return 'udp'
  return opcode === OPCODES.tcp ? 'tcp' : undefined
}

function u16(reader: Reader): number {
  return 256 * reader.u8() + reader.u8()
}
