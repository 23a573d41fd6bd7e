/**
 * A Streamable HTTP server as a source of tools: for our own client, and as a pipe for a peer.
 *
 * The SDK reads bodies whole, so the fetch it is given stops at the size of a frame: a body of
 * JSON as a whole, an event stream at each line. Where there is a store for them, longer results go
 * there instead (`long-body.ts`).
 */

import type { JSONRPCMessage, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { utf8 } from '../base/index.ts'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { McpError } from './errors.ts'
import { longBody } from './long-body.ts'
import type { OpenWriter } from './long-lines.ts'
import { type Pipe, pipePair } from './pipe.ts'
import {
  encodeMessage,
  FRAME_BYTES_MAX,
  parseFrame,
  type RpcId,
  readMessage,
  refusalFrame,
} from './protocol.ts'
import { clientSdk } from './sdk.ts'

const LINE_FEED = 0x0a
/** Messages that the server sends and the peer has not read yet. */
const WAITING_MAX = 64
const WAITING_BYTES_MAX = 2 * FRAME_BYTES_MAX

export async function httpTransport(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  longAnswers?: OpenWriter,
): Promise<StreamableHTTPClientTransport> {
  const sdk = await clientSdk()
  const options = { fetch: fetchTo(longAnswers), requestInit: { headers } }
  return new sdk.StreamableHTTPClientTransport(new URL(url), options)
}

/** A session of its own with the server, for one stream of one peer. */
export async function openHttpPipe(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  longAnswers?: OpenWriter,
): Promise<Pipe> {
  const transport = await httpTransport(url, headers, longAnswers)
  const [outer, inner] = pipePair()
  let waiting = 0
  const budget = new ByteBudget(WAITING_BYTES_MAX)
  const fail = (error: Error) => {
    inner.abort(error)
    void transport.close()
  }
  const inWork = new Map<RpcId, AbortController>()
  transport.onmessage = (message) => {
    noteVersion(transport, message)
    if (!('method' in message) && message.id !== undefined) inWork.delete(message.id)
    waiting += 1
    if (waiting > WAITING_MAX) {
      fail(McpError.BUSY({ what: 'messages not yet read', limit: WAITING_MAX }))
      return
    }
    const frame = encodeMessage(message)
    const counted = budget.take(frame.length) ? frame.length : 0
    const sent = counted > 0 ? frame : unsent(message)
    if (sent === undefined) {
      fail(McpError.BUSY({ what: 'bytes not yet read', limit: WAITING_BYTES_MAX }))
      return
    }
    inner.write(sent).then(
      () => {
        waiting -= 1
        budget.give(counted)
      },
      () => transport.close(),
    )
  }
  transport.onclose = () => void inner.close()
  await transport.start()
  void forward(inner, transport, inWork).catch(fail)
  return outer
}

/** What stands for an answer for which there is no room; nothing can stand for a notice. */
function unsent(message: JSONRPCMessage): Uint8Array | undefined {
  const id = 'method' in message ? undefined : message.id
  if (id === undefined) return undefined
  const what = 'memory for answers not yet read'
  return refusalFrame(id, McpError.RESULT_UNSENT({ what, limit: WAITING_BYTES_MAX }))
}

/** Posts what the peer sends; a request that the server does not take is answered with why. */
async function forward(
  inner: Pipe,
  transport: StreamableHTTPClientTransport,
  inWork: Map<RpcId, AbortController>,
): Promise<void> {
  for (;;) {
    const frame = await inner.read()
    if (frame === undefined) break
    const value = parseFrame(frame)
    const message = readMessage(value)
    const posted = value as unknown as JSONRPCMessage
    if (message.kind !== 'request') {
      // The newer era cancels by ending the request, the older by saying so: both are done.
      if (message.kind === 'notification') inWork.get(cancelledId(message))?.abort()
      transport.send(posted).catch(() => {})
      continue
    }
    const { id } = message
    const request = new AbortController()
    inWork.set(id, request)
    // Not awaited: a request lasts until its answer, and the next must not wait for that.
    transport.send(posted, { requestSignal: request.signal }).catch((cause: unknown) => {
      inWork.delete(id)
      if (request.signal.aborted) return
      const reason = cause instanceof Error ? cause.message : 'it did not take the request'
      const refusal = () => refusalFrame(id, McpError.SERVICE_ENDED({ reason }, cause))
      inner.write(saidBy(cause, id) ?? refusal()).catch(() => {})
    })
  }
  await transport.terminateSession().catch(() => {})
  await transport.close()
}

/** An error that the server answered with, under an HTTP status that the SDK takes for its own. */
function saidBy(cause: unknown, id: RpcId): Uint8Array | undefined {
  const data = cause instanceof Error && 'data' in cause ? cause.data : undefined
  const text = typeof data === 'object' && data !== null && 'text' in data ? data.text : undefined
  if (typeof text !== 'string') return undefined
  try {
    const value = parseFrame(utf8(text))
    return value.id === id && 'error' in value ? encodeMessage(value) : undefined
  } catch {
    return undefined
  }
}

function cancelledId({ method, params }: { method: string; params: JsonObject }): RpcId {
  const id = method === 'notifications/cancelled' ? params.requestId : undefined
  return typeof id === 'string' || typeof id === 'number' ? id : ''
}

/** Every request after `initialize` carries the version agreed on (MCP transports, 2025-06-18). */
function noteVersion(transport: StreamableHTTPClientTransport, message: object): void {
  const result = 'result' in message ? (message as unknown as JsonObject).result : undefined
  if (!isJsonObject(result) || !isJsonObject(result.serverInfo)) return
  const version = result.protocolVersion
  if (typeof version === 'string') transport.setProtocolVersion(version)
}

function fetchTo(longAnswers: OpenWriter | undefined) {
  return (input: string | URL, init?: RequestInit) => boundedFetch(longAnswers, input, init)
}

async function boundedFetch(
  longAnswers: OpenWriter | undefined,
  input: string | URL,
  init?: RequestInit,
): Promise<Response> {
  const response = await fetch(input, init)
  const { body, status, statusText, headers, url } = response
  if (body === null) return response
  const perLine = headers.get('content-type')?.startsWith('text/event-stream') === true
  const bound = longAnswers ? longBody(perLine, longAnswers) : boundedStream(perLine)
  const bounded = new Response(body.pipeThrough(bound), {
    status,
    statusText,
    headers,
  })
  Object.defineProperty(bounded, 'url', { value: url })
  return bounded
}

function boundedStream(perLine: boolean): TransformStream<Uint8Array, Uint8Array> {
  let size = 0
  return new TransformStream({
    transform(chunk, controller) {
      const lastEnd = perLine ? chunk.lastIndexOf(LINE_FEED) : -1
      size = lastEnd < 0 ? size + chunk.length : chunk.length - lastEnd
      if (size > FRAME_BYTES_MAX) {
        throw McpError.RESULT_TOO_LARGE({ size, limit: FRAME_BYTES_MAX })
      }
      controller.enqueue(chunk)
    },
  })
}
