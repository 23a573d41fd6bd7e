/** The part of the composition that meets peers, and stays with those that are wanted. */

import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import type { Dht } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import { scopeOf } from '../ip/index.ts'
import {
  Bootstrap,
  type CallOptions,
  LastingChannels,
  type Libp2pHost,
  Mdns,
  type NetworkChange,
  NetworkWatch,
  WantedPeers,
} from '../net/index.ts'
import type { Given } from './compose.ts'
import { type NodeDht, reach } from './injected.ts'
import type { ResolvedConfig } from './load-config.ts'
import { firstPeers } from './regions.ts'

/** What outlives a connection. */
export interface Staying {
  readonly channels: LastingChannels
  readonly wanted: WantedPeers
  /** Null where the machine under the node is no real one. */
  readonly watch: NetworkWatch | null
}

/** Two peers are enough to be found by all others; the rest comes from the DHT. */
const BOOTSTRAP = { peersMin: 2, backoffMs: 2_000, dialTimeoutMs: 10_000 }
const MDNS = { queryIntervalMs: 60_000, rescanMs: 3_000 }

/** Whom to connect to first: those configured or remembered, and who is on the same link. */
export function composeMeeting(config: ResolvedConfig, given: Given, host: Libp2pHost) {
  const { clock, random } = given
  const room = { clock, random, log: given.log.child('net') }
  const keepsFiles = given.machine?.keepsFiles ?? true
  const bootstrap = new Bootstrap(
    { ...room, host, file: keepsFiles ? join(config.dataDir, 'peers.json') : undefined },
    {
      ...BOOTSTRAP,
      get addresses() {
        return firstPeers(config.bootstrap)
      },
      keepAll: config.bootstrap.keepAll,
    },
  )
  const meeting = {
    ...room,
    self: host.self,
    addresses: () => host.addresses(),
    found: (peer: PeerId, addresses: readonly string[]) => bootstrap.found(peer, addresses),
  }
  const { network } = config
  return { bootstrap, mdns: config.bootstrap.mdns ? new Mdns(meeting, { ...MDNS, network }) : null }
}

interface Below {
  readonly host: Libp2pHost
  readonly ownDht: Dht | null
  readonly dht: NodeDht | null
  readonly bootstrap: Bootstrap
}

/** Channels and peers that are kept, and what tells them that the network changed. */
export function composeStaying(config: ResolvedConfig, given: Given, below: Below): Staying {
  const { clock, random } = given
  const { host, bootstrap } = below
  const room = { clock, random, log: given.log.child('net'), host }
  const find = (target: string, options: CallOptions) => reach(target, below, options)
  const connect = (peer: PeerId, options: CallOptions) => host.connect(peer, options)
  const { network } = config
  const keep = (peer: PeerId, bytes: number) => host.resources.keep(peer, bytes)
  const channels = new LastingChannels({ ...room, find, connect, keep, network }, config.channel)
  host.events.on('improved', ({ peer }) => channels.pathImproved(peer))
  const wanted = new WantedPeers({ ...room, find }, config.bootstrap.wanted)
  if (given.machine !== undefined) return { channels, wanted, watch: null }
  const watch = new NetworkWatch({ ...room, addresses: ownAddresses })
  watch.events.on('changed', (change) => {
    if (hasLeft(change)) host.reach.moved()
    bootstrap.retryNow()
    wanted.retryNow()
    channels.networkChanged()
  })
  return { channels, wanted, watch }
}

/**
 * Whether what others saw of us may be over: an address that came makes nothing untrue, and those
 * of the link alone nobody saw.
 */
export function hasLeft({ vanished }: Pick<NetworkChange, 'vanished'>): boolean {
  return vanished.some((address) => scopeOf(address) !== 'link')
}

function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((found = []) => {
    return found.filter(({ internal }) => !internal).map(({ address }) => address)
  })
}
