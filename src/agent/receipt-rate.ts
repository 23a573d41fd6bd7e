/**
 * How many receipts one peer may have looked at; sans I/O. Each may be sealed and name sixteen
 * messages that are looked up on disk, whoever wrote it, so there is an end to it. Ten times as
 * many as messages: who comes back reads what waited, and says so of each. What a peer answers our
 * own calls with is not counted here.
 */

import { Quotas } from '../access/index.ts'
import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { MessageError } from './message-errors.ts'

const RECEIPTS_PER_MESSAGE = 10
/** All peers may send as much as so many of them. */
const SENDERS_AT_ONCE = 10
const BURST_SECONDS = 10

export class ReceiptRate {
  readonly #clock: Pick<Clock, 'now'>
  readonly #perSecond: number
  readonly #rates: Quotas

  constructor(
    clock: Pick<Clock, 'now'>,
    { senderPerSecond }: { readonly senderPerSecond: number },
  ) {
    this.#clock = clock
    this.#perSecond = senderPerSecond * RECEIPTS_PER_MESSAGE
    this.#rates = new Quotas(rateOf(this.#perSecond * SENDERS_AT_ONCE), clock.now())
  }

  /** Counts one receipt; throws `AGENT_SENDER_RATE` when its author, or all, sent too many. */
  admit(from: PeerId): void {
    const shortage = this.#rates.take(from, 1, rateOf(this.#perSecond), this.#clock.now())
    if (shortage !== undefined) throw MessageError.SENDER_RATE({ from, ...shortage })
  }
}

function rateOf(perSecond: number) {
  return { perSecond, burst: perSecond * BURST_SECONDS }
}
