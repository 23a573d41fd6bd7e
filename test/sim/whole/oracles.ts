/**
 * What must be true of a world of whole nodes, whatever was done to it: the rules of the routing
 * tables, agreement with the true closest, and nothing left behind.
 */

import { type Contact, closestTo, contactOf, type DhtKey } from '../../../src/dht/key.ts'
import { siteOf } from '../../../src/dht/site.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import type { SimNode, Simulation } from '../../../src/testing/index.ts'

/** Complaints beyond these say nothing new. */
const COMPLAINTS_MAX = 20

export type Oracles = Readonly<Record<string, readonly string[]>>

/** Every rule of the routing tables of all nodes that run. */
export function tableComplaints(world: Simulation): readonly string[] {
  const sites = new Map(world.nodes.map(({ peer, host }) => [peer, siteOf(host.ip)]))
  return world.nodes.flatMap((node) => complaintsOf(node, sites)).slice(0, COMPLAINTS_MAX)
}

/** Whether each node knows its true neighbours: with these, a lookup ends where it must. */
export function neighbourComplaints(world: Simulation, count: number): readonly string[] {
  const nearest = nearestOf(world.nodes, count)
  return world.nodes
    .flatMap((node) => {
      const known = new Set(peersOf(node))
      const missing = (nearest.get(node.peer) ?? []).filter((peer) => !known.has(peer)).length
      return missing === 0 ? [] : [`${node.host.ip} lacks ${missing} of its ${count} neighbours`]
    })
    .slice(0, COMPLAINTS_MAX)
}

/** The neighbours that each node should know; worked out again when other nodes run. */
function nearestOf(nodes: readonly SimNode[], count: number): Neighbours {
  const peers = nodes.map(({ peer }) => peer).join(' ')
  if (peers === lastNearest.peers && count === lastNearest.count) return lastNearest.neighbours
  const all = nodes.map(({ peer }) => contactOf(peer))
  const neighbours = new Map(
    all.map(({ peer, key }) => [
      peer,
      closestTo(key, all, count + 1)
        .map((contact) => contact.peer)
        .filter((other) => other !== peer),
    ]),
  )
  lastNearest = { peers, count, neighbours }
  return neighbours
}

type Neighbours = ReadonlyMap<PeerId, readonly PeerId[]>

/** A network that forms is asked many times while the same nodes run. */
let lastNearest = { peers: '', count: 0, neighbours: new Map() as Neighbours }

/** Tables may hold the dead for a while, but not for ever. */
export function deadComplaints(world: Simulation): readonly string[] {
  const alive = new Set(world.nodes.map(({ peer }) => peer))
  return world.nodes
    .flatMap((node) => {
      const dead = peersOf(node).filter((peer) => !alive.has(peer)).length
      return dead === 0 ? [] : [`${node.host.ip} holds ${dead} that are gone`]
    })
    .slice(0, COMPLAINTS_MAX)
}

/** The nodes that run and are truly closest to `key`, closest first. */
export function trueClosest(contacts: readonly Contact[], key: DhtKey, count: number): PeerId[] {
  return closestTo(key, contacts, count).map(({ peer }) => peer)
}

export function contactsOf(world: Simulation): readonly Contact[] {
  return world.nodes.map(({ peer }) => contactOf(peer))
}

export function peersOf({ parts }: SimNode): readonly PeerId[] {
  return (parts.ownDht?.buckets ?? []).flatMap(({ peers }) => peers)
}

/** Ends the world and says what it left behind, and what nobody caught. */
export async function closing(world: Simulation): Promise<Oracles> {
  const left = await world.close()
  return { accounts: left, mishaps: world.mishaps.slice(0, COMPLAINTS_MAX) }
}

function complaintsOf(node: SimNode, sites: ReadonlyMap<PeerId, string | undefined>): string[] {
  const { bucketPeersMax, sitePeersMax, siteBucketPeersMax } = node.config.dht
  const complaints: string[] = []
  const say = (what: string) => complaints.push(`${node.host.ip} ${what}`)
  const peers = peersOf(node)
  if (peers.includes(node.peer)) say('holds itself')
  if (new Set(peers).size < peers.length) say('holds a peer twice')
  const most = mostOfOneSite(peers, sites)
  if (most > sitePeersMax) say(`holds ${most} peers of one site`)
  for (const bucket of node.parts.ownDht?.buckets ?? []) {
    const { length } = bucket.peers
    if (length > bucketPeersMax) say(`holds ${length} in one bucket`)
    const mostHere = mostOfOneSite(bucket.peers, sites)
    if (mostHere > siteBucketPeersMax) say(`holds ${mostHere} of one site in one bucket`)
  }
  return complaints
}

function mostOfOneSite(
  peers: readonly PeerId[],
  sites: ReadonlyMap<PeerId, string | undefined>,
): number {
  const counts = new Map<string, number>()
  for (const peer of peers) {
    const site = sites.get(peer)
    if (site !== undefined) counts.set(site, (counts.get(site) ?? 0) + 1)
  }
  return Math.max(0, ...counts.values())
}
