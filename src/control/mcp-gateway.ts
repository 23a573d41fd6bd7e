/**
 * The MCP server of this node at `/mcp`, for assistants on this machine, and single services of
 * this node or another, whole, at `/mcp/<service>` and `/mcp/<service>@<peer>`.
 *
 * The room `mcp` speaks the protocol. Here stand the limits of what it is given: one path, a body
 * that is counted while it is read, and JSON that is checked before it is trusted.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { CodedError, fromUtf8, type Logger } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { type Json, parseJson } from '../wire/index.ts'
import { CALL_BODY_BYTES_MAX } from './api.ts'
import { sendError } from './error-reply.ts'
import { ControlError } from './errors.ts'
import { correlationOf, type Handle } from './listener.ts'

export const MCP_PATH = '/mcp'
const SERVICE_PATH = /^\/mcp(?:\/([a-z0-9][a-z0-9-]{0,62})(?:@([A-Za-z0-9]{1,128}))?)?$/

/** A service and, where somebody named it, its peer. */
export interface WantedService {
  readonly service: string
  readonly peer?: PeerId
}

/** What the room `mcp` gives: its server over Streamable HTTP. */
export interface McpFace {
  handle(
    request: IncomingMessage,
    response: ServerResponse,
    body?: unknown,
    place?: WantedService,
  ): Promise<void>
}

export function createMcpGateway(face: McpFace, log: Logger): Handle {
  return (request, response) => {
    serve(face, request, response).catch((error: unknown) => {
      if (!(error instanceof CodedError)) log.error('MCP request failed', { error })
      if (response.headersSent) response.destroy()
      else sendError(response, coded(error, request))
    })
  }
}

async function serve(
  face: McpFace,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = '', url = '' } = request
  const path = url.split('?', 1)[0] ?? ''
  const wanted = SERVICE_PATH.exec(path)
  if (wanted === null) {
    throw ControlError.ROUTE_UNKNOWN({ method, path: path.slice(0, PATH_SHOWN_MAX) })
  }
  const [, service, peer] = wanted
  const at = peer === undefined ? {} : { peer: peerId(peer) }
  const place = service === undefined ? undefined : { service, ...at }
  const body = method === 'POST' ? await readBody(request) : undefined
  await face.handle(request, response, body, place)
}

async function readBody(request: IncomingMessage): Promise<Json> {
  const limit = CALL_BODY_BYTES_MAX
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    throw ControlError.BODY_TOO_LARGE({ limit })
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > limit) throw ControlError.BODY_TOO_LARGE({ limit })
    chunks.push(chunk)
  }
  return parseJson(textOf(Buffer.concat(chunks)), 'body', { bytesMax: limit })
}

function textOf(bytes: Buffer): string {
  try {
    return fromUtf8(bytes)
  } catch (error) {
    throw ControlError.REQUEST_INVALID({ part: 'body', problems: ['wanted UTF-8'] }, error)
  }
}

function coded(error: unknown, request: IncomingMessage): CodedError {
  if (error instanceof CodedError) return error as CodedError
  return ControlError.INTERNAL({ correlationId: correlationOf(request) }, error)
}

const PATH_SHOWN_MAX = 128
