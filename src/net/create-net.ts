/** Puts the parts of this room together: one host over one libp2p node, not started yet. */

import type { Libp2p } from '@libp2p/interface'
import type { Policy } from '../access/index.ts'
import type { Clock, Logger } from '../base/index.ts'
import type { NodeKeys } from '../identity/index.ts'
import { AddressBook } from './address-book.ts'
import { ByteMeter } from './byte-meter.ts'
import type { NetConfig } from './config.ts'
import { Dialler } from './dialler.ts'
import type { Facility } from './facility.ts'
import { connectionGater } from './gater.ts'
import { buildLibp2p, type NetServices, tcpTransport } from './libp2p.ts'
import { Libp2pHost } from './libp2p-host.ts'
import type { NetMetrics } from './metrics.ts'
import { type Names, systemNames } from './names.ts'
import { PeerAddresses } from './peer-addresses.ts'
import { type Probe, probeByBinding } from './ports.ts'
import { QUIC_NEEDS_KEY } from './private-key.ts'
import { loadQuic } from './quic.ts'
import { type TransportFactory, watchedTransport } from './transport-watch.ts'

export interface NetDeps {
  readonly keys: NodeKeys
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: NetMetrics
  /** What we call ourselves to other peers, such as `p2p-foundation/0.1.0`. */
  readonly agent: string
  /** In place of QUIC and TCP, such as memory in tests. */
  readonly transports?: readonly TransportFactory[]
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
  const meter = new ByteMeter(metrics.bandwidthBytes)
  const { transports, facility } = await transportsOf(deps, config)
  // The gater is asked about connections that only exist once libp2p does.
  const gater = connectionGater(
    {
      self: keys.signer.peer,
      policy,
      log,
      metrics,
      spoke: (connection) => meter.spoke(connection),
      connectionsOf: (peer) => addresses.connectionsOf(peer).length,
      scopeOfPeer: (peer) => addresses.scopeOf(peer),
    },
    config,
  )
  const libp2p: Libp2p<NetServices> = await buildLibp2p(
    {
      keys,
      clock,
      log,
      gater,
      agent: deps.agent,
      services: deps.services ?? {},
      transports: transports.map((make) => watchedTransport(make, meter)),
    },
    config,
  )
  const book = new AddressBook({ peersMax: config.peersMax, ageMaxMs: config.peerAgeMaxMs }, clock)
  const addresses = new PeerAddresses({ self: keys.signer.peer, libp2p, book }, config)
  const names = deps.names ?? systemNames
  const { dialling } = libp2p.services
  const dialler = new Dialler({ libp2p: dialling, names, clock, metrics, addresses }, config)
  const probe = deps.probe ?? probeByBinding
  return new Libp2pHost(
    { libp2p, dialler, addresses, meter, quic: facility, policy, clock, log, metrics, probe },
    config,
  )
}

async function transportsOf(
  deps: NetDeps,
  config: NetConfig,
): Promise<{ transports: readonly TransportFactory[]; facility: Facility }> {
  if (deps.transports !== undefined) {
    return { transports: deps.transports, facility: { state: 'off' } }
  }
  const hasKey = deps.keys.raw !== undefined
  const noQuic = { transport: undefined, facility: QUIC_NEEDS_KEY }
  const quic = hasKey ? await loadQuic(config, deps.clock) : noQuic
  const transports = [quic.transport, tcpTransport(config)].filter((make) => make !== undefined)
  return { transports, facility: quic.facility }
}
