/** Ports at the router: what the mapper is told of this node, and who is told what it found. */

import { findRoutes, type Libp2pHost, PortMapper, portClients, portsAt } from '../net/index.ts'
import type { Given } from './compose.ts'
import type { NotedUdp } from './datagram-parts.ts'
import type { ResolvedConfig } from './load-config.ts'

interface Below {
  readonly host: Pick<Libp2pHost, 'listening'> & {
    readonly reach: Pick<Libp2pHost['reach'], 'mapped'>
  }
  readonly datagrams: Pick<NotedUdp, 'addresses'>
}

/** Maps what is listened on, and tells the host which of its addresses routers forward. */
export function composePortMapping(
  { net }: Pick<ResolvedConfig, 'net'>,
  given: Pick<Given, 'clock' | 'random' | 'log' | 'injected' | 'machine'>,
  { host, datagrams }: Below,
): PortMapper | null {
  const { clock, random, injected, machine } = given
  const isReal = machine === undefined && injected.transports === undefined
  if (!net.portMapping || !isReal) return null
  const mapper = new PortMapper({
    clock,
    log: given.log.child('net'),
    open: portClients({ clock, random }),
    findRoutes: () => findRoutes(net.gateway),
    ports: (local) => portsAt(local, host.listening(), datagrams.addresses()),
  })
  mapper.events.on('mapped', ({ addresses }) => host.reach.mapped(addresses.filter(isForStreams)))
  return mapper
}

/** What is said over plain UDP is not libp2p's: the DHT finds its own address by the others. */
function isForStreams(address: string): boolean {
  return !/\/udp\/\d+$/.test(address)
}
