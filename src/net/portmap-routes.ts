/**
 * The routers of this machine, and which of our addresses each of them knows us by.
 *
 * Linux tells its routes in files. Elsewhere there is a program for it and no file, and we run no
 * programs: there `network.gateway` says which router to ask.
 */

import { constants } from 'node:fs'
import { endianness, type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { hasCode, readBounded } from '../base/index.ts'
import { groupOf, ipFromBytes, scopeOf } from '../ip/index.ts'
import type { Route } from './portmap-lease.ts'

/** A default route: the way out through a router. */
export interface DefaultRoute {
  readonly router: string
  readonly interfaceName: string
  readonly metric: number
}

/** What was found, or why no router can be asked. */
export interface Routes {
  readonly routes: readonly Route[]
  readonly reason?: string
  readonly remedy?: string
}

export type Interfaces = NodeJS.Dict<readonly NetworkInterfaceInfo[]>

/** linux/route.h: the route is up, and leads through a router. */
const UP_AND_GATEWAY = 0x3
/** Tables of machines that route for others are long; the way out is among the first. */
const TABLE_BYTES_MAX = 256 * 1_024
/** Addresses of one interface may be many; the router need not open a port for each. */
const IPV6_MAX = 2

const SET_GATEWAY = 'set network.gateway to the address of the router'

/** The routers to ask. `gateway` comes from the configuration and stands in for the table. */
export async function findRoutes(gateway: string | undefined): Promise<Routes> {
  const interfaces = networkInterfaces()
  if (gateway !== undefined) return routesVia(gateway, interfaces)
  const bounded = { bytesMax: TABLE_BYTES_MAX, flags: constants.O_RDONLY }
  const read = (path: string) => readBounded(path, bounded).catch(absent)
  const [ipv4, ipv6] = await Promise.all([read('/proc/net/route'), read('/proc/net/ipv6_route')])
  if (ipv4 === undefined) {
    return {
      routes: [],
      reason: 'this system does not say which router it uses',
      remedy: SET_GATEWAY,
    }
  }
  return routesOf([...parseRoutes(ipv4), ...parseIPv6Routes(ipv6 ?? '')], interfaces)
}

/** The best default route of each version of IP, as seen from our own addresses. */
export function routesOf(found: readonly DefaultRoute[], interfaces: Interfaces): Routes {
  const bestOf = (family: 4 | 6) =>
    found.filter(({ router }) => router.includes(':') === (family === 6)).sort(byMetric)[0]
  const [ipv4, ipv6] = [bestOf(4), bestOf(6)]
  if (ipv4 === undefined && ipv6 === undefined) {
    return { routes: [], reason: 'this machine has no router', remedy: 'connect it to a network' }
  }
  const routes = [
    ...(ipv4 === undefined ? [] : fromIPv4(ipv4, interfaces)),
    ...(ipv6 === undefined ? [] : fromIPv6(ipv6, interfaces)),
  ]
  if (routes.length > 0) return { routes }
  return {
    routes,
    reason: 'this machine has no address on the network of its router',
    remedy: SET_GATEWAY,
  }
}

function routesVia(gateway: string, interfaces: Interfaces): Routes {
  const name = Object.keys(interfaces).find((one) =>
    (interfaces[one] ?? []).some((info) => holds(info, gateway)),
  )
  if (name !== undefined) {
    return routesOf([{ router: gateway, interfaceName: name, metric: 0 }], interfaces)
  }
  const reason = `no address of this machine is on the network of network.gateway ${gateway}`
  return { routes: [], reason, remedy: SET_GATEWAY }
}

/** `/proc/net/route`: one route a line; addresses as the machine's own 32-bit numbers. */
export function parseRoutes(table: string): readonly DefaultRoute[] {
  return linesOf(table).flatMap((line) => {
    const [name = '', to, gateway = '', flags = '', , , metric, mask] = line.split(/\s+/)
    if (to !== '00000000' || mask !== '00000000' || !isUsable(flags)) return []
    if (!/^[0-9A-F]{8}$/i.test(gateway)) return []
    const bytes = Buffer.from(gateway, 'hex')
    if (endianness() === 'LE') bytes.reverse()
    return [{ router: bytes.join('.'), interfaceName: name, metric: Number(metric) }]
  })
}

/** `/proc/net/ipv6_route`: addresses as 32 hex digits; a router on the link has its zone. */
export function parseIPv6Routes(table: string): readonly DefaultRoute[] {
  return linesOf(table).flatMap((line) => {
    const [to = '', bits, , , gateway = '', metric = '', , , flags = '', name = ''] =
      line.split(/\s+/)
    if (!/^0{32}$/.test(to) || bits !== '00' || !isUsable(flags)) return []
    if (!/^[0-9a-f]{32}$/i.test(gateway) || /^0{32}$/.test(gateway)) return []
    const { text } = ipFromBytes(Uint8Array.from(Buffer.from(gateway, 'hex')))
    const router = scopeOf(text) === 'link' ? `${text}%${name}` : text
    return [{ router, interfaceName: name, metric: Number.parseInt(metric, 16) }]
  })
}

/** The address on the router's network; an interface may have several networks. */
function fromIPv4({ router, interfaceName }: DefaultRoute, interfaces: Interfaces): Route[] {
  const own = (interfaces[interfaceName] ?? []).filter(({ family }) => family === 'IPv4')
  const info = own.find((one) => holds(one, router)) ?? own[0]
  return info === undefined ? [] : [{ family: 4, router, local: info.address }]
}

/** Every public address: a firewall opens a port for one address at a time. */
function fromIPv6({ router, interfaceName }: DefaultRoute, interfaces: Interfaces): Route[] {
  const own = (interfaces[interfaceName] ?? []).filter(({ family }) => family === 'IPv6')
  const open = own.filter(({ address }) => scopeOf(address) === 'global')
  return open.slice(0, IPV6_MAX).map(({ address }) => ({ family: 6, router, local: address }))
}

function holds({ family, address, cidr, internal }: NetworkInterfaceInfo, router: string): boolean {
  if (cidr === null || internal || family !== 'IPv4' || router.includes(':')) return false
  const bits = { v4: Number(cidr.split('/')[1]), v6: 0 }
  return groupOf(address, bits) === groupOf(router, bits)
}

function linesOf(table: string): readonly string[] {
  return table
    .slice(0, TABLE_BYTES_MAX)
    .split('\n')
    .map((line) => line.trim())
}

function isUsable(flags: string): boolean {
  return (Number.parseInt(flags, 16) & UP_AND_GATEWAY) === UP_AND_GATEWAY
}

function byMetric(a: DefaultRoute, b: DefaultRoute): number {
  return a.metric - b.metric
}

function absent(error: unknown): undefined {
  if (hasCode(error, 'ENOENT', 'EACCES', 'EPERM')) return undefined
  throw error
}
