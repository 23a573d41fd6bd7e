/**
 * A guarded HTTP listener: every request passes the guard before any other code of ours sees it,
 * and runs under a correlation id. The API and the MCP gateway both stand behind one.
 */

import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { newId, type Random, withCorrelation } from '../base/index.ts'
import { sendError } from './error-reply.ts'
import { ControlError } from './errors.ts'
import type { Guard } from './guard.ts'
import { createServer } from './node-http.ts'

export const CORRELATION_HEADER = 'x-correlation-id'
const CORRELATION_ID = /^[A-Za-z0-9._-]{1,64}$/

/** How many ports after a busy default one are tried. */
const PORTS_TRIED_MAX = 20
const CONNECTIONS_MAX = 256
const HEADER_BYTES_MAX = 16_384
const HEADERS_MAX = 64
const KEEP_ALIVE_MS = 5_000

/**
 * How long whoever sends a request may take for its head and for all of it, and the pace of
 * looking.
 */
interface ReceiveTimes {
  readonly headMs: number
  readonly wholeMs: number
  readonly checkMs: number
}

const RECEIVE_TIMES: ReceiveTimes = { headMs: 10_000, wholeMs: 60_000, checkMs: 5_000 }

export type Handle = (request: IncomingMessage, response: ServerResponse) => void

export interface ListenerOptions {
  /** `127.0.0.1:9002` or `[::1]:9002`; port 0 takes any free one. */
  readonly address: string
  /** A busy port of the default address gives way to the next; a configured one is an error. */
  readonly isDefault: boolean
  /** The configuration key that says where to listen, for errors. */
  readonly key: string
  readonly guard: Guard
  readonly random: Random
  readonly handle: Handle
  readonly times?: ReceiveTimes
}

export interface Listener {
  /** `http://127.0.0.1:9002`, with the port that was really taken. */
  readonly url: string
  /** The port that was wanted, when another had to be taken. */
  readonly movedFrom: number | undefined
  /** Resolves when the port is free again; open connections are cut. */
  close(): Promise<void>
}

export async function openListener(options: ListenerOptions): Promise<Listener> {
  const { host, port: wanted } = splitAddress(options.address)
  const tries = options.isDefault && wanted !== 0 ? PORTS_TRIED_MAX : 1
  for (let port = wanted; port < wanted + tries; port += 1) {
    const server = createGuardedServer(options)
    const taken = await listen(server, { host, port, options })
    if (taken === undefined) continue
    const name = host.includes(':') ? `[${host}]` : host
    return {
      url: `http://${name}:${taken}`,
      movedFrom: wanted !== 0 && taken !== wanted ? wanted : undefined,
      close: () => close(server),
    }
  }
  throw ControlError.PORT_BUSY({ key: options.key, address: options.address })
}

/** The correlation id that the listener gave to this request. */
export function correlationOf(request: IncomingMessage): string {
  return String(request.headers[CORRELATION_HEADER])
}

function createGuardedServer(options: ListenerOptions): Server {
  const { guard, random, handle, times = RECEIVE_TIMES } = options
  const server = createServer(
    {
      requestTimeout: times.wholeMs,
      headersTimeout: times.headMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: times.checkMs,
      maxHeaderSize: HEADER_BYTES_MAX,
      // A missing host is refused by the guard, with a code.
      requireHostHeader: false,
      insecureHTTPParser: false,
    },
    (request, response) => {
      const given = request.headers[CORRELATION_HEADER]
      const id = typeof given === 'string' && CORRELATION_ID.test(given) ? given : newId(random)
      request.headers[CORRELATION_HEADER] = id
      response.setHeader(CORRELATION_HEADER, id)
      // An answer is never a script or a page for a browser that would rather have one.
      response.setHeader('x-content-type-options', 'nosniff')
      const refusal = guard(request)
      if (refusal !== undefined) sendError(response, refusal)
      else withCorrelation(id, () => handle(request, response))
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  server.maxHeadersCount = HEADERS_MAX
  // A call may be silent for as long as its own deadline allows.
  server.timeout = 0
  return server
}

interface Attempt {
  readonly host: string
  readonly port: number
  readonly options: ListenerOptions
}

/** Resolves with the port taken, or `undefined` where it is busy and the next may be tried. */
async function listen(server: Server, attempt: Attempt): Promise<number | undefined> {
  const { host, port, options } = attempt
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // It stays: an error while accepting, as when files run out, must not end the process.
  server.on('error', reject)
  server.listen({ host, port, exclusive: true }, resolve)
  try {
    await promise
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (reason === 'EADDRINUSE') return undefined
    const { key, address } = options
    throw ControlError.ADDRESS_UNUSABLE({ key, address, reason }, error)
  }
  const bound = server.address()
  return typeof bound === 'object' && bound !== null ? bound.port : port
}

async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  await promise
}

function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':')
  return {
    host: address.slice(0, at).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(at + 1)),
  }
}
