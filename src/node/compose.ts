/**
 * The composition root: the dependency graph of a node as text, in start order. It decides nothing;
 * what is on or off is said by the configuration.
 */

import { join } from 'node:path'
import { AccessPolicy, accessMetrics } from '../access/index.ts'
import type { Clock, Logger, Random, Registry, Service } from '../base/index.ts'
import { Dht, dhtMetrics, SqliteStore } from '../dht/index.ts'
import type { NodeKeys, PeerId } from '../identity/index.ts'
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
import { Bootstrap, createNet, type Libp2pHost, Mdns, netMetrics } from '../net/index.ts'
import { gossipService, Pubsub, pubsubMetrics } from '../pubsub/index.ts'
import { RpcClient, RpcServer, rpcMetrics } from '../rpc/index.ts'
import { CALL_MS_MAX } from './check-args.ts'
import type { Injected, NodeDht } from './injected.ts'
import type { ResolvedConfig } from './load-config.ts'
import { nodeMetrics } from './metrics.ts'

/** What a node is made from, besides its configuration. */
export interface Given {
  readonly keys: NodeKeys
  readonly registry: Registry
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly version: string
  readonly injected: Injected
}

/** The parts of a node that others hold on to, and all its services in start order. */
export interface Parts {
  readonly services: readonly Service[]
  readonly policy: AccessPolicy
  readonly host: Libp2pHost
  readonly bootstrap: Bootstrap
  readonly mdns: Mdns | null
  /** The one that finds things: ours, or one that was handed in. */
  readonly dht: NodeDht | null
  readonly ownDht: Dht | null
  readonly pubsub: Pubsub | null
  readonly mcp: McpParts | null
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
  const { keys, registry, clock, random, version, injected } = given
  const { network, dataDir } = config
  const agent = `p2p-foundation/${version}`
  const forRoom = (name: string) => ({ clock, random, log: given.log.child(name), network })
  nodeMetrics(registry, version)

  // Who may.
  const access = { ...forRoom('access'), metrics: accessMetrics(registry) }
  const policy = new AccessPolicy(access, config.access)

  // How we reach each other. Topics ride on libp2p itself, so their part is made before the host.
  const telling = { ...forRoom('pubsub'), policy, metrics: pubsubMetrics(registry) }
  const gossip = config.pubsub.enabled ? await gossipService(telling, config.pubsub) : null
  const net = { ...forRoom('net'), keys, policy, metrics: netMetrics(registry), agent }
  const { transports } = injected
  const host = await createNet(
    {
      ...net,
      ...(transports && { transports }),
      ...(gossip && { services: { pubsub: gossip.service } }),
    },
    config.net,
  )
  const { bootstrap, mdns } = composeMeeting(config, given, host)

  // How we find, tell and ask each other.
  const finding = { ...forRoom('dht'), host, policy, signer: keys.signer }
  const wantsDht = config.dht.enabled && injected.dht === undefined
  const storage = wantsDht ? new SqliteStore(join(dataDir, 'records.sqlite')) : null
  const metrics = dhtMetrics(registry)
  const ownDht = storage && new Dht({ ...finding, storage, metrics }, config.dht)
  const dht = injected.dht ?? ownDht
  const { codec } = injected
  const pubsub = gossip && new Pubsub({ ...telling, gossip, codec }, config.pubsub)
  const asking = { ...forRoom('rpc'), host, policy, metrics: rpcMetrics(registry) }
  const rpcServer = new RpcServer(asking, config.rpc)
  const rpcClient = new RpcClient(asking, config.rpc)

  // What we do for each other. Siblings meet only here.
  const rpc = { server: rpcServer, client: rpcClient }
  const mcp = config.mcp.enabled ? composeMcp(config, given, { host, policy, dht, rpc }) : null

  const beneath = [storage && opened(storage), host, pubsub, rpcServer, rpcClient, ownDht]
  const services = [...beneath, ...(mcp?.started ?? []), bootstrap, mdns]
  return {
    services: services.filter((service) => service !== null),
    policy,
    host,
    bootstrap,
    mdns,
    dht,
    ownDht,
    pubsub,
    mcp: mcp?.parts ?? null,
  }
}

/** Whom to connect to first: those configured or remembered, and who is on the same link. */
function composeMeeting(config: ResolvedConfig, given: Given, host: Libp2pHost) {
  const { clock, random } = given
  const room = { clock, random, log: given.log.child('net') }
  const bootstrap = new Bootstrap(
    { ...room, host, file: join(config.dataDir, 'peers.json') },
    {
      ...BOOTSTRAP,
      get addresses() {
        return config.bootstrap.nodes
      },
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

/** The store is open already: what fails before the DHT starts must not leave it so. */
function opened(storage: SqliteStore): Service {
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
/** Two peers are enough to be found by all others; the rest comes from the DHT. */
const BOOTSTRAP = { peersMin: 2, backoffMs: 2_000, dialTimeoutMs: 10_000 }
const MDNS = { queryIntervalMs: 60_000, rescanMs: 3_000 }
