/**
 * HTTP to a router, and to nothing else: no redirects, no proxies, a bound on headers and body, and
 * one deadline over all of it, so that a router that drips a byte a second ends like a silent one.
 */

import type { ClientRequest, IncomingMessage } from 'node:http'
import { NetError } from './errors.ts'
import type { Route } from './portmap-lease.ts'
import { XML_BYTES_MAX } from './upnp-soap.ts'

/** Node's HTTP without the web's: an import of `node:http` would load `fetch` and all it needs. */
const { request } = process.getBuiltinModule('node:http')

const HEADER_BYTES_MAX = 8_192

/** A GET without a body, a POST with one. */
export interface RouterRequest {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface RouterResponse {
  readonly status: number
  readonly body: string
}

/** Asks a router by HTTP; rejects when it does not answer as it should before `signal` aborts. */
export type AskHttp = (
  route: Route,
  asked: RouterRequest,
  signal: AbortSignal,
) => Promise<RouterResponse>

export const askHttp: AskHttp = async (route, { url, headers, body }, signal) => {
  const { promise, resolve, reject } = Promise.withResolvers<RouterResponse>()
  const sent: ClientRequest = request({
    host: url.hostname,
    port: url.port === '' ? 80 : Number(url.port),
    path: `${url.pathname}${url.search}`,
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headers, Connection: 'close', 'Content-Length': Buffer.byteLength(body ?? '') },
    localAddress: route.local,
    family: 4,
    agent: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    signal,
  })
  sent.on('error', reject)
  sent.on('response', (response) => void bodyOf(response, route.router).then(resolve, reject))
  sent.end(body)
  try {
    return await promise
  } finally {
    sent.destroy()
  }
}

async function bodyOf(response: IncomingMessage, router: string): Promise<RouterResponse> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length
    if (size > XML_BYTES_MAX) {
      const reason = `it sends more than ${XML_BYTES_MAX} bytes`
      throw NetError.ROUTER_UNUSABLE({ router, via: 'UPnP', reason })
    }
    parts.push(part)
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }
}
