/** What an agent offers to whoever holds it, and what it is made from. */

import type { Clock, Emitter, Logger, Random } from '../base/index.ts'
import type { EthAddress, EthSigner, PeerId, Signer } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { RpcClient, RpcServer } from '../rpc/index.ts'
import type { AgentMessage } from './agent-message.ts'
import type { Mailbox } from './attempts.ts'
import type { Delivery } from './delivery.ts'
import type { PresenceEvents } from './events.ts'
import type { InboxLimits, ListOptions, MessagePage, WaitOptions } from './inbox.ts'
import type { MessageMetrics } from './metrics.ts'
import type { OutboxLimits, Pause } from './outbox-store.ts'
import type { PreKeys } from './pre-keys.ts'
import type { Presence } from './presence.ts'
import type { AgentChange, AgentInfo } from './roster.ts'
import type { Gate } from './sender-check.ts'
import type { Finder } from './ways.ts'

/** What may be said with a message. */
export interface SendOptions {
  /** Ends the waiting for the first state; the message goes on. */
  readonly signal?: AbortSignal
  /** What it belongs to, at most 64 characters. */
  readonly conversation?: string
  /** The id of the message that it answers. */
  readonly replyTo?: string
  /** How long it is tried and kept, at most seven days. */
  readonly expiresMs?: number
  readonly contentType?: string
  /**
   * In the form of OpenPond's nodes, to an Ethereum address or to everybody: readable by all, and
   * `sent` is its last state. Wants `agent.openpond_compat`.
   */
  readonly form?: 'openpond'
}

/** The messages of others. */
export interface InboxFace {
  /** One page, newest first. */
  list(options?: ListOptions): MessagePage
  /** Resolves with the next message that fits; rejects with the signal's reason. */
  wait(options?: WaitOptions): Promise<AgentMessage>
  /** Those of this id, read from now on: their senders are told. */
  read(id: string): Promise<readonly AgentMessage[]>
}

/** What happens to an agent. */
export interface AgentEvents {
  readonly message: AgentMessage
  readonly delivery: Delivery
  readonly agent: AgentChange
}

/** An agent as its owner uses it. */
export interface AgentFace {
  readonly address: EthAddress | undefined
  readonly peer: PeerId
  readonly inbox: InboxFace
  /**
   * Sends to an Ethereum address or a peer id; resolves with its first state that is more than
   * queued, or with why it waits. What becomes of it later is an event.
   */
  send(to: string, body: Uint8Array, options?: SendOptions): Promise<Delivery>
  /** Says something to everybody who listens: `sent`, or failed where nobody does. */
  broadcast(body: Uint8Array, options?: SendOptions): Promise<Delivery>
  on<Name extends keyof AgentEvents>(
    event: Name,
    listener: (payload: AgentEvents[Name]) => void,
  ): () => void
  /** Who is here, by its own word. */
  agents(): readonly AgentInfo[]
}

export interface AgentDeps {
  readonly host: Pick<Host, 'self'> & { readonly events: Pick<Host['events'], 'on'> }
  readonly address: () => EthAddress | undefined
  /** Signs messages in OpenPond's form; without it none is taken, or sent. */
  readonly openpond?: EthSigner | null
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly signer: Signer
  readonly preKeys: Pick<PreKeys, 'current' | 'secretOf'>
  readonly presence: Pick<Presence, 'find' | 'forget' | 'binding' | 'newest'> & {
    readonly events: Pick<Presence['events'], 'on'>
  }
  readonly roster: {
    readonly events: Pick<Emitter<PresenceEvents>, 'on'>
    agents(): readonly AgentInfo[]
  }
  readonly rpc: {
    readonly server: Pick<RpcServer, 'handle'>
    readonly client: Pick<RpcClient, 'call'>
  }
  /** Finds and connects a peer, unless it is connected. */
  readonly connect: (peer: PeerId, options: CallOptions) => Promise<unknown>
  /** Null where the node takes no part in topics. */
  readonly pubsub: Pick<Pubsub, 'topic' | 'publish' | 'subscribe' | 'blame'> | null
  /** Null where nobody keeps messages for those who are away. */
  readonly mailbox: Mailbox | null
  /** Null without a registry of agents. */
  readonly gate: Gate | null
  readonly requireRegistered: boolean
  /** Whether a peer may do nothing here, also where others bring what it wrote. */
  readonly isBlocked: (peer: PeerId) => boolean
  /** Where messages are kept; `:memory:` for as long as the node runs. */
  readonly files: {
    readonly inbox: string
    readonly outbox: string
    /** How long a message on its way may wait to be written; else until the turn is over. */
    readonly pause?: Pause
  }
  readonly metrics: MessageMetrics
  readonly log: Logger
}

export interface AgentLimits extends InboxLimits, OutboxLimits {
  readonly messageExpiryMs: number
}

/** What presence knows, or asks the network for where that turned out to be wrong. */
export function finderOver(presence: Pick<Presence, 'find' | 'forget'>): Finder {
  return {
    forget: (address) => presence.forget(address),
    find(address, { signal, afresh = false }) {
      if (afresh) presence.forget(address)
      return presence.find(address, signal === undefined ? {} : { signal })
    },
  }
}
