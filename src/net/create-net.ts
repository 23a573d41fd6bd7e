/** Puts the parts of this room together: one host over one libp2p node, not started yet. */

import type { Libp2p, Upgrader } from '@libp2p/interface'
import type { Policy } from '../access/index.ts'
import { type Clock, type Logger, type Random, secureRandom } from '../base/index.ts'
import type { NodeKeys, PeerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import { AddressBook } from './address-book.ts'
import { ByteMeter } from './byte-meter.ts'
import type { NetConfig } from './config.ts'
import { Dialler } from './dialler.ts'
import { NetError } from './errors.ts'
import type { Facility } from './facility.ts'
import { connectionGater } from './gater.ts'
import { HubMeter } from './hub-meter.ts'
import { buildLibp2p, type NetServices, tcpTransport } from './libp2p.ts'
import { Libp2pHost } from './libp2p-host.ts'
import type { NetMetrics } from './metrics.ts'
import { type Names, systemNames } from './names.ts'
import { OlderConnections } from './older-connections.ts'
import { PeerAddresses, protocolsOf } from './peer-addresses.ts'
import { type Probe, probeByBinding } from './ports.ts'
import { privateKeyOf, QUIC_NEEDS_KEY } from './private-key.ts'
import type { Punching } from './punching.ts'
import { loadQuic } from './quic.ts'
import { Reach } from './reach.ts'
import { RelayTransport } from './relay-transport.ts'
import { Resources } from './resources.ts'
import { ReuseTcp } from './reuse-tcp.ts'
import { type TransportFactory, watchedTransport, watchedUpgrader } from './transport-watch.ts'

export interface NetDeps {
  readonly keys: NodeKeys
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: NetMetrics
  /** What we call ourselves to other peers, such as `p2p-foundation/0.1.0`. */
  readonly agent: string
  /** Whether a peer is one of our own, whom the limits by address do not count. */
  readonly isOwn?: (peer: PeerId) => boolean
  /** In place of what the operating system says of this process. */
  readonly processBytes?: () => number
  /** In place of QUIC and TCP, such as memory in tests. */
  readonly transports?: readonly TransportFactory[]
  /** In place of `loadQuic`, such as to keep the hub that comes with it. */
  readonly loadQuic?: typeof loadQuic
  /** In place of the operating system's chance, such as a seeded one. */
  readonly random?: Random
  /** How far an address must reach to be one for everybody; a test on one machine has no such. */
  readonly reachScope?: Scope
  /** In place of the system's name service. */
  readonly names?: Names
  /** In place of really binding ports to see whether they are free. */
  readonly probe?: Probe
  /** What rooms above put into libp2p itself, such as GossipSub; made from its components. */
  readonly services?: Readonly<Record<string, (components: unknown) => unknown>>
}

/** A host with everything it needs; `start` makes it listen. */
export async function createNet(deps: NetDeps, config: NetConfig): Promise<Libp2pHost> {
  const { clock, log, metrics, policy, keys } = deps
  const common = { clock, log, metrics, policy }
  const self = keys.signer.peer
  const meter = new ByteMeter(metrics.bandwidthBytes)
  const resources = resourcesOf(deps, config)
  const { hooks } = resources
  const { transports, facility, punching, meters } = await transportsOf(deps, config)
  // It exists once libp2p does; until then nobody asks.
  const later: Later = {}
  const watch = (upgrader: Upgrader) => watchedUpgrader(upgrader, meter, hooks)
  const relayed = relayTransport({ clock, watch, later }, config)
  const gater = connectionGater(
    {
      ...{ ...common, self, resources: hooks },
      spoke: (connection) => meter.spoke(connection),
      // It is asked about connections that only exist once libp2p does.
      connectionsOf: (peer) => addresses.connectionsOf(peer).length,
      scopeOfPeer: (peer) => addresses.scopeOf(peer),
    },
    config,
  )
  const { agent, services = {} } = deps
  const libp2p: Libp2p<NetServices> = await buildLibp2p(
    {
      ...{ keys, clock, log, gater, resources: hooks, agent, services },
      announced: () => later.reach,
      transports: [...transports, relayed].map((make) => watchedTransport(make, meter, hooks)),
    },
    config,
  )
  // It looks for as long as libp2p tells of connections.
  new OlderConnections({ libp2p, clock, log })
  const book = new AddressBook({ peersMax: config.peersMax, ageMaxMs: config.peerAgeMaxMs }, clock)
  const own = { self, libp2p, scope: deps.reachScope ?? 'global' }
  const addresses = new PeerAddresses({ ...own, book }, config)
  const names = deps.names ?? systemNames
  const dialling = { libp2p: libp2p.services.dialling, names, clock, metrics, addresses }
  const lastResorts = () => later.reach?.lastResorts() ?? []
  const dialler = new Dialler({ ...dialling, lastResorts }, config)
  const reach = reachOf(deps, { ...own, punching, dialler, addresses }, config)
  later.reach = reach
  const probe = deps.probe ?? probeByBinding
  const parts = { libp2p, reach, dialler, addresses, resources, quic: facility, probe }
  const refresh = () => {
    for (const one of [meter, ...meters]) one.refresh()
  }
  return new Libp2pHost({ ...common, ...parts, meter: { refresh } }, config)
}

function resourcesOf(deps: NetDeps, config: NetConfig): Resources {
  const { clock, log, metrics, processBytes, isOwn = () => false } = deps
  return new Resources(
    { clock, log, metrics, isOwn, ...(processBytes && { processBytes }) },
    config,
  )
}

interface ReachParts {
  readonly self: PeerId
  readonly libp2p: Libp2p<NetServices>
  readonly punching: Punching
  readonly scope: Scope
  readonly dialler: Dialler
  readonly addresses: PeerAddresses
}

function reachOf(deps: NetDeps, parts: ReachParts, config: NetConfig): Reach {
  const { policy, clock, log, metrics, keys, random = secureRandom } = deps
  const { libp2p, dialler, addresses } = parts
  return new Reach(
    {
      ...parts,
      ...{ policy, clock, log, metrics, random },
      key: privateKeyOf(keys),
      connect: (target, options) => dialler.connect(target, { ...options, isDirect: true }),
      addressesOf: (peer) => addresses.of(peer),
      protocolsOf: (peer) => protocolsOf(libp2p, peer),
      isBehindRelay: (peer) => addresses.isBehindRelay(peer),
    },
    config,
  )
}

/** What is asked by parts that are made before it. */
interface Later {
  reach?: Reach
}

function relayTransport(
  {
    clock,
    watch,
    later,
  }: Pick<NetDeps, 'clock'> & {
    readonly watch: (upgrader: Upgrader) => Upgrader
    readonly later: Later
  },
  { negotiationTimeoutMs }: NetConfig,
): TransportFactory {
  return (components) => {
    const isOurRelay = (peer: PeerId) => later.reach?.isOurRelay(peer) === true
    return new RelayTransport(components, { clock, negotiationTimeoutMs, watch, isOurRelay })
  }
}

async function transportsOf(
  deps: NetDeps,
  config: NetConfig,
): Promise<{
  transports: readonly TransportFactory[]
  facility: Facility
  punching: Punching
  /** What is read once in a while. */
  meters: readonly Pick<HubMeter, 'refresh'>[]
}> {
  if (deps.transports !== undefined) {
    const facility = { state: 'off' } as const
    return { transports: deps.transports, facility, punching: NO_PUNCHING, meters: [] }
  }
  const hasKey = deps.keys.raw !== undefined
  const noQuic = { transport: undefined, facility: QUIC_NEEDS_KEY, hub: undefined }
  const load = deps.loadQuic ?? loadQuic
  const quic = hasKey ? await load(config, deps.clock) : noQuic
  const tcp = new ReuseTcp({ clock: deps.clock, attemptMs: PUNCH_ATTEMPT_MS })
  const transports = [quic.transport, tcp.wrap(tcpTransport(config))].filter((make) => {
    return make !== undefined
  })
  const { hub } = quic
  const meters = hub === undefined ? [] : [new HubMeter(deps.metrics, () => hub.stats())]
  return { transports, facility: quic.facility, punching: { hub, tcp }, meters }
}

/** Longer than one lost packet costs, shorter than a try at a hole lasts. */
const PUNCH_ATTEMPT_MS = 2_500
const NO_TCP: Facility = { state: 'unavailable', reason: 'transports were handed in' }
const NO_PUNCHING: Punching = {
  hub: undefined,
  tcp: {
    facility: NO_TCP,
    punch: async () => {
      throw NetError.CONNECTION_DROPPED({ reason: NO_TCP.reason ?? '' })
    },
  },
}
