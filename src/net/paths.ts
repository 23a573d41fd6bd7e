/**
 * How we are connected: directly, through a port that a router maps, through a hole that both sides
 * punched, or through a relay. The better path carries what begins from then on; what runs on the
 * other ends there.
 */

import type { Connection, PeerId as Libp2pPeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { PeerId } from '../identity/index.ts'
import { type Address, parseAny } from './transports.ts'

export const PATHS = ['direct', 'mapped', 'punched', 'relayed'] as const
export type Path = (typeof PATHS)[number]

const noted = new WeakMap<Connection, Path>()
const parsed = new WeakMap<Connection, Address>()

/** Notes how a connection came about, where its address does not say so. */
export function notePath(connection: Connection, path: Path): void {
  noted.set(connection, path)
}

/** How a connection goes; `direct` unless something is known that says otherwise. */
export function pathOf(connection: Connection): Path {
  return isRelayed(connection) ? 'relayed' : (noted.get(connection) ?? 'direct')
}

/** The remote address of a connection, taken apart once. */
export function addressOfConnection(connection: Connection): Address {
  const known = parsed.get(connection)
  if (known !== undefined) return known
  const address = parseAny(connection.remoteAddr.toString())
  parsed.set(connection, address)
  return address
}

/** Whether a connection goes through a relay, whatever limits that one sets. */
export function isRelayed(connection: Connection): boolean {
  return addressOfConnection(connection).transport === 'relay'
}

/** The IP address of the other side; of nobody for circuits, whose address is the relay's. */
export function ipOfConnection(connection: Connection): string | undefined {
  const { host, transport } = addressOfConnection(connection)
  if (transport === 'relay') return undefined
  return host?.kind === 'ip4' || host?.kind === 'ip6' ? host.value : undefined
}

/** Where open connections are found: libp2p itself, or its connection manager. */
export interface OpenConnections {
  getConnections(peer?: Libp2pPeerId): Connection[]
}

/** An open connection to a peer without a relay. */
export function directTo(open: OpenConnections, peer: PeerId): Connection | undefined {
  const all = open.getConnections(peerIdFromString(peer))
  return all.find((one) => one.status === 'open' && !isRelayed(one))
}

/** The newest open connection by which a peer called us through a relay. */
export function calledBy(open: OpenConnections, peer: PeerId): Connection | undefined {
  const all = open.getConnections(peerIdFromString(peer))
  // Of two the newer: whoever was gone, and calls again, is heard there.
  return all.findLast((one) => {
    return one.status === 'open' && one.direction === 'inbound' && isRelayed(one)
  })
}

/** The connection to use: without a relay before with one, QUIC before TCP, then the oldest. */
export function bestOf(open: readonly Connection[]): Connection | undefined {
  const direct = open.filter((one) => !isRelayed(one))
  return direct.find((one) => addressOfConnection(one).transport === 'quic') ?? direct[0] ?? open[0]
}
