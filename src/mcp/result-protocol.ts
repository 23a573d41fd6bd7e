/**
 * Results above one frame: kept by the node that served the call, named in the answer, and read in
 * parts over a stream of their own, so that calls on the other stream go on.
 *
 *   in the answer   {"type":"resource_link","uri":"p2p-foundation:result/<id>","size":N,
 *                    "_meta":{"p2p-foundation/sha256":"<hex>"}, …} as the only block of `content`
 *   asked           one frame: {"result":"<id>","from":0}
 *   answered        one frame: {"size":N,"sha256":"<hex>"} or {"error":{code, message, retryable}};
 *                   then the bytes from there to the end, in frames of at most 256 KiB
 *
 * The bytes are the JSON of the whole `result` as the tool's server said it. An id is 16 random
 * bytes and serves no peer but the one whose call it was.
 */

import { fromUtf8, utf8 } from '../base/index.ts'
import type { Protocol } from '../net/index.ts'
import { isJsonObject, type JsonObject, parseJson, protocolId } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { type Refusal, readRefusal, rpcError } from './protocol.ts'

/** Of the bytes, in one frame. */
export const PART_BYTES_MAX = 256 * 1_024
const ASK_BYTES_MAX = 1_024
const STREAMS_MAX = 8
const URI = 'p2p-foundation:result/'
const SHA256_META = 'p2p-foundation/sha256'
const ID = /^[0-9a-f]{32}$/
const SHA256 = /^[0-9a-f]{64}$/

/** What `net` must know of this protocol, in one network. */
export function resultProtocol(network: string): Protocol {
  return {
    id: protocolId(network, 'mcp-result', '1.0.0'),
    framing: 'varint',
    frameBytesMax: PART_BYTES_MAX,
    inboundMax: STREAMS_MAX,
    outboundMax: STREAMS_MAX,
  }
}

/** A result that is kept, as its caller knows it. */
export interface KeptResult {
  readonly id: string
  readonly size: number
  readonly sha256: string
}

/** What stands in the answer for a result that is kept. */
export function linkTo({ id, size, sha256 }: KeptResult): JsonObject {
  return {
    type: 'resource_link',
    uri: `${URI}${id}`,
    name: 'result',
    description: `The whole result, ${size} bytes of JSON, kept for a few minutes`,
    mimeType: 'application/json',
    size,
    _meta: { [SHA256_META]: sha256 },
  }
}

/** The kept result that an answer names; none where the answer is the result itself. */
export function linkedResult(content: readonly unknown[]): KeptResult | undefined {
  const [link] = content
  if (content.length !== 1 || !isJsonObject(link) || link.type !== 'resource_link') return undefined
  const { uri, size, _meta: meta } = link
  if (typeof uri !== 'string' || !uri.startsWith(URI) || !isJsonObject(meta)) return undefined
  const id = uri.slice(URI.length)
  const sha256 = meta[SHA256_META]
  if (!ID.test(id) || !isSize(size)) return undefined
  return typeof sha256 === 'string' && SHA256.test(sha256) ? { id, size, sha256 } : undefined
}

export interface PartQuestion {
  readonly result: string
  readonly from: number
}

export function encodeQuestion({ result, from }: PartQuestion): Uint8Array {
  return utf8(JSON.stringify({ result, from }))
}

export function decodeQuestion(frame: Uint8Array): PartQuestion {
  const { result, from } = objectOf(frame)
  if (typeof result !== 'string' || !ID.test(result) || !isSize(from)) {
    throw McpError.REQUEST_INVALID({ found: 'no id of a result, or no place to begin at' })
  }
  return { result, from }
}

export function encodeHead({ size, sha256 }: Omit<KeptResult, 'id'>): Uint8Array {
  return utf8(JSON.stringify({ size, sha256 }))
}

export function encodeRefusal(error: unknown): Uint8Array {
  return utf8(JSON.stringify({ error: rpcError(error).data }))
}

export function decodeHead(frame: Uint8Array): Omit<KeptResult, 'id'> | { error: Refusal } {
  const { size, sha256, error } = objectOf(frame)
  const refusal = readRefusal(error)
  if (refusal !== undefined) return { error: refusal }
  if (!isSize(size) || typeof sha256 !== 'string' || !SHA256.test(sha256)) {
    throw McpError.REQUEST_INVALID({ found: 'no size and hash before the parts of a result' })
  }
  return { size, sha256 }
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function objectOf(frame: Uint8Array): JsonObject {
  if (frame.length > ASK_BYTES_MAX) {
    throw McpError.REQUEST_INVALID({ found: `${frame.length} bytes where few were due` })
  }
  const value = parseJson(fromUtf8(frame), 'part of a result', { bytesMax: ASK_BYTES_MAX })
  if (isJsonObject(value)) return value
  throw McpError.REQUEST_INVALID({ found: 'a frame that is no JSON object' })
}
