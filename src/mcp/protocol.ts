/**
 * MCP between peers: JSON-RPC 2.0, one message on each line.
 *
 *   frame   one JSON object in UTF-8, without a line feed inside, at most 16 MiB
 *
 * The first frame of a stream may name a service in `params._meta["p2p-foundation/service"]`; the
 * stream then belongs to that service. Batches are refused: MCP has none since 2025-06-18.
 */

import { CodedError, fromUtf8, isRetryable, utf8 } from '../base/index.ts'
import type { Protocol } from '../net/index.ts'
import { isJsonObject, type Json, type JsonObject, parseJson, protocolId } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { ownMessage } from './own-frames.ts'

export const FRAME_BYTES_MAX = 16 * 1024 * 1024
export const SERVICE_META = 'p2p-foundation/service'
export const CORRELATION_META = 'p2p-foundation/correlation'
/** How long the caller waits, in milliseconds, where that is longer than usual. */
export const TIMEOUT_META = 'p2p-foundation/timeout'

/** The idempotency key of a call, the same for every try of it. */
export const KEY_META = 'p2p-foundation/key'
/** Tokens that give the right to a call, and those for whom it is made (`exposure-meta.ts`). */
export const GRANT_META = 'p2p-foundation/grant'
export const CHAIN_META = 'p2p-foundation/chain'
/** Shows that a caller was invited to a blinded service (`invited.ts`). */
export const INVITED_META = 'p2p-foundation/invited'
/** Asks what became of a call, on a stream of its own; whoever does not know it refuses. */
export const OUTCOME_METHOD = 'p2p-foundation/outcome'

const STREAMS_MAX = 128
const ID_CHARS_MAX = 256
const METHOD_CHARS_MAX = 256

/** What `net` must know of this protocol, in one network. */
export function mcpProtocol(network: string): Protocol {
  return {
    id: protocolId(network, 'mcp', '1.0.0'),
    framing: 'line',
    frameBytesMax: FRAME_BYTES_MAX,
    inboundMax: STREAMS_MAX,
    outboundMax: STREAMS_MAX,
  }
}

export type RpcId = string | number

/** What a frame is, as far as somebody who passes it on must know. */
export type RpcMessage =
  | {
      readonly kind: 'request'
      readonly id: RpcId
      readonly method: string
      readonly params: JsonObject
    }
  | { readonly kind: 'notification'; readonly method: string; readonly params: JsonObject }
  | { readonly kind: 'answer'; readonly id: RpcId | null; readonly failed: boolean }

/** Reads one frame under the limits of `parseJson`. */
export function parseFrame(frame: Uint8Array): JsonObject {
  const own = ownMessage(frame)
  if (own !== undefined) return own
  const value = parseJson(text(frame), 'MCP message', { bytesMax: FRAME_BYTES_MAX })
  if (!isJsonObject(value) || value.jsonrpc !== '2.0') {
    throw McpError.REQUEST_INVALID({ found: 'a message that is no JSON-RPC 2.0 object' })
  }
  return value
}

export function readMessage(value: JsonObject): RpcMessage {
  const { id, method, params = {} } = value
  if (method === undefined) {
    if ('error' in value) return { kind: 'answer', id: answerId(id), failed: true }
    if (!('result' in value)) {
      throw McpError.REQUEST_INVALID({ found: 'neither a method nor a result nor an error' })
    }
    // A tool that failed says so within its result.
    const { result } = value
    const failed = isJsonObject(result) && result.isError === true
    return { kind: 'answer', id: answerId(id), failed }
  }
  if (typeof method !== 'string' || method.length > METHOD_CHARS_MAX) {
    throw McpError.REQUEST_INVALID({ found: 'a method that is no short text' })
  }
  if (!isJsonObject(params)) throw McpError.REQUEST_INVALID({ found: 'params that are no object' })
  return id === undefined
    ? { kind: 'notification', method, params }
    : { kind: 'request', id: requestId(id), method, params }
}

/** The service that a first message selects, if it selects one. */
export function selectedService(message: RpcMessage): string | undefined {
  if (message.kind === 'answer') return undefined
  const meta = message.params._meta
  const service = isJsonObject(meta) ? meta[SERVICE_META] : undefined
  if (service === undefined) return undefined
  if (typeof service === 'string') return service
  throw McpError.REQUEST_INVALID({ found: `a ${SERVICE_META} that is no text` })
}

/** The id of the request that this one is part of; none when it is not of our form. */
export function correlationOf(message: RpcMessage): string | undefined {
  if (message.kind === 'answer') return undefined
  const meta = message.params._meta
  const id = isJsonObject(meta) ? meta[CORRELATION_META] : undefined
  return typeof id === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(id) ? id : undefined
}

