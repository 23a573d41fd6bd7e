/**
 * The composition root: the dependency graph of a node as text, in start order. It decides nothing;
 * what is on or off is said by the configuration.
 */

import { join } from 'node:path'
import { AccessPolicy, accessMetrics } from '../access/index.ts'
import type { Clock, Logger, Random, Registry, Service } from '../base/index.ts'
import { Dht, dhtMetrics, MemoryStore, type RecordStorage, SqliteStore } from '../dht/index.ts'
import type { NodeKeys } from '../identity/index.ts'
import {
  Directory,
  InboundStreams,
  type LocalCalls,
  LocalCatalog,
  type McpMetrics,
  mcpMetrics,
  Neighbours,
  Router,
  Scores,
  Services,
  Sessions,
} from '../mcp/index.ts'
import {
  type Bootstrap,
  createNet,
  type Libp2pHost,
  type Mdns,
  netMetrics,
  openUdp,
  type PortMapper,
  type Probe,
} from '../net/index.ts'
import { gossipService, Pubsub, type PubsubDeps, pubsubMetrics } from '../pubsub/index.ts'
import { RpcClient, RpcServer, rpcMetrics } from '../rpc/index.ts'
import { CALL_MS_MAX } from './check-args.ts'
import { datagramsOf, notedUdp } from './datagram-parts.ts'
import type { Injected, NodeDht } from './injected.ts'
import type { ResolvedConfig } from './load-config.ts'
import { nodeMetrics } from './metrics.ts'
import { PeerIdentities } from './peer-identities.ts'
import { composePortMapping } from './port-mapping.ts'
import { Relays } from './relays.ts'
import { composeMeeting, composeStaying, type Staying } from './staying.ts'
import { topicParts } from './topic-parts.ts'
import { TopicPeers } from './topic-peers.ts'

/** What a node is made from, besides its configuration. */
export interface Given {
  readonly keys: NodeKeys
  readonly registry: Registry
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly version: string
  readonly injected: Injected
  readonly machine?: Machine
}

/** What stands under a node in place of this machine, as in a simulation. */
export interface Machine {
  /** In place of binding ports. */
  readonly probe: Probe
  /** Whether records and peers are kept on disk, or only for as long as the node runs. */
  readonly keepsFiles: boolean
  /** Keeps what was heard on topics across a restart, where there are no files. */
  readonly replays?: PubsubDeps['replays']
}

/** The parts of a node that others hold on to, and all its services in start order. */
export interface Parts {
  readonly services: readonly Service[]
  readonly policy: AccessPolicy
  readonly host: Libp2pHost
  readonly bootstrap: Bootstrap
  readonly mdns: Mdns | null
  readonly staying: Staying
  /** Null where it is turned off, and where the network under the node is no real one. */
  readonly portMapper: PortMapper | null
  /** The one that finds things: ours, or one that was handed in. */
  readonly dht: NodeDht | null
  readonly ownDht: Dht | null
  readonly pubsub: Pubsub | null
  /** Null without topics, and without a DHT to find readers in. */
  readonly topicPeers: TopicPeers | null
  readonly mcp: McpParts | null
  /** Null without a DHT: there is nowhere to write them, and nowhere to read them from. */
  readonly identities: PeerIdentities | null
}

export interface McpParts {
  readonly services: Services
  readonly directory: Directory
  readonly router: Router
  readonly catalog: LocalCatalog
  /** How many requests of peers were answered so far. */
  readonly served: () => number
}

export async function compose(config: ResolvedConfig, given: Given): Promise<Parts> {
  const { keys, registry, version, injected } = given
  const forRoom = (name: string) => roomParts(name, config, given)
  nodeMetrics(registry, version)

  // Who may.
  const access = { ...forRoom('access'), metrics: accessMetrics(registry) }
  const policy = new AccessPolicy(access, config.access)

  // How we reach each other. Topics ride on libp2p itself, so their part is made before the host.
  const telling = { ...forRoom('pubsub'), policy, metrics: pubsubMetrics(registry) }
  const gossip = config.pubsub.enabled ? await gossipService(telling, config.pubsub) : null
  const host = await composeHost(config, given, policy, gossip)
  const { bootstrap, mdns } = composeMeeting(config, given, host)

  // How we find, tell and ask each other.
  const udp = notedUdp(injected.udp ?? openUdp)
  const own = { signer: keys.signer, datagrams: datagramsOf(config, given, udp) }
  const finding = { ...forRoom('dht'), ...own, host, policy, metrics: dhtMetrics(registry) }
  const wantsDht = config.dht.enabled && injected.dht === undefined
  const storage = wantsDht ? openStorage(config, given) : null
  const ownDht = storage && new Dht({ ...finding, storage }, config.dht)
  const dht = injected.dht ?? ownDht
  const asking = { ...forRoom('rpc'), host, policy, metrics: rpcMetrics(registry) }
  const server = new RpcServer(asking, config.rpc)
  const rpc = { server, client: new RpcClient(asking, config.rpc) }
  const topics = topicParts(config, given, rpc)
  const pubsub = gossip && new Pubsub({ ...telling, gossip, ...topics }, config.pubsub)
  const topicPeers = pubsub && dht && new TopicPeers({ ...telling, host, dht, pubsub })

  // What we do for each other. Siblings meet only here.
  const mcp = config.mcp.enabled ? composeMcp(config, given, { host, policy, dht, rpc }) : null

  const beneath = [storage && opened(storage), host, pubsub, server, rpc.client, ownDht]
  const said = { host, dht, pubsub, services: mcp?.parts.services ?? null }
  const identities = composeIdentities(config, given, said)
  const staying = composeStaying(config, given, { host, ownDht, dht, bootstrap })
  const portMapper = composePortMapping(config, given, { host, datagrams: udp })
  const meeting = [portMapper, staying.channels, bootstrap, mdns, staying.wanted, staying.watch]
  const log = given.log.child('node')
  const sessions = mcp?.sessions ?? null
  const relays = new Relays({ host, dht, rpc: rpc.client, sessions, log })
  const above = [...(mcp?.started ?? []), identities, topicPeers, relays, ...meeting]
  return {
    services: [...beneath, ...above].filter((service) => service !== null),
    policy,
    host,
    bootstrap,
    mdns,
    staying,
    portMapper,
    dht,
    ownDht,
    pubsub,
    topicPeers,
    mcp: mcp?.parts ?? null,
    identities,
  }
}

