import type { Counter, Gauge, Registry } from '../base/index.ts'

export interface NetMetrics {
  readonly peersConnected: Gauge
  readonly connections: Gauge
  readonly bandwidthBytes: Counter
  readonly dials: Counter
  readonly refusals: Counter
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
    refusals: registry.counter('p2p_connections_refused', 'Connections refused, by reason', [
      'reason',
    ]),
  }
}