/** The tool that a request calls; none when it is not a call, or names none. */
export function calledTool(message: RpcMessage): string | undefined {
  if (message.kind !== 'request' || message.method !== 'tools/call') return undefined
  const { name } = message.params
  return typeof name === 'string' ? name.slice(0, TOOL_SHOWN_MAX) : undefined
}

const TOOL_SHOWN_MAX = 128

/** The request that a notification gives up. */
export function cancelledId(message: RpcMessage): RpcId | undefined {
  if (message.kind !== 'notification' || message.method !== 'notifications/cancelled') {
    return undefined
  }
  const { requestId } = message.params
  return typeof requestId === 'string' || typeof requestId === 'number' ? requestId : undefined
}

/** The idempotency key of a call; none where it has none. Throws where it is not of our form. */
export function keyOf(message: RpcMessage): string | undefined {
  if (message.kind !== 'request' || message.method !== 'tools/call') return undefined
  const meta = message.params._meta
  const key = isJsonObject(meta) ? meta[KEY_META] : undefined
  return key === undefined ? undefined : readKey(key)
}

/** Drawn by the caller: 16 to 64 characters of base64url. */
export function readKey(value: unknown): string {
  if (typeof value === 'string' && /^[A-Za-z0-9_-]{16,64}$/.test(value)) return value
  throw McpError.REQUEST_INVALID({ found: `a ${KEY_META} that is not 16–64 of A–Z a–z 0–9 - _` })
}

/** How long the caller says that it waits; none when it does not, or not in our form. */
export function timeoutOf(message: RpcMessage): number | undefined {
  if (message.kind === 'answer') return undefined
  const meta = message.params._meta
  const ms = isJsonObject(meta) ? meta[TIMEOUT_META] : undefined
  return typeof ms === 'number' && Number.isSafeInteger(ms) && ms > 0 ? ms : undefined
}

/** What a peer is told about an error of ours, inside the `data` of a JSON-RPC error. */
export interface Refusal {
  readonly code: string
  readonly message: string
  readonly retryable: boolean
}

/** Reads `data` of a JSON-RPC error; `undefined` when it is not of this form. */
export function readRefusal(data: unknown): Refusal | undefined {
  if (!isJsonObject(data)) return undefined
  const { code, message, retryable } = data
  if (typeof code !== 'string' || !/^[A-Z][A-Z0-9]*_[A-Z0-9_]{1,60}$/.test(code)) return undefined
  if (typeof message !== 'string' || typeof retryable !== 'boolean') return undefined
  return { code, message, retryable }
}

/** An answer that is known already, as text: `{"result":…}` or `{"error":…}`. */
export function answerFrame(id: RpcId, outcome: string): Uint8Array {
  return utf8(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},${outcome.slice(1)}`)
}

/** The answer to a request that we refuse. An error without a code tells a peer nothing. */
export function refusalFrame(id: RpcId, error: unknown): Uint8Array {
  return encodeMessage({ jsonrpc: '2.0', id, error: rpcError(error) })
}

export function rpcError(error: unknown): { code: number; message: string; data: JsonObject } {
  const known: CodedError | undefined = error instanceof CodedError ? error : undefined
  const code = known?.code ?? 'MCP_INTERNAL'
  const message = known?.message ?? 'Cannot answer: the reason is in the log of the peer'
  const rpcCode = code === 'MCP_REQUEST_INVALID' ? INVALID_REQUEST : SERVER_ERROR
  return { code: rpcCode, message, data: { code, message, retryable: isRetryable(error) } }
}

export function encodeMessage(message: object): Uint8Array {
  return utf8(JSON.stringify(message))
}

/** JSON-RPC 2.0 §5.1: the codes of a request that is not one, and of a server's own errors. */
const INVALID_REQUEST = -32_600
const SERVER_ERROR = -32_000

function text(frame: Uint8Array): string {
  try {
    return fromUtf8(frame)
  } catch (cause) {
    throw McpError.REQUEST_INVALID({ found: 'bytes that are not UTF-8' }, cause)
  }
}

function requestId(id: Json): RpcId {
  if (typeof id === 'string' && id.length <= ID_CHARS_MAX) return id
  if (typeof id === 'number' && Number.isSafeInteger(id)) return id
  throw McpError.REQUEST_INVALID({ found: 'an id that is neither a short text nor an integer' })
}

/** An error about a request that could not be read has no id, or null (JSON-RPC 2.0 §5). */
function answerId(id: Json | undefined): RpcId | null {
  return id === undefined || id === null ? null : requestId(id)
}
