/** What makes a node an agent: its address, its record, and who else is here. */

import { join } from 'node:path'
import {
  type Agent,
  Announcer,
  type MailboxRounds,
  OwnRecord,
  type PreKeyStore,
  PreKeys,
  Presence,
  preKeysFile,
  presenceMetrics,
  type RegistryGate,
  type StatusNumbers,
} from '../agent/index.ts'
import type { Service } from '../base/index.ts'
import { type Dht, ETH_RECORD_SECONDS } from '../dht/index.ts'
import type { EthSigner, PeerId } from '../identity/index.ts'
import type { Services } from '../mcp/index.ts'
import type { CallOptions, Libp2pHost } from '../net/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import { type AgentMail, composeMail } from './agent-mail.ts'
import { composeMessages } from './agent-messages.ts'
import { composeRegistry } from './agent-registry.ts'
import { agentToolsService } from './agent-tools.ts'
import type { Given } from './compose.ts'
import type { NodeDht } from './injected.ts'
import type { ResolvedConfig } from './load-config.ts'
import type { PeerIdentities } from './peer-identities.ts'

/** What an agent stands on. */
export interface BelowAgent {
  readonly host: Libp2pHost
  readonly dht: NodeDht | null
  readonly ownDht: Dht | null
  readonly pubsub: Pubsub | null
  readonly identities: PeerIdentities | null
  readonly rpc: { readonly server: RpcServer; readonly client: RpcClient }
  /** Null without a DHT: then nobody keeps messages for us, or ours for others. */
  readonly mail: AgentMail | null
  /** Whether a peer may do nothing here. */
  readonly isBlocked: (peer: PeerId) => boolean
  /** Null without MCP: then no assistant asks. */
  readonly offered: Services | null
}

/** The parts of an agent that others hold on to, and its services in start order. */
export interface AgentParts {
  readonly eth: EthSigner
  readonly own: OwnRecord
  readonly preKeys: PreKeys
  readonly presence: Presence
  readonly announcer: Announcer
  /** Messages that went out and came in, as the status tells others. */
  readonly traffic: { sent: number; received: number }
  /** Whether the registry lets a sender in. */
  readonly gate: RegistryGate
  readonly messages: Agent
  /** Null without a DHT. */
  readonly mailbox: MailboxRounds | null
  readonly services: readonly Service[]
}

/** The agent of this node, if it is one, and what it keeps for others, which need not be so. */
export function composeAgents(
  config: ResolvedConfig,
  given: Given,
  below: Omit<BelowAgent, 'mail'>,
): { readonly agent: AgentParts | null; readonly services: readonly Service[] } {
  const { keeper, agent: mail } = composeMail(config, given, below)
  const agent = composeAgent(config, given, { ...below, mail })
  return { agent, services: [...(keeper === null ? [] : [keeper]), ...(agent?.services ?? [])] }
}

/** Null where the node speaks for no address. */
function composeAgent(config: ResolvedConfig, given: Given, below: BelowAgent): AgentParts | null {
  const { eth, registry, clock, random, keys } = given
  if (!config.agent.enabled || eth === undefined || eth === null) return null
  const { network } = config
  const metrics = presenceMetrics(registry)
  const log = given.log.child('agent')
  const common = { clock, random, log, network, signer: keys.signer, metrics }

  const preKeys = new PreKeys({ ...common, store: preKeyStore(config, given) })
  const own = new OwnRecord({ ...common, eth, preKeys })
  const { recordTtlSeconds, republishIntervalMs } = config.dht
  const presence = new Presence(
    { ...common, ...below, own, addressesOf: addressesOf(below) },
    {
      ttlSeconds: ETH_RECORD_SECONDS,
      intervalMs: Math.min(republishIntervalMs, 500 * recordTtlSeconds),
    },
  )
  const traffic = { sent: 0, received: 0 }
  const numbers = () => numbersOf(below, traffic)
  const openpond = config.agent.openpondCompat
    ? { address: eth.address, peer: keys.signer.peer }
    : null
  const announced = { ...common, ...below, own, presence, numbers, openpond }
  const announcer = new Announcer(announced, config.agent)
  const gate = composeRegistry(config, given, eth.address)
  const parts = { eth, own, preKeys, presence, announcer, traffic, gate }
  const { offered, mail } = below
  const mailbox = mail?.outgoing ?? null
  const messages = composeMessages(config, given, { ...below, ...parts, mailbox })
  const rounds = mail?.rounds(messages, own) ?? null
  const always = [presence, announcer, messages]
  const services = rounds === null ? always : [...always, rounds]
  const tools = offered && agentToolsService({ agent: messages, services: offered, clock })
  const made = { ...parts, messages, mailbox: rounds }
  return { ...made, services: tools === null ? services : [...services, tools] }
}

/** Where a peer is: by what we know, else by what the network does, else by what it signed. */
function addressesOf({ host, dht, identities }: BelowAgent) {
  return async (peer: PeerId, options: CallOptions): Promise<readonly string[]> => {
    const known = await host.addressesOf(peer)
    if (known.length > 0 || dht === null) return whole(known, peer)
    const told = await dht.findPeer(peer, options)
    if (told.length > 0 || identities === null) return whole(told, peer)
    const { identity } = await identities.of(peer, options)
    return whole(identity?.endpoints ?? [], peer)
  }
}

/** Each with the peer that is meant at its end, so that it can be dialled as it is. */
function whole(addresses: readonly string[], peer: PeerId): readonly string[] {
  const end = `/p2p/${peer}`
  return [...new Set(addresses.map((each) => (each.endsWith(end) ? each : `${each}${end}`)))]
}

function numbersOf(
  { host, ownDht }: BelowAgent,
  { sent, received }: AgentParts['traffic'],
): Omit<StatusNumbers, 'uptimeSeconds'> {
  return {
    peers: new Set(host.connections().map(({ peer }) => peer)).size,
    messagesSent: sent,
    messagesReceived: received,
    memoryBytes: process.memoryUsage.rss(),
    dhtSize: ownDht?.peers ?? 0,
  }
}

/** In the data folder, or in memory where there is none, as in a simulation. */
function preKeyStore({ dataDir }: ResolvedConfig, { machine, random }: Given): PreKeyStore {
  if (machine?.keepsFiles !== false) return preKeysFile(join(dataDir, 'pre-keys.cbor'), random)
  let kept: Awaited<ReturnType<PreKeyStore['load']>> = []
  return {
    load: async () => kept,
    save: async (keys) => {
      kept = keys
    },
  }
}
