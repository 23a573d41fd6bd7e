/**
 * Requests and answers between two peers. Sans I/O.
 *
 * A frame is an unsigned varint length and that many bytes of deterministic CBOR (RFC 8949 §4.2.1):
 *
 *   request   [id, method, payload]
 *   answer    [id, true, payload]
 *             [id, false, {"code": text, "message": text, "retryable": bool}]
 *
 *   id        1 … 2³² − 1, counted up by the caller on each stream, then from 1 again;
 *             answers come in any order
 *   method    1 to 64 of a-z, 0-9 and . _ -, beginning with a letter
 *   payload   any CBOR of ours: integers, text, bytes, lists, maps, true, false, null
 */

import type { Protocol } from '../net/index.ts'
import { type Cbor, decodeCbor, encodeCbor, protocolId, WireError } from '../wire/index.ts'

/** One chunk of data with what goes around it, and no more. */
export const FRAME_BYTES_MAX = 4 * 1_024 * 1_024
export const ID_MAX = 2 ** 32 - 1
const METHOD = /^[a-z][a-z0-9._-]{0,63}$/
const CODE = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$/
const CODE_CHARS_MAX = 64
const MESSAGE_CHARS_MAX = 1_024
/** CBOR's first byte of a list of three items, and of unsigned integers by their size. */
const LIST_OF_THREE = 0x83
const UINT_INLINE_MAX = 0x17

export interface Request {
  readonly id: number
  readonly method: string
  readonly payload: Cbor
}

/** An error as it crosses the wire. */
export interface WireFailure {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}

export type Answer =
  | { readonly id: number; readonly ok: true; readonly payload: Cbor }
  | { readonly id: number; readonly ok: false; readonly failure: WireFailure }

/** One stream each way is enough; the second is for the moment when one replaces another. */
export function rpcProtocol(network: string): Protocol {
  return {
    id: protocolId(network, 'rpc', '1.0.0'),
    framing: 'varint',
    frameBytesMax: FRAME_BYTES_MAX,
    inboundMax: 2,
    outboundMax: 2,
  }
}

/** Whether a method may bear this name. */
export function isMethod(name: string): boolean {
  return METHOD.test(name)
}

export function encodeRequest({ id, method, payload }: Request): Uint8Array {
  return encodeCbor([id, method, payload])
}

export function decodeRequest(frame: Uint8Array): Request {
  const [id, method, payload] = decodeTriple(frame, 'rpc request')
  if (typeof method !== 'string' || !METHOD.test(method)) throw malformed('method', method)
  return { id, method, payload }
}

/**
 * The id of a request of which nothing else is read: enough to refuse it. `undefined` when the
 * frame does not begin as a request does.
 */
export function peekRequestId(frame: Uint8Array): number | undefined {
  const [list, head = 0xff] = frame
  if (list !== LIST_OF_THREE) return undefined
  if (head <= UINT_INLINE_MAX) return head === 0 ? undefined : head
  const size = head <= UINT_INLINE_MAX + 3 ? 2 ** (head - UINT_INLINE_MAX - 1) : 0
  if (size === 0 || frame.length < 2 + size) return undefined
  return frame.subarray(2, 2 + size).reduce((id, byte) => id * 256 + byte, 0)
}

export function encodeAnswer(answer: Answer): Uint8Array {
  if (!answer.ok) return encodeCbor([answer.id, false, failureToCbor(answer.failure)])
  return encodeCbor([answer.id, true, answer.payload])
}

export function decodeAnswer(frame: Uint8Array): Answer {
  const [id, ok, body] = decodeTriple(frame, 'rpc answer')
  if (ok === true) return { id, ok, payload: body }
  if (ok !== false) throw malformed('rpc answer', 'neither true nor false')
  return { id, ok, failure: failureFromCbor(body) }
}

/** What a peer is told of an error that has a code; text that is too long is cut. */
export function toFailure(error: {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}): WireFailure {
  const { code, message, retryable } = error
  return { code, message: message.slice(0, MESSAGE_CHARS_MAX), retryable }
}

function decodeTriple(frame: Uint8Array, field: string): [number, Cbor, Cbor] {
  const value = decodeCbor(frame, field, FRAME_BYTES_MAX)
  if (!isList(value) || value.length !== 3) throw malformed(field, 'no list of three')
  const [id = null, second = null, third = null] = value
  if (typeof id !== 'number' || id < 1 || id > ID_MAX) throw malformed('rpc id', id)
  return [id, second, third]
}

function failureToCbor({ code, message, retryable }: WireFailure): Cbor {
  return new Map<Cbor, Cbor>([
    ['code', code],
    ['message', message],
    ['retryable', retryable],
  ])
}

function failureFromCbor(value: Cbor): WireFailure {
  if (!isMap(value) || value.size !== 3) throw malformed('rpc error', 'another shape')
  const code = value.get('code')
  const message = value.get('message')
  const retryable = value.get('retryable')
  if (typeof code !== 'string' || code.length > CODE_CHARS_MAX || !CODE.test(code)) {
    throw malformed('rpc error code', code ?? null)
  }
  if (typeof message !== 'string' || message.length > MESSAGE_CHARS_MAX) {
    throw malformed('rpc error message', 'no text, or too long')
  }
  if (typeof retryable !== 'boolean') throw malformed('rpc error', 'no word on retrying')
  return { code, message, retryable }
}

function isMap(value: Cbor): value is ReadonlyMap<Cbor, Cbor> {
  return value instanceof Map
}

function isList(value: Cbor): value is readonly Cbor[] {
  return Array.isArray(value)
}

function malformed(field: string, found: Cbor) {
  const text = typeof found === 'string' ? found.slice(0, CODE_CHARS_MAX) : typeof found
  return WireError.MALFORMED({ field, found: typeof found === 'number' ? found : text })
}
