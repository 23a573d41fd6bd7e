/**
 * Builds the libp2p instance. Every limit and timeout that it has is passed here, from the room's
 * configuration: its defaults suit a browser tab (10 pending connections, endless frames).
 */

import { yamux } from '@chainsafe/libp2p-yamux'
import { type Identify, identify, identifyPush } from '@libp2p/identify'
import {
  type Connection,
  type ConnectionGater,
  FaultTolerance,
  type Libp2p,
  type PeerStore,
} from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import { base32 } from 'multiformats/bases/base32'
import type { Clock, Logger } from '../base/index.ts'
import type { NodeKeys } from '../identity/index.ts'
import { boundedDatastore } from './bounded-datastore.ts'
import type { NetConfig } from './config.ts'
import { withEarlyStreams } from './early-protocol.ts'
import { NetError } from './errors.ts'
import { withFlatConnections } from './flat-connections.ts'
import { lazyTls } from './lazy-tls.ts'
import { libp2pLogger } from './libp2p-log.ts'
import { bulkNoise } from './noise-bulk.ts'
import { type Announced, announceFilter } from './own-addresses.ts'
import { privateKeyOf } from './private-key.ts'
import type { ResourceHooks } from './resource-hooks.ts'
import type { TransportFactory } from './transport-watch.ts'
import { compareAddresses, parseAny } from './transports.ts'
import { withTrueResume } from './yamux-resume.ts'

/** What the host needs of libp2p beyond its public face. */
export type NetServices = {
  identify: Identify
  identifyPush: unknown
  ping: Ping
  listening: Pick<TransportManager, 'listen'> & {
    /** Closes all listeners; it can be listened again. */
    end(): Promise<void>
    /** Addresses that are listened on, of every interface. */
    addresses(): readonly string[]
  }
  /** One address, past libp2p's queue, where dials to one peer wait for each other. */
  dialling: { dial(to: Multiaddr, options: { signal: AbortSignal }): Promise<Connection> }
}

export interface Libp2pDeps {
  readonly keys: NodeKeys
  readonly clock: Clock
  readonly log: Logger
  readonly gater: ConnectionGater
  readonly resources: Pick<ResourceHooks, 'muxers' | 'secured'>
  readonly transports: readonly TransportFactory[]
  /** What is announced beyond libp2p's own list, once there is somebody who knows. */
  announced(): Announced | undefined
  /** What we call ourselves in identify, such as `p2p-foundation/0.1.0`. */
  readonly agent: string
  /** Services of rooms above, which this one knows nothing of. */
  readonly services: Readonly<Record<string, (components: unknown) => unknown>>
}

const STREAMS_OF_SERVICE_MAX = 4
const IDENTIFY_BYTES_MAX = 8_192
const OBSERVED_ADDRESSES_MAX = 8
/** Of one listener: above any limit that can be set. */
const SOCKETS_MAX = 200_000
/** Reconnecting is not libp2p's business here; one slot is the least it takes. */
const RECONNECTS_MAX = 1

/** A libp2p node that is not started and listens nowhere yet. */
export async function buildLibp2p(
  deps: Libp2pDeps,
  config: NetConfig,
): Promise<Libp2p<NetServices>> {
  const privateKey = privateKeyOf(deps.keys)
  const { connectionsMax, peersMax, peerAgeMaxMs } = config
  const pinned = `/peers/${privateKey.publicKey.toCID().toString(base32)}`
  const libp2p = await createLibp2p<NetServices>({
    start: false,
    privateKey,
    nodeInfo: { name: 'p2p-foundation', userAgent: deps.agent },
    logger: libp2pLogger(deps.log),
    datastore: boundedDatastore(
      { entriesMax: peersMax, ttlMs: 6 * peerAgeMaxMs, pinned },
      deps.clock,
    ),
    peerStore: { maxAddressAge: peerAgeMaxMs, maxPeerAge: peerAgeMaxMs },
    addresses: addresses(deps, config),
    transportManager: { faultTolerance: FaultTolerance.FATAL_ALL },
    transports: [...deps.transports],
    connectionEncrypters: [bulkNoise(), lazyTls()].map((make) => deps.resources.secured(make)),
    streamMuxers: [streamMuxer(config, deps.resources)],
    connectionGater: deps.gater,
    connectionManager: connectionManager(config),
    connectionMonitor: {
      enabled: true,
      pingInterval: config.livenessMs,
      pingTimeout: { minTimeout: 5_000, maxTimeout: 30_000 },
      abortConnectionOnPingFailure: true,
    },
    services: { ...deps.services, ...services(config, connectionsMax) },
  })
  return withFlatConnections(libp2p)
}

function streamMuxer(
  config: NetConfig,
  resources: Libp2pDeps['resources'],
): NonNullable<Libp2pOptions['streamMuxers']>[number] {
  const make = yamux({
    maxInboundStreams: config.streamsPerConnectionMax,
    maxOutboundStreams: config.streamsPerConnectionMax,
    // The other side may open streams before our own half of the upgrade is done.
    maxEarlyStreams: config.streamsPerConnectionMax,
    enableKeepAlive: true,
    keepAliveInterval: config.keepAliveMs,
    streamOptions: {
      maxStreamWindowSize: config.streamWindowBytes,
      maxReadBufferLength: 2 * config.streamWindowBytes,
    },
  })
  return () => withEarlyStreams(resources.muxers(withTrueResume(make())))
}

