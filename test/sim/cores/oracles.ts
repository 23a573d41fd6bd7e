/** What must be true of a world when its run is over, whatever was done to it. */

import { commonPrefixLength } from '../../../src/dht/key.ts'
import type { Network } from './network.ts'
import type { SimNode, World } from './world.ts'

/** What the oracles look at; a test may hold it to other limits. */
export type Looked = Pick<World, 'config' | 'honest' | 'nodeOf'>

/** Complaints beyond these say nothing new. */
const COMPLAINTS_MAX = 5
/** Tables looked at: spread evenly over the key space. */
const TABLES_MAX = 1_000

export type Oracles = Readonly<Record<string, readonly string[]>>

/** Each rule of the routing table, and that no question was lost. */
export function worldOracles(world: Looked, network: Pick<Network, 'flying'>): Oracles {
  const stride = Math.max(1, Math.floor(world.honest.length / TABLES_MAX))
  const looked = world.honest.filter((_, i) => i % stride === 0)
  const complaints = looked.flatMap((node) => complaintsOf(world, node))
  const lost = network.flying === 0 ? [] : [`${network.flying} questions never ended`]
  return { tables: complaints.slice(0, COMPLAINTS_MAX), questions: lost }
}

function complaintsOf(world: Looked, node: SimNode): string[] {
  const { bucketPeersMax, sitePeersMax, siteBucketPeersMax } = world.config
  const complaints: string[] = []
  const peers = node.table.closest(node.contact.key, node.table.size)
  if (peers.length !== node.table.size) complaints.push(`node ${node.index} lists not all it has`)
  if (new Set(peers.map(({ peer }) => peer)).size !== peers.length) {
    complaints.push(`node ${node.index} has a peer twice`)
  }
  if (peers.some(({ peer }) => peer === node.contact.peer)) {
    complaints.push(`node ${node.index} has itself`)
  }
  const buckets = new Counts()
  const sites = new Counts()
  const siteBuckets = new Counts()
  for (const { peer, key } of peers) {
    const prefix = commonPrefixLength(node.contact.key, key)
    const { site } = world.nodeOf(peer) ?? {}
    buckets.add(`${prefix}`)
    if (site === undefined) continue
    sites.add(site)
    siteBuckets.add(`${prefix} ${site}`)
  }
  if (buckets.max > bucketPeersMax) complaints.push(`node ${node.index}: bucket of ${buckets.max}`)
  if (sites.max > sitePeersMax) complaints.push(`node ${node.index}: ${sites.max} of one site`)
  if (siteBuckets.max > siteBucketPeersMax) {
    complaints.push(`node ${node.index}: ${siteBuckets.max} of one site in a bucket`)
  }
  return complaints
}

class Counts {
  max = 0
  readonly #counts = new Map<string, number>()

  add(name: string): void {
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    this.max = Math.max(this.max, count)
  }
}
