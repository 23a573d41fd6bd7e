/**
 * What comes in from other agents, on whichever way: believed first, then everything else.
 *
 *   verify → seen before? → so many of this sender → registry → open → keep and tell → receipt
 *   verify → so many receipts of this sender → open → confirm
 *
 * A copy of what was taken is answered with the receipt again: the first may have been lost. Every
 * refusal is counted by its code; who handed the message over is told it where somebody waits.
 */

import {
  type Clock,
  CodedError,
  equalBytes,
  hasCode,
  type Logger,
  type Random,
  toHex,
} from '../base/index.ts'
import type { EthAddress, PeerId, Signer } from '../identity/index.ts'
import type { Pubsub } from '../pubsub/index.ts'
import type { Incoming, Route } from './agent-message.ts'
import type { Receipt } from './attempts.ts'
import { blameFor } from './blame.ts'
import { envelopeHash, openEnvelope } from './envelope.ts'
import type { Envelope, Recipient } from './envelope-codec.ts'
import type { Inbox } from './inbox.ts'
import { MessageError } from './message-errors.ts'
import { MESSAGE_TOPIC } from './message-topic.ts'
import type { MessageMetrics } from './metrics.ts'
import { messagesOf, readReceipt } from './receipt.ts'
import type { ReceiptRate } from './receipt-rate.ts'
import { type Confirmed, ReceiptWriter } from './receipt-writer.ts'
import { reasonOf } from './refusal.ts'
import type { Opener } from './seal.ts'
import type { SenderCheck } from './sender-check.ts'

/** How an envelope came, and from whom. */
export interface Origin {
  readonly route: Route
  readonly by: PeerId
}

export interface IntakeDeps {
  readonly self: PeerId
  readonly address: () => EthAddress | undefined
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly signer: Pick<Signer, 'sign'>
  readonly opener: Opener
  readonly inbox: Inbox
  readonly outbox: { confirm(receipt: Receipt): void }
  readonly receiptRate: Pick<ReceiptRate, 'admit'>
  readonly senders: Pick<SenderCheck, 'checkPeer' | 'checkBound' | 'admit' | 'isRegistered'>
  /** Holds against a peer on topics what it brought us. */
  readonly pubsub: Pick<Pubsub, 'blame'> | null
  readonly metrics: MessageMetrics
  readonly log: Logger
}

/** What became of an envelope that was believed. */
export interface Taken {
  readonly from: PeerId
  /** For the sender: that we have it. Undefined for receipts, and for what is said to everybody. */
  readonly receipt: Uint8Array | undefined
}

export class Intake {
  readonly #deps: IntakeDeps
  readonly #receipts: ReceiptWriter

  constructor(deps: IntakeDeps) {
    this.#deps = deps
    this.#receipts = new ReceiptWriter(deps)
  }

  /**
   * Takes one envelope; throws why not, retryable only where the same bytes may be taken later.
   * Somebody else's message on gossip is no failure, and is nothing: then it returns undefined.
   */
  async take(bytes: Uint8Array, origin: Origin): Promise<Taken | undefined> {
    try {
      return await this.#take(bytes, origin)
    } catch (error) {
      const isOthers = hasCode(error, 'AGENT_OTHER_RECIPIENT') && origin.route === 'gossip'
      if (isOthers) return undefined
      this.refused(error, origin)
      throw error
    }
  }

  /** Counts a message that was not taken, says why, and holds it against who brought it. */
  refused(found: unknown, origin: Origin): void {
    const { metrics, log, pubsub } = this.#deps
    const { route, by } = origin
    const error = found ?? MessageError.AUTHOR_FOREIGN({ by })
    const code = error instanceof CodedError ? (error as CodedError).code : 'BASE_BUG'
    metrics.refused.add(1, { code, route })
    log.debug('message refused', { code, reason: reasonOf(error), ...origin })
    const blame = isOfAll(error) ? undefined : blameFor(code, origin)
    if (blame !== undefined) pubsub?.blame(by, blame.points, blame.max)
  }

  /** That a message has been read: our signed word, as an envelope to its sender. */
  read(message: Confirmed): Promise<Uint8Array> {
    return this.#receipts.read(message)
  }

