/**
 * One service of one node, whole, for any MCP client on this machine: tools, prompts, resources,
 * logging, sampling, elicitation and subscriptions pass as its server said them, in both eras.
 *
 *   POST, GET, DELETE of the older era   a session, with a line of its own (`service-sessions.ts`)
 *   POST of the newer era                complete in itself, over one line (`service-line.ts`)
 *
 * The SDK checks what HTTP asks for and makes the responses; the messages are the service's.
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { McpHttpHandler } from '@modelcontextprotocol/server'
import { type Clock, every, type Logger, type Random } from '../base/index.ts'
import { McpError } from './errors.ts'
import type { ForwardingServer } from './forwarding-server.ts'
import { rpcError } from './protocol.ts'
import { type ServerSdk, serverSdk } from './sdk.ts'
import { ServiceLine } from './service-line.ts'
import type { ServiceLinks, ServicePlace } from './service-link.ts'
import { ServiceSessions } from './service-sessions.ts'

export interface ServiceFacesDeps {
  readonly links: Pick<ServiceLinks, 'open'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

/** Services spoken with at once; each has up to six lines. */
const PLACES_MAX = 32
const OPEN_TIMEOUT_MS = 15_000
const SWEEP_MS = 30_000
const IDLE_MS = 600_000
const BODY_BYTES_MAX = 16 * 1024 * 1024
const LISTEN = 'subscriptions/listen'

interface Face {
  readonly sessions: ServiceSessions
  readonly line: ServiceLine
  handle(request: IncomingMessage, response: ServerResponse, body?: unknown): Promise<void>
  close(): Promise<void>
}

/** Every service that is spoken with through this node, each made when first asked for. */
export class ServiceFaces {
  readonly #deps: ServiceFacesDeps
  readonly #faces = new Map<string, Face>()
  readonly #life = new AbortController()
  #sweeping: Promise<void> | undefined

  constructor(deps: ServiceFacesDeps) {
    this.#deps = deps
  }

  /** Answers one request to the service. */
  async handle(
    place: ServicePlace,
    request: IncomingMessage,
    response: ServerResponse,
    body?: unknown,
  ): Promise<void> {
    const sdk = await serverSdk()
    this.#life.signal.throwIfAborted()
    this.#sweeping ??= every(this.#deps.clock, SWEEP_MS, () => this.#sweep(), this.#life.signal)
    await this.#face(sdk, place).handle(request, response, body)
  }

  async close(): Promise<void> {
    this.#life.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
    await Promise.all([...this.#faces.values()].map((face) => face.close()))
    await this.#sweeping
  }

  #face(sdk: ServerSdk, place: ServicePlace): Face {
    const key = `${place.service}@${place.peer ?? ''}`
    const known = this.#faces.get(key)
    if (known !== undefined) return known
    if (this.#faces.size >= PLACES_MAX) {
      throw McpError.BUSY({ what: 'the number of services spoken with', limit: PLACES_MAX })
    }
    const face = this.#make(sdk, place)
    this.#faces.set(key, face)
    return face
  }

  #make(sdk: ServerSdk, place: ServicePlace): Face {
    const { clock, random, log, links } = this.#deps
    const now = () => clock.now()
    const open = async () => {
      using deadline = clock.deadline(OPEN_TIMEOUT_MS, this.#life.signal)
      return await links.open(place, deadline.signal)
    }
    const sessions = new ServiceSessions({
      sdk,
      open,
      now,
      random,
      bodyBytesMax: BODY_BYTES_MAX,
    })
    const line = new ServiceLine({ open, now })
    const modern = modernHandler(sdk, line, log)
    const handler = { fetch: fetchOf({ sdk, sessions, line, modern }) }
    const onerror = (error: Error) => log.debug('mcp service', { service: place.service, error })
    const handle = sdk.toNodeHandler(handler, { maxRequestBodySize: BODY_BYTES_MAX, onerror })
    return {
      sessions,
      line,
      handle: (request, response, body) => {
        return handle(request as Parameters<typeof handle>[0], response, body)
      },
      close: async () => {
        sessions.close()
        line.close()
        await modern.close()
      },
    }
  }

  async #sweep(): Promise<void> {
    const untilMs = this.#deps.clock.now() - IDLE_MS
    for (const [key, face] of this.#faces) {
      face.sessions.sweep(untilMs)
      face.line.sweep(untilMs)
      if (face.sessions.size > 0 || face.line.isOpen) continue
      this.#faces.delete(key)
      await face.close()
    }
  }
}

