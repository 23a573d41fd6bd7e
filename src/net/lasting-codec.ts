/**
 * Messages of a lasting channel, sans I/O. Each is one frame; numbers are big endian.
 *
 *   1 hello     flags 1 (bit 0: new) · session 16 · position · window · length 1 · protocol
 *   2 welcome   position · window
 *   3 refuse    reason 1
 *   4 data      number 8 · payload, to the end
 *   5 end       number 8
 *   6 receipt   taken 8
 *   7 drop      reason 1
 *
 *   position    received 8 · taken 8, not above received
 *   window      frames 4, at least 1 · bytes 4, at least the largest payload
 *   number      from 1
 *   protocol    1 to 128 printable characters of ASCII, no space
 */

import { concatBytes, utf8 } from '../base/index.ts'
import { protocolId, Reader, WireError, Writer } from '../wire/index.ts'
import type { Protocol } from './host.ts'

export const PAYLOAD_BYTES_MAX = 256 * 1_024
export const SESSION_BYTES = 16
const NUMBERED_BYTES = 9
const HELLO_BYTES = 43
const STREAMS_MAX = 64
const PROTOCOL = /^[\x21-\x7e]{1,128}$/

/** How far one side has read. */
export interface Position {
  /** The last number that came in order. */
  readonly received: number
  /** The last number that the program took. */
  readonly taken: number
}

/** What one side keeps for the other until it is taken. */
export interface Window {
  readonly frames: number
  readonly bytes: number
}

/** Why a session is refused or dropped, by number on the wire. */
export const REASONS = {
  unserved: 1,
  unknown: 2,
  full: 3,
  busy: 4,
  broken: 5,
  stopping: 6,
  abandoned: 7,
  unread: 8,
} as const
export type Reason = keyof typeof REASONS

export interface Hello {
  readonly kind: 'hello'
  readonly isNew: boolean
  readonly session: Uint8Array
  readonly position: Position
  readonly window: Window
  readonly protocol: string
}

export type Message =
  | Hello
  | { readonly kind: 'welcome'; readonly position: Position; readonly window: Window }
  | { readonly kind: 'refuse' | 'drop'; readonly reason: Reason }
  | { readonly kind: 'data'; readonly number: number; readonly payload: Uint8Array }
  | { readonly kind: 'end'; readonly number: number }
  | { readonly kind: 'receipt'; readonly taken: number }

const KINDS = ['hello', 'welcome', 'refuse', 'data', 'end', 'receipt', 'drop'] as const

/** The stream protocol that sessions of a network run over. */
export function lastingProtocol(network: string): Protocol {
  return {
    id: protocolId(network, 'channel', '1.0.0'),
    framing: 'varint',
    frameBytesMax: NUMBERED_BYTES + PAYLOAD_BYTES_MAX,
    inboundMax: STREAMS_MAX,
    outboundMax: STREAMS_MAX,
  }
}

/** Throws where a program's frame is longer than any may be. */
export function checkFrame({ length: size }: Uint8Array): void {
  if (size <= PAYLOAD_BYTES_MAX) return
  throw WireError.TOO_LONG({ field: 'frame', size, limit: PAYLOAD_BYTES_MAX })
}

/** Whether two programs may call what they talk so. */
export function isProtocolName(text: string): boolean {
  return PROTOCOL.test(text)
}

export function encodeMessage(message: Message): Uint8Array {
  const kind = KINDS.indexOf(message.kind) + 1
  switch (message.kind) {
    case 'hello':
      return encodeHello(message)
    case 'welcome': {
      const writer = new Writer(25).u8(kind)
      putPosition(writer, message.position)
      return putWindow(writer, message.window).end()
    }
    case 'refuse':
    case 'drop':
      return Uint8Array.of(kind, REASONS[message.reason])
    case 'data':
      return concatBytes(numbered(kind, message.number), message.payload)
    case 'end':
      return numbered(kind, message.number)
    case 'receipt':
      return numbered(kind, message.taken)
  }
}

/** Throws a coded error for whatever is none of the above, to the last byte. */
export function decodeMessage(frame: Uint8Array): Message {
  const reader = new Reader(frame)
  const first = reader.u8()
  const message = decodeBody(KINDS[first - 1], reader, frame)
  if (message === undefined) throw WireError.MALFORMED({ field: 'kind', found: first })
  reader.end()
  return message
}

function decodeBody(
  kind: Message['kind'] | undefined,
  reader: Reader,
  frame: Uint8Array,
): Message | undefined {
  switch (kind) {
    case 'hello':
      return decodeHello(reader)
    case 'welcome':
      return { kind, position: takePosition(reader), window: takeWindow(reader) }
    case 'refuse':
    case 'drop':
      return { kind, reason: takeReason(reader) }
    case 'data': {
      const number = takeNumber(reader)
      const size = frame.length - NUMBERED_BYTES
      if (size > PAYLOAD_BYTES_MAX) {
        throw WireError.TOO_LONG({ field: 'payload', size, limit: PAYLOAD_BYTES_MAX })
      }
      return { kind, number, payload: reader.take(size) }
    }
    case 'end':
      return { kind, number: takeNumber(reader) }
    case 'receipt':
      return { kind, taken: reader.u64('taken') }
    case undefined:
      return undefined
  }
}

function encodeHello({ isNew, session, position, window, protocol }: Hello): Uint8Array {
  const name = utf8(protocol)
  const writer = new Writer(HELLO_BYTES + name.length)
    .u8(1)
    .u8(isNew ? 1 : 0)
    .put(session)
  putPosition(writer, position)
  return putWindow(writer, window).u8(name.length).put(name).end()
}

function decodeHello(reader: Reader): Hello {
  const flags = reader.u8()
  if (flags > 1) throw WireError.MALFORMED({ field: 'flags', found: flags })
  const session = Uint8Array.from(reader.take(SESSION_BYTES))
  const [position, window] = [takePosition(reader), takeWindow(reader)]
  const protocol = String.fromCharCode(...reader.take(reader.u8()))
  if (!isProtocolName(protocol)) throw WireError.MALFORMED({ field: 'protocol', found: protocol })
  return { kind: 'hello', isNew: flags === 1, session, position, window, protocol }
}

function numbered(kind: number, number: number): Uint8Array {
  return new Writer(NUMBERED_BYTES).u8(kind).u64(number).end()
}

function putPosition(writer: Writer, { received, taken }: Position): void {
  writer.u64(received).u64(taken)
}

function putWindow(writer: Writer, { frames, bytes }: Window): Writer {
  return writer.u32(frames).u32(bytes)
}

function takePosition(reader: Reader): Position {
  const [received, taken] = [reader.u64('received'), reader.u64('taken')]
  if (taken > received) throw WireError.MALFORMED({ field: 'taken', found: taken })
  return { received, taken }
}

function takeWindow(reader: Reader): Window {
  const [frames, bytes] = [reader.u32(), reader.u32()]
  if (frames < 1) throw WireError.MALFORMED({ field: 'window of frames', found: frames })
  if (bytes < PAYLOAD_BYTES_MAX) {
    throw WireError.MALFORMED({ field: 'window of bytes', found: bytes })
  }
  return { frames, bytes }
}

function takeNumber(reader: Reader): number {
  const number = reader.u64('number')
  if (number < 1) throw WireError.MALFORMED({ field: 'number', found: number })
  return number
}

function takeReason(reader: Reader): Reason {
  const found = reader.u8()
  const names = Object.keys(REASONS) as Reason[]
  const reason = names.find((name) => REASONS[name] === found)
  if (reason === undefined) throw WireError.MALFORMED({ field: 'reason', found })
  return reason
}