  async #take(bytes: Uint8Array, { route, by }: Origin): Promise<Taken | undefined> {
    const { network, clock, self, inbox, outbox, opener, senders, metrics } = this.#deps
    const isFor = (to: Recipient) => this.#isFor(to, route)
    const envelope = openEnvelope(bytes, { network, nowMs: clock.now(), isFor })
    const { from } = envelope
    senders.checkPeer(from.peer)
    senders.checkBound(from, envelope.binding)
    if (envelope.kind === 'receipt') {
      this.#deps.receiptRate.admit(from.peer)
      const receipt = readReceipt(envelope, opener.open(envelope))
      let foreign: Error | undefined
      for (const { of, hash } of messagesOf(receipt)) {
        try {
          outbox.confirm({ from, of: toHex(of), state: receipt.state, hash })
        } catch (error) {
          // One that is not ours, or was forgotten, takes nothing from the others.
          foreign ??= error instanceof Error ? error : undefined
        }
      }
      if (foreign !== undefined) throw foreign
      return { from: from.peer, receipt: undefined }
    }
    const broadcast = 'topic' in envelope.to
    if (broadcast && from.peer === self) return undefined
    const id = toHex(envelope.id)
    const hash = envelopeHash(bytes)
    const isKnown = inbox.has(from.peer, id)
    const { taken } = inbox
    if (!isKnown) {
      inbox.admit(from, senders.isRegistered(from))
      const asked = senders.admit(from, bytes.length)
      if (asked !== undefined) await asked
    } else {
      this.#replayed({ id, from: from.peer }, { route, by })
      // Nobody makes us write to the sender by bringing again what it wrote.
      if (route === 'direct' && by !== from.peer) {
        metrics.received.add(1, { route, outcome: 'repeated' })
        return { from: from.peer, receipt: undefined }
      }
      if (route !== 'mailbox') inbox.admit(from, senders.isRegistered(from))
    }
    // In one step with what keeps it: another copy may have come while the registry was asked.
    const isNew = !isKnown && (inbox.taken === taken || !inbox.has(from.peer, id))
    if (!isNew && !isKnown) this.#replayed({ id, from: from.peer }, { route, by })
    if (!isNew) this.#checkSame(envelope, { id, hash })
    const kept = isNew
      ? inbox.takeNew(this.#incoming(envelope, { route, id, hash }), senders.isRegistered(from))
      : inbox.written()
    const confirmed = { id, peer: from.peer, hash }
    const receipt = broadcast ? undefined : this.#receipts.delivered(confirmed, kept)
    await Promise.all([kept, receipt])
    metrics.received.add(1, { route, outcome: isNew ? 'taken' : 'repeated' })
    return { from: from.peer, receipt: await receipt }
  }

  /** Not told again, and counted with what is refused, though its sender gets its receipt again. */
  #replayed(message: { readonly id: string; readonly from: PeerId }, origin: Origin): void {
    const { metrics, log } = this.#deps
    const code = 'AGENT_REPLAYED'
    metrics.refused.add(1, { code, route: origin.route })
    log.debug('message came again, and was not taken again', { code, ...message, ...origin })
  }

  /** One id is one message: what says something else than what lies here is not said to be here. */
  #checkSame(
    envelope: Envelope,
    { id, hash }: { readonly id: string; readonly hash: Uint8Array },
  ): void {
    const { peer } = envelope.from
    const kept = this.#deps.inbox.kept(peer, id)
    if (kept === undefined || equalBytes(kept.hash, hash)) return
    // Sealed anew it has other bytes, and the same words.
    const { conversation, replyTo } = envelope
    const isSame =
      kept.conversation === conversation &&
      kept.replyTo === (replyTo && toHex(replyTo)) &&
      equalBytes(kept.body, this.#deps.opener.open(envelope))
    if (!isSame) throw MessageError.ID_TAKEN({ from: peer, id })
  }

  /** Said to everybody counts only on its topic: by a stream it would be said to us alone. */
  #isFor(to: Recipient, route: Route): boolean {
    if ('topic' in to) return to.topic === MESSAGE_TOPIC && route === 'gossip'
    if ('peer' in to) return to.peer === this.#deps.self
    return to.address.toLowerCase() === this.#deps.address()?.toLowerCase()
  }

  #incoming(
    envelope: Envelope,
    { route, id, hash }: { readonly route: Route; readonly id: string; readonly hash: Uint8Array },
  ): Incoming {
    const { from, to, replyTo, conversation, contentType, sentAtMs, expiresAtMs } = envelope
    return {
      id,
      from,
      to: 'topic' in to ? '*' : 'peer' in to ? to.peer : to.address,
      body: this.#deps.opener.open(envelope),
      ...(contentType !== undefined && { contentType }),
      ...(conversation !== undefined && { conversation }),
      ...(replyTo !== undefined && { replyTo: toHex(replyTo) }),
      sentAt: sentAtMs,
      expiresAt: expiresAtMs,
      broadcast: 'topic' in to,
      route,
      hash,
    }
  }
}

/** The rate of all senders together is the fault of none of them. */
function isOfAll(error: unknown): boolean {
  const { facts } = error instanceof CodedError ? (error as CodedError) : {}
  return (facts as { of?: unknown } | null | undefined)?.of === 'node'
}

/** What a message of this node to itself is kept as: nobody else ever sees it. */
export function toSelf(message: Omit<Incoming, 'route' | 'broadcast' | 'hash'>): Incoming {
  return { ...message, route: 'self', broadcast: false, hash: new Uint8Array(32) }
}