/** Over what was handed in, or what this machine has. */
function composeHost(
  config: ResolvedConfig,
  given: Given,
  policy: AccessPolicy,
  gossip: Awaited<ReturnType<typeof gossipService>> | null,
): Promise<Libp2pHost> {
  const { keys, registry, version, injected } = given
  const agent = `p2p-foundation/${version}`
  const isOwn: AccessPolicy['isGranted'] = (peer) => policy.isGranted(peer)
  const net = {
    ...roomParts('net', config, given),
    keys,
    policy,
    metrics: netMetrics(registry),
    agent,
    isOwn,
  }
  return createNet(
    {
      ...net,
      ...(injected.transports && { transports: injected.transports }),
      ...(given.machine && { probe: given.machine.probe }),
      ...(gossip && { services: { pubsub: gossip.service } }),
    },
    config.net,
  )
}

/** What every room is given. */
function roomParts(name: string, { network }: ResolvedConfig, { clock, random, log }: Given) {
  return { clock, random, log: log.child(name), network }
}

/** Who this node says it is, written again at half the life of a record at the latest. */
function composeIdentities(
  config: ResolvedConfig,
  given: Given,
  { dht, ...said }: Pick<Parts, 'host' | 'dht' | 'pubsub'> & { services: Services | null },
): PeerIdentities | null {
  if (dht === null) return null
  const { keys, clock, random } = given
  const { recordTtlSeconds: ttlSeconds, republishIntervalMs, mode } = config.dht
  const own = { signer: keys.signer, clock, random, log: given.log.child('node') }
  return new PeerIdentities(
    { ...said, ...own, dht, network: config.network },
    {
      ttlSeconds,
      intervalMs: Math.min(republishIntervalMs, 500 * ttlSeconds),
      roles: config.dht.enabled && mode === 'server' ? ['dht:server'] : [],
    },
  )
}

function openStorage({ dataDir, dht }: ResolvedConfig, { machine }: Given): RecordStorage {
  const keepsFiles = dht.persist && (machine?.keepsFiles ?? true)
  return keepsFiles ? new SqliteStore(join(dataDir, 'records.sqlite')) : new MemoryStore()
}

/** The store is open already: what fails before the DHT starts must not leave it so. */
function opened(storage: RecordStorage): Service {
  return { name: 'records', start: async () => undefined, stop: async () => storage.close() }
}

interface Below {
  readonly host: Libp2pHost
  readonly policy: AccessPolicy
  readonly dht: NodeDht | null
  readonly rpc: { readonly server: RpcServer; readonly client: RpcClient }
}

function composeMcp(config: ResolvedConfig, given: Given, below: Below) {
  const { clock, random, version } = given
  const { host, policy, dht, rpc } = below
  const log = given.log.child('mcp')
  const { metrics, served } = countingServed(mcpMetrics(given.registry))
  const room = { clock, random, log, metrics, network: config.network, version, host, policy }
  const path = join(config.dataDir, 'services.json')

  const services = new Services({ ...room, path }, config.mcp)
  const sessions = new Sessions(room, {
    // Whoever uses a session keeps the time; a limit of its own would cut short who has longer.
    requestTimeoutMs: CALL_MS_MAX,
    get attemptTimeoutMs() {
      return config.mcp.attemptTimeoutMs
    },
  })
  const inbound = new InboundStreams({ ...room, services }, config.mcp)
  // Without a DHT we find what those offer whom we are connected to, and nobody else.
  const neighbours = new Neighbours({ ...room, rpc })
  const finding = { dht: dht ?? neighbours, services, sessions }
  const directory = new Directory({ ...room, ...finding }, config.mcp)
  // What the router calls here it calls for this node itself; peers come over `inbound`.
  const local: LocalCalls = {
    callTool: (service, tool, args, options) => {
      return services.callTool(service, tool, args, { ...options, caller: null })
    },
  }
  const calling = { ...room, directory, sessions, local, scores: new Scores(clock) }
  const router = new Router(calling, config.mcp)
  const catalog = new LocalCatalog({ ...room, services, sessions, directory, router })

  const nearby = dht === null ? [neighbours] : []
  return {
    parts: { services, directory, router, catalog, served },
    sessions,
    started: [...nearby, services, sessions, inbound, directory, catalog],
  }
}

/** The same metrics, which a person at a terminal sees a number of. */
function countingServed(metrics: McpMetrics): { metrics: McpMetrics; served: () => number } {
  let served = 0
  const requests: McpMetrics['requests'] = {
    add(amount = 1, labels = {}) {
      const { direction, outcome = '' } = labels
      if (direction === 'inbound' && ANSWERED.includes(outcome)) served += amount
      metrics.requests.add(amount, labels)
    },
  }
  return { metrics: { ...metrics, requests }, served: () => served }
}

const ANSWERED = ['ok', 'error']