/** TCP with every option named. */
export function tcpTransport(config: NetConfig): TransportFactory {
  return tcp({
    // Held by the gater and the resource manager, whose limits may change while the node runs.
    maxConnections: SOCKETS_MAX,
    backlog: 511,
    inboundSocketInactivityTimeout: 4 * config.livenessMs,
    outboundSocketInactivityTimeout: 4 * config.livenessMs,
    dialOpts: { noDelay: true, keepAlive: true, allowHalfOpen: false },
    listenOpts: { noDelay: true, keepAlive: true, allowHalfOpen: false },
  })
}

function addresses(
  { keys, announced }: Pick<Libp2pDeps, 'keys' | 'announced'>,
  config: NetConfig,
): NonNullable<Libp2pOptions['addresses']> {
  const isFixed = config.announce.length > 0
  return {
    listen: [],
    announce: [...config.announce],
    maxObservedAddresses: OBSERVED_ADDRESSES_MAX,
    announceFilter: announceFilter(keys.signer.peer, isFixed, announced),
  }
}

function connectionManager(config: NetConfig): NonNullable<Libp2pOptions['connectionManager']> {
  return {
    // How many there are, and how fast they come, is the gater's and the resource manager's
    // business: libp2p copies the list of all connections for each that comes, and closes others.
    maxConnections: Number.MAX_SAFE_INTEGER,
    allow: ['/ip4/0.0.0.0/ipcidr/0', '/ip6/::/ipcidr/0'],
    maxIncomingPendingConnections: 2 * config.pendingMax,
    inboundConnectionThreshold: config.inboundPerSecondMax,
    inboundUpgradeTimeout: config.upgradeTimeoutMs,
    inboundStreamProtocolNegotiationTimeout: config.negotiationTimeoutMs,
    outboundStreamProtocolNegotiationTimeout: config.negotiationTimeoutMs,
    connectionCloseTimeout: config.closeTimeoutMs,
    dialTimeout: config.connectionTimeoutMs,
    addressDialTimeout: config.addressTimeoutMs,
    maxParallelDials: config.dialsMax,
    maxDialQueueLength: config.dialsMax + config.dialsWaitingMax,
    maxPeerAddrsToDial: config.addressesPerDialMax,
    reconnectRetries: 0,
    maxParallelReconnects: RECONNECTS_MAX,
    addressSorter: ({ multiaddr: a }, { multiaddr: b }) => {
      const order = compareAddresses(parseAny(a.toString()), parseAny(b.toString()))
      return order < 0 ? -1 : order > 0 ? 1 : 0
    },
    // Names are resolved before libp2p sees them, within our bounds.
    resolvers: {},
  }
}

function services(
  config: NetConfig,
  connectionsMax: number,
): NonNullable<Libp2pOptions<NetServices>['services']> {
  const common = {
    timeout: config.negotiationTimeoutMs,
    maxInboundStreams: STREAMS_OF_SERVICE_MAX,
    maxOutboundStreams: STREAMS_OF_SERVICE_MAX,
    runOnLimitedConnection: true,
  }
  const told = { ...common, maxMessageSize: IDENTIFY_BYTES_MAX, maxObservedAddresses: 8 }
  return {
    identify: identify({ ...told, runOnConnectionOpen: true }),
    identifyPush: identifyPush({
      ...told,
      runOnSelfUpdate: true,
      concurrency: Math.min(32, connectionsMax),
      debounce: 1_000,
    }),
    ping: ping(common),
    listening: (components) => {
      const { transportManager } = components as unknown as ListeningComponents
      return {
        listen: (where) => transportManager.listen(where),
        async end() {
          await transportManager.stop()
          transportManager.start()
        },
        addresses: () => transportManager.getAddrs().map(String),
      }
    },
    dialling: (components) => diallingOf(components),
  }
}

interface ListeningComponents {
  readonly transportManager: TransportManager & { start(): void; stop(): Promise<void> }
}

interface DiallingComponents {
  readonly transportManager: Pick<TransportManager, 'dial'>
  readonly connectionGater: Pick<ConnectionGater, 'denyDialMultiaddr'>
  readonly peerStore: Pick<PeerStore, 'merge'>
}

/** As libp2p's own queue dials: the gater is asked first, and what answered is remembered. */
function diallingOf(components: DiallingComponents): NetServices['dialling'] {
  return {
    async dial(to, options) {
      const { transportManager, connectionGater, peerStore } = components
      if ((await connectionGater.denyDialMultiaddr?.(to)) === true) {
        throw NetError.CONNECTION_DROPPED({ reason: 'we dial no address of this kind' })
      }
      const connection = await transportManager.dial(to, options)
      const { remotePeer, remoteAddr } = connection
      // Whoever waits for the connection need not wait for the store.
      void peerStore.merge(remotePeer, { multiaddrs: [remoteAddr] }).catch(() => undefined)
      return connection
    },
  }
}