interface Parts {
  readonly sdk: ServerSdk
  readonly sessions: ServiceSessions
  readonly line: ServiceLine
  readonly modern: Pick<McpHttpHandler, 'fetch'>
}

type Fetch = McpHttpHandler['fetch']

/** Each request to what serves its era; a line that cannot be had is said in MCP's own words. */
function fetchOf({ sdk, sessions, line, modern }: Parts): Fetch {
  return async (request, options) => {
    const body = options?.parsedBody ?? (await parsed(request))
    try {
      if (await sdk.isLegacyRequest(request, body)) return await sessions.fetch(request, body)
      const listening = listenOf(sdk, request, body)
      if (listening === undefined)
        return await modern.fetch(request, { ...options, parsedBody: body })
      return await listening(line)
    } catch (error) {
      const id = typeof body === 'object' && body !== null && 'id' in body ? body.id : null
      return Response.json({ jsonrpc: '2.0', error: rpcError(error), id }, { status: 502 })
    }
  }
}

/** The body where nobody has parsed it already; what is no JSON is refused by the SDK later. */
async function parsed(request: Request): Promise<unknown> {
  if (request.method !== 'POST') return undefined
  return request
    .clone()
    .json()
    .catch(() => undefined)
}

/** The newer era, checked by the SDK, answered by the service. */
function modernHandler(sdk: ServerSdk, line: ServiceLine, log: Logger) {
  const codes = new WeakMap<Request, { code: number | undefined }>()
  const handler = sdk.createMcpHandler(
    ({ requestInfo }): ForwardingServer => {
      const said = { code: undefined as number | undefined }
      if (requestInfo !== undefined) codes.set(requestInfo, said)
      return new sdk.ForwardingServer((exchange) => {
        const { transport } = exchange
        const send = transport.send.bind(transport)
        transport.send = (message, options) => {
          if ('error' in message) said.code = message.error.code
          return send(message, options)
        }
        return line.forward(exchange)
      })
    },
    {
      legacy: 'reject',
      maxRequestBodySize: BODY_BYTES_MAX,
      onerror: (error) => log.debug('mcp service', { error }),
    },
  )
  const fetch: Fetch = async (request, options) => {
    const response = await handler.fetch(request, options)
    // The SDK gives this status only where it found out itself that there is no such method.
    if (response.status !== 200 || codes.get(request)?.code !== METHOD_NOT_FOUND) return response
    const { body, headers } = response
    return new Response(body, { status: 404, headers })
  }
  return { fetch, close: () => handler.close() }
}

const METHOD_NOT_FOUND = -32_601

/** The SDK would serve a subscription itself; here it is the service's as well. */
function listenOf(sdk: ServerSdk, request: Request, body: unknown) {
  const header = (name: string) => request.headers.get(name) ?? undefined
  const [version, method] = [header('mcp-protocol-version'), header('mcp-method')]
  const outcome = sdk.classifyInboundRequest({
    httpMethod: request.method,
    ...(version === undefined ? {} : { protocolVersionHeader: version }),
    ...(method === undefined ? {} : { mcpMethodHeader: method }),
    body,
  })
  if (outcome.kind !== 'modern' || outcome.messageKind !== 'request') return undefined
  const { message, classification } = outcome
  if (message.method !== LISTEN) return undefined
  return async (line: ServiceLine) => {
    const transport = new sdk.PerRequestHTTPServerTransport({ classification })
    const server = new sdk.ForwardingServer((exchange) => line.forward(exchange))
    await server.connect(transport)
    return transport.handleMessage(message, { request })
  }
}
