import type { Counter, Gauge, Registry } from '../base/index.ts'

export interface NetMetrics {
  readonly peersConnected: Gauge
  readonly connections: Gauge
  readonly bandwidthBytes: Counter
  readonly dials: Counter
  readonly refusals: Counter
  readonly resourceRefusals: Counter
  readonly resourceUse: Gauge
  readonly displaced: Counter
  readonly relayed: Counter
  readonly relayRefusals: Counter
  readonly punches: Counter
  readonly hubGates: Gauge
  readonly hubDropped: Counter
  readonly hubPackets: Counter
}

/** The metrics of the room; the first two names are the specification's. */
export function netMetrics(registry: Registry): NetMetrics {
  return {
    peersConnected: registry.gauge('p2p_peers_connected', 'Number of connected peers'),
    bandwidthBytes: registry.counter(
      'p2p_bandwidth_bytes',
      'Bytes of all connections, encryption and framing included, by direction',
      ['direction'],
    ),
    connections: registry.gauge('p2p_connections', 'Open connections by transport', {
      labels: ['transport'],
    }),
    dials: registry.counter('p2p_dials', 'Addresses dialled, by transport and outcome', [
      'transport',
      'outcome',
    ]),
    relayed: registry.counter(
      'p2p_relayed',
      'What this node did for others as a relay: reservations, circuits and bytes passed on',
      ['what'],
    ),
    relayRefusals: registry.counter('p2p_relay_refusals', 'Relay requests refused, by reason', [
      'reason',
    ]),
    punches: registry.counter(
      'p2p_hole_punches',
      'Tries to reach a relayed peer without the relay, by transport and outcome',
      ['transport', 'outcome'],
    ),
    ...hubMetrics(registry),
    resourceRefusals: registry.counter(
      'p2p_resource_refusals',
      'What the resource manager refused, by scope and resource',
      ['scope', 'resource'],
    ),
    resourceUse: registry.gauge(
      'p2p_resource_use',
      'What is in use of the node, and of that what is not proven yet, by scope and resource',
      { labels: ['scope', 'resource'] },
    ),
    displaced: registry.counter(
      'p2p_connections_displaced',
      'Connections closed to make room, by reason: crowd or memory',
      ['reason'],
    ),
    refusals: registry.counter('p2p_connections_refused', 'Connections refused, by reason', [
      'reason',
    ]),
  }
}

function hubMetrics(
  registry: Registry,
): Pick<NetMetrics, 'hubGates' | 'hubDropped' | 'hubPackets'> {
  return {
    hubGates: registry.gauge(
      'p2p_udp_hub_gates',
      'Remotes that the UDP hub keeps a socket for, one for each direction',
    ),
    hubDropped: registry.counter(
      'p2p_udp_hub_dropped',
      'Packets that the UDP hub dropped, by reason: a limit of gates, a full queue, or nobody’s',
      ['reason'],
    ),
    hubPackets: registry.counter(
      'p2p_udp_hub_packets',
      'Packets that came to the UDP hub from the network and that it sent there, by direction',
      ['direction'],
    ),
  }
}
