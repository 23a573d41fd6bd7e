/**
 * Calls that a third node carries, because their caller and their callee have no path to each
 * other.
 *
 *   caller → relay → callee   one frame: {"to":"<peer id of the callee>","bytes":N}
 *   callee → relay → caller   one frame: {"ready":true,"nowMs":N}, or
 *                             {"error":{code, message, retryable}}
 *   caller → relay → callee   one frame: the call (`envelope.ts`)
 *   callee → relay → caller   one frame: the answer, signed; or, of a call that it cannot believe,
 *                             {"error":…}, which proves nothing
 *
 * Both ways speak the same protocol: who is named in `to` is the callee, everybody else is asked to
 * carry. `bytes` is how long the call will be, `nowMs` the time by the callee's clock: a call that
 * it would refuse for its age is not handed over. The call is handed over only once the callee is
 * there, so that what a relay says before that is about nothing that could have run.
 */

import { fromUtf8, utf8 } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Protocol } from '../net/index.ts'
import { isJsonObject, type JsonObject, parseJson, protocolId } from '../wire/index.ts'
import { ENVELOPE_BYTES_MAX } from './envelope.ts'
import { McpError } from './errors.ts'
import { type Refusal, readRefusal, rpcError } from './protocol.ts'
import { cleanRefusal } from './tool-call.ts'

/** What may be asked through a relay, besides what became of a call. */
export const CALL_METHOD = 'tools/call'
export const LIST_METHOD = 'tools/list'

/** Of every frame but the call and its answer. */
export const WORD_BYTES_MAX = 8 * 1024
const STREAMS_MAX = 16
const BRACE = 0x7b

/** What `net` must know of this protocol, in one network. */
export function relayProtocol(network: string): Protocol {
  return {
    id: protocolId(network, 'mcp-relay', '1.0.0'),
    framing: 'varint',
    frameBytesMax: ENVELOPE_BYTES_MAX,
    inboundMax: STREAMS_MAX,
    outboundMax: STREAMS_MAX,
  }
}

/** For whom a call is to be carried, and how long it will be. */
export interface RelayAsk {
  readonly to: PeerId
  readonly bytes: number
}

export function encodeAsk({ to, bytes }: RelayAsk): Uint8Array {
  return utf8(JSON.stringify({ to, bytes }))
}

export function decodeAsk(frame: Uint8Array): RelayAsk {
  const { to, bytes } = wordOf(frame)
  const isSize = Number.isSafeInteger(bytes) && (bytes as number) > 0
  if (typeof to !== 'string' || !isSize || (bytes as number) > ENVELOPE_BYTES_MAX) {
    throw McpError.REQUEST_INVALID({ found: 'a call to be carried, but not to whom, or its size' })
  }
  return { to: peerId(to), bytes: bytes as number }
}

export function encodeReady(nowMs: number): Uint8Array {
  return utf8(JSON.stringify({ ready: true, nowMs }))
}

export function encodeNo(error: unknown): Uint8Array {
  return utf8(JSON.stringify({ error: rpcError(error).data }))
}

/** The callee's time, where it waits for the call; or what stands in the way. */
export function decodeReady(frame: Uint8Array): { readonly nowMs: number } | { error: Refusal } {
  const { ready, nowMs, error } = wordOf(frame)
  if (ready === true && Number.isSafeInteger(nowMs)) return { nowMs: nowMs as number }
  const refusal = readRefusal(error)
  if (refusal !== undefined) return { error: cleanRefusal(refusal) }
  throw McpError.REQUEST_INVALID({ found: 'neither that the callee is there nor that it is not' })
}

/** An unsigned refusal in place of an answer; none where the frame may be an envelope. */
export function unsignedNo(frame: Uint8Array): Refusal | undefined {
  if (frame[0] !== BRACE) return undefined
  const refusal = readRefusal(wordOf(frame).error)
  return refusal && cleanRefusal(refusal)
}

function wordOf(frame: Uint8Array): JsonObject {
  const limits = { bytesMax: WORD_BYTES_MAX }
  const value = parseJson(textOf(frame), 'word about a relayed call', limits)
  if (isJsonObject(value)) return value
  throw McpError.REQUEST_INVALID({ found: 'a frame that is no JSON object' })
}

function textOf(frame: Uint8Array): string {
  const size = frame.length
  try {
    if (size <= WORD_BYTES_MAX) return fromUtf8(frame)
  } catch (cause) {
    throw McpError.REQUEST_INVALID({ found: 'bytes that are not UTF-8' }, cause)
  }
  throw McpError.REQUEST_INVALID({ found: `${size} bytes where few were due` })
}
