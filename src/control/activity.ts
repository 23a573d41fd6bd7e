/** What a node did since it started, in numbers: for a person who watches, beside `/metrics`. */

import { memoryUsage } from 'node:process'
import type { Registry } from '../base/index.ts'
import type { ServedNode } from './served-node.ts'

/** Totals since the start, and what there is now; whoever asks twice has the rate. */
export interface Activity {
  readonly bytesIn: number
  readonly bytesOut: number
  /** Tools of this node's own services, now. */
  readonly toolsOffered: number
  /** Calls that this node made, and requests of peers that it answered. */
  readonly calls: number
  readonly served: number
  /** Records of the DHT kept here, now. */
  readonly dhtRecords: number
  /** Resident set size of the process, now. */
  readonly memoryBytes: number
}

export async function activityOf(
  node: Pick<ServedNode, 'services' | 'calls' | 'served'>,
  registry: Pick<Registry, 'total'>,
): Promise<Activity> {
  const [bytesIn, bytesOut, dhtRecords] = await Promise.all([
    registry.total('p2p_bandwidth_bytes', { direction: 'in' }),
    registry.total('p2p_bandwidth_bytes', { direction: 'out' }),
    registry.total('p2p_dht_records_stored'),
  ])
  const { calls, served } = node
  return {
    bytesIn,
    bytesOut,
    toolsOffered: node.services.list().reduce((sum, { tools }) => sum + tools.length, 0),
    calls,
    served,
    dhtRecords,
    memoryBytes: memoryUsage.rss(),
  }
}
