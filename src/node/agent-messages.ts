/** The messages of an agent: put together over its presence and what the node stands on. */

import { join } from 'node:path'
import {
  Agent,
  type Announcer,
  type Gate,
  type Mailbox,
  messageMetrics,
  type PreKeys,
  type Presence,
} from '../agent/index.ts'
import type { Dht } from '../dht/index.ts'
import type { EthSigner, PeerId } from '../identity/index.ts'
import type { CallOptions, Libp2pHost } from '../net/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import type { Given } from './compose.ts'
import { type NodeDht, reach } from './injected.ts'
import type { ResolvedConfig } from './load-config.ts'

/** What messages stand on. */
export interface BelowMessages {
  readonly host: Libp2pHost
  readonly dht: NodeDht | null
  readonly ownDht: Dht | null
  readonly pubsub: Pubsub | null
  readonly rpc: { readonly server: RpcServer; readonly client: RpcClient }
  readonly eth: EthSigner
  readonly preKeys: PreKeys
  readonly presence: Presence
  readonly announcer: Announcer
  /** Messages that went out and came in, as the status tells others. */
  readonly traffic: { sent: number; received: number }
  readonly mailbox?: Mailbox | null
  readonly gate?: Gate | null
  /** Whether a peer may do nothing here. */
  readonly isBlocked: (peer: PeerId) => boolean
}

const IN_MEMORY = ':memory:'
/** Most receipts are there sooner; until then nobody was told that the message is queued. */
const OUTBOX_PAUSE_MS = 15

export function composeMessages(
  config: ResolvedConfig,
  given: Given,
  { announcer, traffic, mailbox = null, gate = null, eth, ...below }: BelowMessages,
): Agent {
  const { clock, random, keys, registry, machine } = given
  const keepsFiles = machine?.keepsFiles ?? true
  const fileOf = (name: string) => (keepsFiles ? join(config.dataDir, name) : IN_MEMORY)
  const room = { clock, random, log: given.log.child('agent'), network: config.network }
  const pause = (over: () => void) => void clock.sleep(OUTBOX_PAUSE_MS).then(over)
  const agent = new Agent(
    {
      ...room,
      ...below,
      signer: keys.signer,
      address: () => eth.address,
      openpond: config.agent.openpondCompat ? eth : null,
      roster: announcer,
      connect: connectOver(below),
      mailbox,
      gate,
      requireRegistered: config.agent.requireRegistered,
      files: { inbox: fileOf('inbox.sqlite'), outbox: fileOf('outbox.sqlite'), pause },
      metrics: messageMetrics(registry),
    },
    config.agent,
  )
  agent.on('message', () => {
    traffic.received += 1
  })
  agent.on('delivery', ({ state, to }) => {
    const isNew = state === 'queued' || (state === 'sent' && to === '*')
    traffic.sent += isNew ? 1 : 0
  })
  return agent
}

function connectOver({ host, dht, ownDht }: Pick<BelowMessages, 'host' | 'dht' | 'ownDht'>) {
  return async (peer: PeerId, options: CallOptions): Promise<void> => {
    if (host.connections().some((one) => one.peer === peer)) return
    await reach(peer, { host, dht, ownDht }, options)
  }
}
