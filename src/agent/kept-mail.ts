/**
 * What a node keeps for recipients who are away, and who gets a place; sans I/O over a `MailStore`.
 *
 * All that is kept is bounded, so is what one box holds and what one sender left. Where all or a
 * box is full, the account that holds the most there gives way, and of it what expires first; who
 * would itself hold the most is refused. So a flood drives out its like: an account is a network of
 * addresses, for peers cost nothing, and a message of anybody else still finds a place. What is
 * driven out lies with other nodes, and its sender, who has no receipt, brings it again.
 */

import { equalBytes } from '../base/index.ts'
import { MailError } from './mailbox-errors.ts'
import { type MailPage, PAGE_BYTES_MAX, PAGE_MAILS_MAX, priceAt } from './mailbox-protocol.ts'
import {
  MAIL_ROW_BYTES,
  type Mail,
  type MailStore,
  type MailSum,
  type OriginSum,
} from './mailbox-store.ts'
import { ENVELOPE_BYTES_MAX, LIFE_MS_MAX } from './protocol.ts'

export interface MailLimits {
  readonly mailboxMessagesMax: number
  readonly mailboxBytesMax: number
}

/** One box, and one sender, may have this part of all that is kept. */
const BOX_PART = 16
const SENDER_PART = 16
/** Whatever the limits are, one message of the largest size has a place. */
const BYTES_MIN = ENVELOPE_BYTES_MAX + MAIL_ROW_BYTES

export class KeptMail {
  readonly #store: MailStore
  readonly #limits: MailLimits

  constructor(store: MailStore, limits: MailLimits) {
    this.#store = store
    this.#limits = limits
  }

  get all(): MailSum {
    return this.#store.all
  }

  /** How much work a message has to bring now. */
  get price(): number {
    const { mails, bytes } = this.#store.all
    const { mailboxMessagesMax, mailboxBytesMax } = this.#limits
    return priceAt(Math.max(mails / mailboxMessagesMax, bytes / mailboxBytesMax))
  }

  /** Until when this very envelope is kept; undefined where it is not. */
  holds(mail: Pick<Mail, 'box' | 'sender' | 'id' | 'hash'>, nowMs: number): number | undefined {
    const known = this.#store.find(mail)
    if (known === undefined || known.expiresMs <= nowMs) return undefined
    return equalBytes(known.hash, mail.hash) ? known.expiresMs : undefined
  }

  /** Keeps a mail in place of what its sender brought under the same id; says until when. */
  keep(mail: Mail, nowMs: number): number {
    const expiresMs = Math.min(mail.expiresMs, nowMs + LIFE_MS_MAX)
    const size = mail.envelope.length + MAIL_ROW_BYTES
    const old = this.#store.find(mail)
    // Sealed anew it is as large as before. What is larger needs room first, or both would be lost.
    if (old === undefined || old.size < size) this.#makeRoom(mail, size, nowMs)
    this.#store.add({ ...mail, expiresMs })
    return expiresMs
  }

  /** What lies in a box after a number: so many and so large together, or one of any size. */
  page(box: string, after: number, nowMs: number): MailPage {
    const mails: { number: number; envelope: Uint8Array }[] = []
    let bytes = 0
    for (const mail of this.#store.page(box, after, nowMs)) {
      bytes += mail.envelope.length
      const isOver = mails.length === PAGE_MAILS_MAX || bytes > PAGE_BYTES_MAX
      if (isOver && mails.length > 0) return { mails, more: true }
      mails.push(mail)
    }
    return { mails, more: false }
  }

  /** Its recipient has these; says how many of them lay here. */
  remove(box: string, hashes: readonly Uint8Array[]): number {
    return hashes.filter((hash) => this.#store.remove(box, hash)).length
  }

  sweep(nowMs: number): number {
    return this.#store.sweep(nowMs)
  }

  close(): void {
    this.#store.close()
  }

  #makeRoom(mail: Mail, size: number, nowMs: number): void {
    const { mailboxMessagesMax: mails, mailboxBytesMax: bytes } = this.#limits
    const all = { mails, bytes }
    const ofSender = this.#store.of('sender', mail.sender)
    if (!fits(ofSender, size, partOf(all, SENDER_PART))) {
      throw MailError.MAIL_CROWDED({ of: 'of this sender', ...ofSender })
    }
    if (!fits(this.#store.all, size, all)) this.#store.sweep(nowMs)
    this.#fit(mail, size, partOf(all, BOX_PART), mail.box)
    this.#fit(mail, size, all)
  }

  /** Room in one box or in all: taken from who has the most, never from who has less than this. */
  #fit({ origin }: Mail, size: number, limit: MailSum, box?: string): void {
    const store = this.#store
    const sumNow = () => (box === undefined ? store.all : store.of('box', box))
    for (let used = sumNow(); !fits(used, size, limit); used = sumNow()) {
      const origins = store.origins(box)
      const { mails = 0, bytes = 0 } = origins.find(({ id }) => id === origin) ?? {}
      const own = shareOf({ mails: mails + 1, bytes: bytes + size }, limit)
      const largest = largestOf(origins, limit)
      const spare = largest && store.soonest(largest.id, box)
      if (largest === undefined || spare === undefined || own >= shareOf(largest, limit)) {
        const of = box === undefined ? 'of all' : 'for this recipient'
        throw MailError.MAIL_CROWDED({ of, ...used })
      }
      store.drop(spare.number)
    }
  }
}

/** Whichever of the two limits it comes nearer to. */
function shareOf({ mails, bytes }: MailSum, limit: MailSum): number {
  return Math.max(mails / limit.mails, bytes / limit.bytes)
}

function largestOf(origins: readonly OriginSum[], limit: MailSum): OriginSum | undefined {
  let largest: OriginSum | undefined
  for (const one of origins) {
    if (largest === undefined || shareOf(one, limit) > shareOf(largest, limit)) largest = one
  }
  return largest
}

function fits(used: MailSum, size: number, limit: MailSum): boolean {
  return used.mails + 1 <= limit.mails && used.bytes + size <= limit.bytes
}

function partOf({ mails, bytes }: MailSum, part: number): MailSum {
  return {
    mails: Math.max(1, Math.floor(mails / part)),
    bytes: Math.max(Math.min(bytes, BYTES_MIN), Math.floor(bytes / part)),
  }
}
