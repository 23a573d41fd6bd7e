/**
 * The composition root: the dependency graph of a node as text, in start order. It decides nothing;
 * what is on or off is said by the configuration.
 */

import { join } from 'node:path'
import { AccessPolicy, accessMetrics } from '../access/index.ts'
import type { Clock, Logger, Random, Registry, Service } from '../base/index.ts'
import { Dht, dhtMetrics, MemoryStore, type RecordStorage, SqliteStore } from '../dht/index.ts'
import type { EthSigner, NodeKeys } from '../identity/index.ts'
import type { Services } from '../mcp/index.ts'
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
import type { RegistryPlace } from './agent-registry.ts'
import { announcementTopic, wantedTopics } from './announcement-topic.ts'
import { type AgentParts, composeAgents } from './compose-agent.ts'
import { composeMcp, type McpParts } from './compose-mcp.ts'
import { datagramsOf, notedUdp } from './datagram-parts.ts'
import type { Injected, NodeDht } from './injected.ts'
import type { ResolvedConfig } from './load-config.ts'
import { nodeMetrics } from './metrics.ts'
import { PeerIdentities } from './peer-identities.ts'
import { type PlugIns, plugInsOf } from './plug-ins.ts'
import { composePortMapping } from './port-mapping.ts'
import { Relays } from './relays.ts'
import { StandardTools } from './standard-tools.ts'
import { composeMeeting, composeStaying, type Staying } from './staying.ts'
import { topicParts } from './topic-parts.ts'
import { TopicPeers } from './topic-peers.ts'

/** What a node is made from, besides its configuration. */
export interface Given {
  readonly keys: NodeKeys
  /** Whoever signs for the address that the node speaks for, if it speaks for one. */
  readonly eth?: EthSigner | null
  /** Where the registry of agents is, if one is configured. */
  readonly place?: RegistryPlace | null
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
  /** Null without MCP. */
  readonly standard: StandardTools | null
  /** Null where no folder of tools is named. */
  readonly plugIns: PlugIns | null
  /** Null without a DHT: there is nowhere to write them, and nowhere to read them from. */
  readonly identities: PeerIdentities | null
  /** Null where the node speaks for no Ethereum address. */
  readonly agent: AgentParts | null
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
  const { storage, ownDht } = composeDht(config, given, { host, policy, udp })
  const dht = injected.dht ?? ownDht
  const rpc = composeRpc(config, given, { host, policy })
  const topics = topicParts(config, given, rpc)
  const pubsub = gossip && new Pubsub({ ...telling, gossip, ...topics }, config.pubsub)
  const meet = { ...telling, host, pubsub: pubsub && wantedTopics(pubsub) }
  const topicPeers = meet.pubsub && dht && new TopicPeers({ ...meet, pubsub: meet.pubsub, dht })

  // What we do for each other. Siblings meet only here.
  const topic = config.mcp.enabled && pubsub ? announcementTopic(pubsub) : null
  const below = { host, policy, dht, rpc, topic }
  const mcp = config.mcp.enabled ? composeMcp(config, given, below) : null

  const kept = [storage && opened(storage), mcp?.kept ?? null]
  const beneath = [...kept, host, pubsub, rpc.server, rpc.client, ownDht]
  const said = { host, dht, pubsub, services: mcp?.parts.services ?? null }
  const identities = composeIdentities(config, given, said)
  const isBlocked: AccessPolicy['isBlocked'] = (peer) => policy.isBlocked(peer)
  const around = { host, dht, ownDht, pubsub, identities, rpc, isBlocked }
  const on = { ...around, offered: said.services }
  const { agent, ...agents } = composeAgents(config, given, on)
  const using = { ...forRoom('tools'), host, dht, ownDht, rpc, identities, signer: keys.signer }
  const standard = mcp && new StandardTools({ ...using, mcp: mcp.parts }, config)
  const staying = composeStaying(config, given, { host, ownDht, dht, bootstrap })
  const portMapper = composePortMapping(config, given, { host, datagrams: udp })
  const meeting = [portMapper, staying.channels, bootstrap, mdns, staying.wanted, staying.watch]
  const log = given.log.child('node')
  const sessions = mcp?.sessions ?? null
  const relays = new Relays({ host, dht, rpc: rpc.client, sessions, clock: given.clock, log })
  staying.watch?.events.on('changed', () => agent?.mailbox?.networkChanged())
  const found = [identities, ...agents.services, topicPeers, relays, ...meeting]
  const plugIns = mcp && plugInsOf(config, given, mcp.parts.services)
  const above = [...(mcp?.started ?? []), standard, plugIns, ...found]
  const services = [...beneath, ...above].filter((service) => service !== null)
  const reaching = { policy, host, bootstrap, mdns, staying, portMapper }
  const asking = { dht, ownDht, pubsub, topicPeers, identities }
  const offered = { mcp: mcp?.parts ?? null, standard, plugIns }
  return { services, ...reaching, ...asking, ...offered, agent }
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

/** The DHT of this node; null where it is turned off, or another was handed in. */
function composeDht(
  config: ResolvedConfig,
  given: Given,
  { host, policy, udp }: Pick<Parts, 'host' | 'policy'> & { udp: ReturnType<typeof notedUdp> },
) {
  const { keys, registry, injected } = given
  if (!config.dht.enabled || injected.dht !== undefined) return { storage: null, ownDht: null }
  const storage = openStorage(config, given)
  const own = { signer: keys.signer, datagrams: datagramsOf(config, given, udp), storage }
  const metrics = dhtMetrics(registry)
  const deps = { ...roomParts('dht', config, given), ...own, host, policy, metrics }
  return { storage, ownDht: new Dht(deps, config.dht) }
}

function composeRpc(config: ResolvedConfig, given: Given, on: Pick<Parts, 'host' | 'policy'>) {
  const deps = { ...roomParts('rpc', config, given), ...on, metrics: rpcMetrics(given.registry) }
  return { server: new RpcServer(deps, config.rpc), client: new RpcClient(deps, config.rpc) }
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
