/**
 * Sessions of the older protocol era with one service over HTTP: each has a line of its own from
 * `initialize` on, until its client ends it, it is idle too long, or another needs the place.
 *
 * On a line nothing says to which request a message belongs. Progress names its token; what a
 * server asks or logs is sent to the request that was made last; the rest goes to whoever listens.
 */

import type {
  WebStandardStreamableHTTPServerTransport as HttpTransport,
  JSONRPCMessage,
  Transport,
} from '@modelcontextprotocol/server'
import { newId, type Random } from '../base/index.ts'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { type RpcId, rpcError } from './protocol.ts'
import type { ServerSdk } from './sdk.ts'

/** A peer gives 8 streams to each service; the newer era's lines and our own call need some. */
const SESSIONS_MAX = 5
const LOG = 'notifications/message'

interface Session {
  readonly http: HttpTransport
  readonly line: Transport
  /** Requests without an answer, and the progress token of each. */
  readonly asked: Map<RpcId, unknown>
  usedMs: number
}

export interface ServiceSessionsDeps {
  readonly sdk: ServerSdk
  readonly open: () => Promise<Transport>
  readonly now: () => number
  readonly random: Random
  readonly bodyBytesMax: number
}

export class ServiceSessions {
  readonly #deps: ServiceSessionsDeps
  readonly #sessions = new Map<string, Session>()
  #opening = 0

  constructor(deps: ServiceSessionsDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#sessions.size
  }

  async fetch(request: Request, body: unknown): Promise<Response> {
    const id = request.headers.get('mcp-session-id')
    const known = id === null ? undefined : this.#sessions.get(id)
    if (known !== undefined) return this.#serve(known, request, body)
    const { sdk, bodyBytesMax: maxRequestBodySize } = this.#deps
    if (!isInitialize(body)) {
      if (id !== null) return unknownSession()
      // It has no session to begin with, and says what is wrong with the request.
      const options = { sessionIdGenerator: () => newId(this.#deps.random), maxRequestBodySize }
      const refusing = new sdk.WebStandardStreamableHTTPServerTransport(options)
      return refusing.handleRequest(request, { parsedBody: body })
    }
    this.#makeRoom()
    this.#opening += 1
    try {
      return await this.#begin(request, body)
    } finally {
      this.#opening -= 1
    }
  }

  async #begin(request: Request, body: unknown): Promise<Response> {
    const { sdk, bodyBytesMax: maxRequestBodySize } = this.#deps
    const line = await this.#deps.open()
    const http = new sdk.WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => newId(this.#deps.random),
      maxRequestBodySize,
      onsessioninitialized: (started) => void this.#sessions.set(started, session),
      onsessionclosed: (ended) => void this.#sessions.delete(ended),
    })
    const session: Session = { http, line, asked: new Map(), usedMs: this.#deps.now() }
    await join(session)
    const response = await this.#serve(session, request, body)
    // A request that was refused has begun nothing.
    if (http.sessionId === undefined) await http.close()
    return response
  }

  /** Ends sessions without a request in work that nobody has used since then. */
  sweep(untilMs: number): void {
    for (const session of this.#sessions.values()) {
      if (session.asked.size === 0 && session.usedMs <= untilMs) this.#end(session)
    }
  }

  close(): void {
    for (const session of this.#sessions.values()) this.#end(session)
  }

  #serve(session: Session, request: Request, body: unknown): Promise<Response> {
    session.usedMs = this.#deps.now()
    return session.http.handleRequest(request, { parsedBody: body })
  }

  #makeRoom(): void {
    if (this.#sessions.size + this.#opening < SESSIONS_MAX) return
    const idle = [...this.#sessions.values()].filter(({ asked }) => asked.size === 0)
    const [oldest] = idle.sort((a, b) => a.usedMs - b.usedMs)
    if (oldest === undefined) {
      throw McpError.BUSY({ what: 'the number of sessions with a service', limit: SESSIONS_MAX })
    }
    this.#end(oldest)
  }

  #end(session: Session): void {
    for (const [id, { http }] of this.#sessions) {
      if (http === session.http) this.#sessions.delete(id)
    }
    void session.http.close().catch(() => undefined)
  }
}

/** Carries messages both ways until either side ends. */
async function join({ http, line, asked }: Session): Promise<void> {
  http.onmessage = (message) => {
    if ('method' in message && 'id' in message) {
      asked.set(message.id, message.params?._meta?.progressToken)
    }
    line.send(message).catch((error: unknown) => {
      if ('id' in message && 'method' in message) answer(message.id, error)
    })
  }
  line.onmessage = (message: JSONRPCMessage) => {
    const related = relatedTo(asked, message)
    if (!('method' in message) && message.id !== undefined) asked.delete(message.id)
    const options = related === undefined ? {} : { relatedRequestId: related }
    void http.send(message, options).catch(() => undefined)
  }
  http.onclose = () => void line.close().catch(() => undefined)
  line.onclose = () => {
    const gone = McpError.SERVICE_ENDED({ reason: 'its line has ended' })
    for (const id of [...asked.keys()]) answer(id, gone)
    void http.close().catch(() => undefined)
  }
  const answer = (id: RpcId, error: unknown) => {
    if (!asked.delete(id)) return
    void http.send({ jsonrpc: '2.0', id, error: rpcError(error) }).catch(() => undefined)
  }
  await line.start()
  await http.start()
}

function relatedTo(asked: ReadonlyMap<RpcId, unknown>, message: JSONRPCMessage): RpcId | undefined {
  if (!('method' in message)) return undefined
  const params = (message as unknown as JsonObject).params
  const token = isJsonObject(params) ? params.progressToken : undefined
  if (token !== undefined) return [...asked].find(([, known]) => known === token)?.[0]
  return 'id' in message || message.method === LOG ? [...asked.keys()].at(-1) : undefined
}

function isInitialize(body: unknown): boolean {
  return isJsonObject(body) && body.method === 'initialize'
}

/** What tells a client to begin anew (MCP transports, 2025-11-25). */
function unknownSession(): Response {
  const error = { code: -32_001, message: 'Session not found' }
  return Response.json({ jsonrpc: '2.0', error, id: null }, { status: 404 })
}
