/**
 * Messages of OpenPond's own nodes, and to them, for whoever turned `agent.openpond_compat` on.
 *
 *   signature and time → seen before? → so many of this sender → registry → keep and tell
 *
 * Nothing is sealed, no peer is proven, and nobody confirms anything: such a message is marked by
 * its route. Its id and its sender are made of what the Ethereum key signed, so that the same
 * message is one whoever hands it over again, in whatever spacing, and also after a restart.
 */

import { createHash } from 'node:crypto'
import {
  type Clock,
  CodedError,
  type Logger,
  type Random,
  RecentMap,
  toHex,
  utf8,
} from '../base/index.ts'
import { type EthSigner, ethAddress, type PeerId } from '../identity/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { SendOptions } from './agent-face.ts'
import type { Incoming } from './agent-message.ts'
import type { Delivery } from './delivery.ts'
import type { Inbox } from './inbox.ts'
import { MessageError } from './message-errors.ts'
import { type HeardOpenPond, MESSAGE_TOPIC } from './message-topic.ts'
import type { MessageMetrics } from './metrics.ts'
import {
  OPENPOND_AGE_MS_MAX,
  type OpenPondMessage,
  readOpenPond,
  writeOpenPond,
} from './openpond.ts'
import { MESSAGE_ID_BYTES } from './protocol.ts'
import { reasonOf } from './refusal.ts'
import { checkSaid } from './said.ts'
import type { SenderCheck } from './sender-check.ts'

export interface OpenPondDeskDeps {
  /** Whose messages we sign; null where `agent.openpond_compat` is off. */
  readonly eth: EthSigner | null
  readonly pubsub: Pick<Pubsub, 'publish'> | null
  readonly inbox: Pick<Inbox, 'has' | 'admit' | 'take'>
  readonly senders: Pick<SenderCheck, 'checkPeer' | 'admit' | 'isRegistered'>
  readonly told: (delivery: Delivery) => void
  readonly metrics: Pick<MessageMetrics, 'received' | 'refused'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

const EVERYBODY = '*'
const ROUTE = 'openpond'
/** As long as a message that finds its mesh a moment later. */
const LISTENERS_MS = 5_000
/** Messages that an answer can still name in their sender's words. */
const NAMED_MAX = 2_048

export class OpenPondDesk {
  readonly #deps: OpenPondDeskDeps
  /** What senders called their messages, by our id. */
  readonly #named = new RecentMap<string, Pick<OpenPondMessage, 'messageId'>>(NAMED_MAX)

  constructor(deps: OpenPondDeskDeps) {
    this.#deps = deps
  }

  /** Whether messages in this form are taken and sent. */
  get isOpen(): boolean {
    return this.#deps.eth !== null
  }

  /** Takes what `by` handed over; what is refused is counted, and nobody waits for an answer. */
  async take(bytes: Uint8Array, by: PeerId): Promise<void> {
    const { eth, metrics, log } = this.#deps
    if (eth === null) return
    try {
      await this.#take(bytes, eth)
    } catch (error) {
      const code = error instanceof CodedError ? (error as CodedError).code : 'BASE_BUG'
      // A topic carries the messages of all.
      if (code === 'AGENT_OTHER_RECIPIENT') return
      metrics.refused.add(1, { code, route: ROUTE })
      log.debug('message refused', { code, reason: reasonOf(error), by, route: ROUTE })
    }
  }

  /** Publishes to `to`, an Ethereum address or `*`; that it was sent is all there is to know. */
  async send(to: string, body: Uint8Array, options: SendOptions): Promise<Delivery> {
    const { eth, pubsub, clock, random, told } = this.#deps
    if (eth === null) {
      const [found, wanted] = ['openpond', '[agent] openpond_compat = true at this node for it']
      throw MessageError.MESSAGE_OPTION({ option: 'form', found, wanted })
    }
    checkSaid(body, options)
    const { conversation, signal } = options
    const { replyTo } = this.#replyTo(options)
    const said = {
      body,
      sentAtMs: clock.now(),
      ...(to !== EVERYBODY && { to: ethAddress(to) }),
      ...(conversation !== undefined && { conversation }),
      ...(replyTo !== undefined && { replyTo }),
    }
    const value: HeardOpenPond = { openpond: writeOpenPond(said, eth, random) }
    const own = said.to
    // What no receiver would take is refused before it is sent.
    const { messageId } = readOpenPond(value.openpond, { nowMs: said.sentAtMs, own })
    const waits = { waitForMeshMs: LISTENERS_MS, ...(signal !== undefined && { signal }) }
    const sent = await pubsub?.publish(MESSAGE_TOPIC, value, waits)
    const id = idOf(eth.address, messageId)
    const reason = pubsub === null ? 'this node takes no part in topics' : 'nobody listens now'
    const state =
      sent?.state === 'sent' ? { state: sent.state } : { state: 'failed' as const, reason }
    const delivery: Delivery = { id, to: own ?? EVERYBODY, ...state, at: clock.now() }
    told(delivery)
    return delivery
  }

  async #take(bytes: Uint8Array, eth: EthSigner): Promise<void> {
    const { clock, inbox, senders, metrics, log } = this.#deps
    const message = readOpenPond(bytes, { nowMs: clock.now(), own: eth.address })
    const { from: address, peer, messageId } = message
    if (address === eth.address) return
    senders.checkPeer(peer)
    const id = idOf(address, messageId)
    if (inbox.has(peer, id)) {
      metrics.received.add(1, { route: ROUTE, outcome: 'repeated' })
      metrics.refused.add(1, { code: 'AGENT_REPLAYED', route: ROUTE })
      log.debug('message came again, and was not taken again', { id, from: peer, route: ROUTE })
      return
    }
    inbox.admit({ peer, address }, senders.isRegistered({ peer, address }))
    await senders.admit({ peer, address })
    this.#named.set(id, { messageId })
    // In one step with what keeps it: another copy may have come while the registry was asked.
    const taken = inbox.take(incomingOf(message, id), senders.isRegistered({ peer, address }))
    metrics.received.add(1, { route: ROUTE, outcome: taken === undefined ? 'repeated' : 'taken' })
  }

  /** In the words of whoever is answered. */
  #replyTo({ replyTo }: SendOptions): { readonly replyTo?: string } {
    if (replyTo === undefined) return {}
    const named = this.#named.get(replyTo)
    if (named !== undefined) return { replyTo: named.messageId }
    const wanted = 'a message that came in this form since the node started'
    throw MessageError.MESSAGE_OPTION({ option: 'replyTo', found: replyTo, wanted })
  }
}

/** Our form of an id: of who sent the message, and of what it is called there. */
function idOf(from: string, messageId: string): string {
  const named = utf8(`p2p-foundation openpond 1\0${from.toLowerCase()}\0${messageId}`)
  return toHex(hashOf(named).subarray(0, MESSAGE_ID_BYTES))
}

function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest())
}

function incomingOf(message: OpenPondMessage, id: string): Incoming {
  const { from: address, peer, to, body, conversation, replyTo, sentAtMs } = message
  return {
    id,
    from: { peer, address },
    to: to ?? EVERYBODY,
    body,
    ...(conversation !== undefined && { conversation }),
    // What is answered in private was ours.
    ...(replyTo !== undefined && to !== undefined && { replyTo: idOf(to, replyTo) }),
    sentAt: sentAtMs,
    expiresAt: sentAtMs + OPENPOND_AGE_MS_MAX,
    broadcast: to === undefined,
    route: ROUTE,
    // Nobody is told that it came: no receipt names it.
    hash: hashOf(utf8(id)),
  }
}
