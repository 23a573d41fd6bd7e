/**
 * Our signed word on messages of others. Those of one peer that are confirmed in one turn of the
 * event loop share one receipt: a signature costs as much as all else that is done with a message,
 * and to look at it twice that.
 */

import { assert, type Clock, fromHex, type Random } from '../base/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import { writeEnvelope } from './envelope.ts'
import {
  LIFE_MS_MAX,
  MESSAGE_ID_BYTES,
  RECEIPT_MESSAGES_MAX,
  type ReceiptState,
} from './protocol.ts'
import { receiptBody } from './receipt.ts'

export interface ReceiptWriterDeps {
  readonly self: PeerId
  readonly network: string
  readonly clock: Clock
  readonly random: Random
  readonly signer: Pick<Signer, 'sign'>
}

/** A message of `peer` that a receipt is for. */
export interface Confirmed {
  readonly id: string
  readonly peer: PeerId
  readonly hash: Uint8Array
}

/** Of one peer, in this turn. */
interface Shared {
  readonly messages: Confirmed[]
  readonly receipt: PromiseWithResolvers<Uint8Array>
}

export class ReceiptWriter {
  readonly #deps: ReceiptWriterDeps
  readonly #shared = new Map<PeerId, Shared>()

  constructor(deps: ReceiptWriterDeps) {
    this.#deps = deps
  }

  /**
   * That we have the message, together with all else that its sender is told in this turn. It is
   * named in no receipt before it is `kept`: one that others share goes out whatever became of it.
   */
  async delivered(message: Confirmed, kept: Promise<unknown>): Promise<Uint8Array> {
    await kept
    const { peer } = message
    const known = this.#shared.get(peer)
    const shared = known ?? { messages: [], receipt: Promise.withResolvers<Uint8Array>() }
    shared.messages.push(message)
    if (known === undefined) {
      this.#shared.set(peer, shared)
      // Once everybody has heard of it whose message was kept by the same write.
      process.nextTick(() => this.#end(peer, shared))
    }
    if (shared.messages.length === RECEIPT_MESSAGES_MAX) this.#end(peer, shared)
    return shared.receipt.promise
  }

  /** That the message has been read. */
  read(message: Confirmed): Promise<Uint8Array> {
    return this.#write([message], 'read')
  }

  #end(peer: PeerId, shared: Shared): void {
    if (this.#shared.get(peer) !== shared) return
    this.#shared.delete(peer)
    shared.receipt.resolve(this.#write(shared.messages, 'delivered'))
  }

  async #write(messages: readonly Confirmed[], state: ReceiptState): Promise<Uint8Array> {
    const { self, random, clock, signer, network } = this.#deps
    const [first, ...more] = messages.map(({ id, hash }) => ({ of: fromHex(id), hash }))
    assert(first !== undefined, 'a receipt is for a message')
    const sentAtMs = clock.now()
    const draft = {
      from: { peer: self },
      to: { peer: messages[0]?.peer ?? self },
      id: random.bytes(MESSAGE_ID_BYTES),
      sentAtMs,
      expiresAtMs: sentAtMs + LIFE_MS_MAX,
      kind: 'receipt' as const,
      replyTo: first.of,
      body: receiptBody({ ...first, state, more }),
    }
    return writeEnvelope(draft, signer, { network })
  }
}
