/**
 * The part of the composition that keeps messages for agents that are away, which every node does
 * that serves the DHT, and that leaves and fetches those of an agent here.
 */

import { join } from 'node:path'
import {
  type Addressee,
  type Agent,
  CLOSER_MAX,
  IncomingMail,
  KeptMail,
  MailboxHandler,
  type MailboxHandlerDeps,
  MailboxRounds,
  MailKeepers,
  MailStore,
  mailboxKey,
  mailMetrics,
  mailOrigin,
  OutgoingMail,
  type OwnRecord,
} from '../agent/index.ts'
import { compareDistance, contactOf, type Dht, dhtKey } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Libp2pHost } from '../net/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import type { Given } from './compose.ts'
import { type NodeDht, reach } from './injected.ts'
import type { ResolvedConfig } from './load-config.ts'

/** What mailboxes stand on. */
export interface BelowMail {
  readonly host: Libp2pHost
  readonly dht: NodeDht | null
  readonly ownDht: Dht | null
  readonly rpc: { readonly server: RpcServer; readonly client: RpcClient }
}

/** What an agent does with mailboxes. */
export interface AgentMail {
  readonly outgoing: OutgoingMail
  /** Empties ours into the inbox. */
  readonly rounds: (agent: Pick<Agent, 'take'>, own: Pick<OwnRecord, 'current'>) => MailboxRounds
}

/** What a node does with mailboxes: of others, and of its own agent. */
export interface Mail {
  /** Null where this node is not one of those that others find to keep anything. */
  readonly keeper: MailboxHandler | null
  /** Null without a DHT of ours: there is nobody to find keepers with. */
  readonly agent: AgentMail | null
}

export function composeMail(config: ResolvedConfig, given: Given, below: BelowMail): Mail {
  const { ownDht } = below
  if (ownDht === null) return { keeper: null, agent: null }
  const { keys, registry, clock } = given
  const room = {
    self: keys.signer.peer,
    network: config.network,
    clock,
    log: given.log.child('agent'),
    metrics: mailMetrics(registry),
  }
  const on = { ...below, ownDht }
  const keeps = config.agent.mailbox && config.dht.mode === 'server'
  return {
    keeper: keeps ? keeperOf(room, config, given, on) : null,
    agent: agentMailOf(room, given, on),
  }
}

type Room = Pick<MailboxHandlerDeps, 'self' | 'network' | 'clock' | 'log' | 'metrics'>
type OnDht = BelowMail & { readonly ownDht: Dht }

function keeperOf(
  room: Room,
  { agent, dataDir }: ResolvedConfig,
  { machine }: Given,
  { host, ownDht, rpc }: OnDht,
): MailboxHandler {
  const file = machine?.keepsFiles === false ? ':memory:' : join(dataDir, 'mailbox.sqlite')
  return new MailboxHandler({
    ...room,
    server: rpc.server,
    kept: () => new KeptMail(new MailStore(file), agent),
    isNear: (to) => isNear(to, room.self, ownDht),
    originOf: (peer) => mailOrigin(peer, host.connections()),
  })
}

function agentMailOf(room: Room, { random }: Given, { host, dht, ownDht, rpc }: OnDht): AgentMail {
  const connect = async (peer: PeerId, options: CallOptions): Promise<void> => {
    if (host.connections().some((one) => one.peer === peer)) return
    await reach(peer, { host, dht, ownDht }, options)
  }
  const keepers = new MailKeepers({ ...room, dht: ownDht, rpc: rpc.client, connect })
  return {
    outgoing: new OutgoingMail({ ...room, keepers }),
    rounds(agent, own) {
      const spokenFor = async () => {
        const { binding, bindingBytes } = await own.current()
        return { address: binding.address, binding: bindingBytes }
      }
      const incoming = new IncomingMail({ ...room, keepers, intake: agent, spokenFor })
      return new MailboxRounds({ ...room, incoming, random })
    },
  }
}

/** Whether fewer lie closer to the mailbox, of those we know, than may keep it: tables differ. */
function isNear(to: Addressee, self: PeerId, dht: Pick<Dht, 'buckets'>): boolean {
  const place = dhtKey(mailboxKey(to))
  const own = contactOf(self).key
  const known = dht.buckets.flatMap(({ peers }) => peers)
  const closer = known.filter((peer) => compareDistance(place, contactOf(peer).key, own) < 0)
  return closer.length < CLOSER_MAX
}
