/**
 * Looking for an internet gateway by SSDP (UPnP Device Architecture 2.0 §1.3): one question by
 * multicast and straight to the router, and where its description lies.
 *
 * Whoever is on the link could answer, and would have us fetch what it likes. Only the router's
 * own answer is read, and only a description on the router itself is fetched.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Clock, hasCode, race } from '../base/index.ts'
import type { Route } from './portmap-lease.ts'

export const SSDP_PORT = 1900
export const GATEWAY_TYPES = [
  'urn:schemas-upnp-org:device:InternetGatewayDevice:1',
  'urn:schemas-upnp-org:device:InternetGatewayDevice:2',
] as const
/** An answer is a few headers; the longest that is read. */
export const SSDP_BYTES_MAX = 4_096

const GROUP = '239.255.255.250'
const MULTICAST_HOPS = 2
/** Devices wait up to a second by chance before they answer, and each question goes out twice. */
const WAITS_MS = [1_000, 1_500] as const

export function encodeSearch(target: string): Uint8Array {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${GROUP}:${SSDP_PORT}`,
    'MAN: "ssdp:discover"',
    'MX: 1',
    `ST: ${target}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

/** The URL of the description on `router`; `undefined` for whatever is no answer of a gateway. */
export function readSearchAnswer(bytes: Uint8Array, router: string): URL | undefined {
  if (bytes.length > SSDP_BYTES_MAX) return undefined
  const [status = '', ...lines] = Buffer.from(bytes).toString('latin1').split(/\r?\n/)
  if (!/^HTTP\/1\.[01] 200(?: |$)/.test(status)) return undefined
  const header = (name: string) => {
    const line = lines.find((one) => one.slice(0, name.length + 1).toLowerCase() === `${name}:`)
    return line?.slice(name.length + 1).trim() ?? ''
  }
  if (!GATEWAY_TYPES.some((type) => type === header('st'))) return undefined
  return urlOnRouter(header('location'), router)
}

/** An `http:` URL on the router itself; `undefined` for any other place it would send us to. */
export function urlOnRouter(text: string, router: string, base?: URL): URL | undefined {
  const url = text.length > 1_024 || text === '' ? null : URL.parse(text, base?.href)
  if (url?.protocol !== 'http:' || url.hostname !== router) return undefined
  return url.username === '' && url.password === '' ? url : undefined
}

/** Asks the router where its description lies; `undefined` when it does not answer as a gateway. */
export type FindGateway = (
  route: Route,
  clock: Clock,
  signal: AbortSignal,
) => Promise<URL | undefined>

/** Over a real socket. `port` is where the router listens. */
export async function findGateway(
  route: Route,
  clock: Clock,
  signal: AbortSignal,
  port = SSDP_PORT,
): Promise<URL | undefined> {
  const socket = createSocket({ type: 'udp4' })
  try {
    socket.on('error', () => undefined)
    const listening = once(socket, 'listening', { signal })
    socket.bind({ address: route.local, port: 0, exclusive: true })
    await listening
    const found = Promise.withResolvers<URL>()
    socket.on('message', (bytes, from) => {
      const url = from.address === route.router ? readSearchAnswer(bytes, route.router) : undefined
      if (url !== undefined) found.resolve(url)
    })
    for (const waitMs of WAITS_MS) {
      search(socket, route, port)
      const url = await within(clock.deadline(waitMs, signal), found.promise, signal)
      if (url !== undefined) return url
    }
    return undefined
  } finally {
    socket.close()
  }
}

/** Where no route leads to the group the question still reaches the router. */
function search(socket: Socket, { router, local }: Route, port: number): void {
  try {
    socket.setMulticastTTL(MULTICAST_HOPS)
    socket.setMulticastInterface(local)
  } catch {
    // An interface without multicast: the router is asked by its own address.
  }
  for (const type of GATEWAY_TYPES) {
    const question = encodeSearch(type)
    for (const host of [GROUP, router]) socket.send(question, port, host, () => undefined)
  }
}

async function within<T>(
  deadline: ReturnType<Clock['deadline']>,
  work: Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  using until = deadline
  try {
    return await race(work, until.signal)
  } catch (error) {
    signal.throwIfAborted()
    if (hasCode(error, 'BASE_DEADLINE')) return undefined
    throw error
  }
}
