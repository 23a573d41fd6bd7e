/** What a running node says of itself, read from its parts. */

import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { Parts } from './compose.ts'
import { NodeError } from './errors.ts'
import { assess } from './health.ts'
import type { ResolvedConfig } from './load-config.ts'
import { firstPeers } from './regions.ts'
import type { Facility, HealthReport, NodeStatus, PeerStatus } from './shapes.ts'

/** Said of tunnels by every node, whatever its configuration would prefer. */
const TUNNELS_TO_COME: Facility = {
  state: 'unavailable',
  reason: 'IPv6 tunnels are not built yet',
  remedy: 'use native IPv6 or IPv4 until the tunnel room is there',
}

/** `own` is what only the node itself knows. */
export function statusOf(
  { config, parts, version }: { config: ResolvedConfig; parts: Parts; version: string },
  own: Pick<NodeStatus, 'ethAddress' | 'words' | 'health' | 'uptimeMs'>,
): NodeStatus {
  const { host } = parts
  return {
    ...own,
    peerId: host.self,
    listen: host.addresses(),
    peers: connectedPeers(host).length,
    network: config.network,
    version,
    quic: host.quic(),
    tunnel: TUNNELS_TO_COME,
    reachability: host.reachability(),
    portMapping: portMappingOf(parts),
    ...(parts.agent && { registry: parts.agent.gate.state() }),
    dataDir: config.dataDir,
  }
}

function portMappingOf({ portMapper }: Parts): NodeStatus['portMapping'] {
  if (portMapper === null) return { ...MAPPING_OFF, mappings: [] }
  return { ...portMapper.status(), mappings: portMapper.mappings() }
}

const MAPPING_OFF: Facility = { state: 'off', reason: 'turned off by network.port_mapping' }

export function healthOf(parts: Parts, config: ResolvedConfig, started: boolean): HealthReport {
  const { host, bootstrap, ownDht, mcp } = parts
  return assess({
    started,
    peersConnected: connectedPeers(host).length,
    listen: host.addresses(),
    bootstrap: {
      configured: firstPeers(config.bootstrap).length,
      failed: bootstrap
        .report()
        .attempts.filter(({ source, reason }) => source !== 'link' && reason !== undefined)
        .map(({ address, reason = '' }) => ({ address, reason })),
    },
    quic: parts.host.quic(),
    memory: host.resources.ailment,
    ...(parts.agent && { registry: parts.agent.gate.state() }),
    datagrams: ownDht?.datagrams ?? { state: 'off' },
    storeFailure: ownDht?.storeFailure ?? null,
    services: mcp?.services.list() ?? [],
  })
}

/** Each connected peer once, with all its connections. */
export async function peersOf(
  host: Pick<Host, 'connections' | 'protocolsOf'>,
): Promise<readonly PeerStatus[]> {
  const open = host.connections()
  return Promise.all(
    connectedPeers(host).map(async (peer) => ({
      peer,
      connections: open
        .filter((connection) => connection.peer === peer)
        .map(({ address, direction, transport, path, openedAtMs, streams }) => {
          return { address, direction, transport, path, openedAtMs, streams }
        }),
      protocols: await host.protocolsOf(peer),
    })),
  )
}

function connectedPeers(host: Pick<Host, 'connections'>): readonly PeerId[] {
  return [...new Set(host.connections().map(({ peer }) => peer))]
}

/** A part that the configuration may have switched off. */
export function partOf<Part>(section: string, part: Part | null): Part {
  if (part === null) throw NodeError.SECTION_OFF({ section, key: 'enabled' })
  return part
}
