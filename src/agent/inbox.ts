/**
 * Messages that were verified: each once, so many of each sender, kept until they have been read.
 *
 * A message is taken in one step without a pause, so that two copies that come on two ways at once
 * are still one. What was seen is remembered until it has expired, and is then refused by its time:
 * also after a restart, as both are in one file, which says so before anybody is told. One sender
 * may fill a quarter of the room, and all strangers together three quarters of it: whom we wrote
 * to, and who has an entry in the registry, always finds some. Where there is no room, the oldest
 * that was read goes, then the oldest that was said to everybody; what was sent to us and not read
 * never does: then the sender is told to come again later.
 */

import { Quotas, TokenBucket } from '../access/index.ts'
import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type AgentMessage, fits, type InboxFilter, type Incoming } from './agent-message.ts'
import { type InboxStore, type Owners, ROW_BYTES } from './inbox-store.ts'
import { MessageError } from './message-errors.ts'

export interface InboxLimits {
  readonly inboxMessagesMax: number
  readonly inboxBytesMax: number
  /** Ids of messages that may come again, as they have not expired. */
  readonly seenMax: number
  /** Messages of one sender. */
  readonly senderPerSecond: number
}

/** Which messages, and how many at once. */
export interface ListOptions extends InboxFilter {
  /** Goes on where another list ended. */
  readonly cursor?: number
  readonly limit?: number
}

/** One page of messages, newest first. */
export interface MessagePage {
  readonly messages: readonly AgentMessage[]
  /** Where the next page begins; not there at the last. */
  readonly cursor?: number
}

/** Which message, and from where on. */
export interface WaitOptions extends Pick<InboxFilter, 'from' | 'conversation' | 'since'> {
  /** The first after this message, also one that is there already; else the next that comes. */
  readonly after?: number
  /** With `after`: up to this message, only those that nobody has read. */
  readonly unreadUpTo?: number
  readonly signal?: AbortSignal
}

export interface InboxDeps {
  readonly store: InboxStore
  readonly clock: Clock
  readonly told: (message: AgentMessage) => void
}

/** One sender may have this part of the messages, bytes and ids. */
const SENDER_PART = 4
/** Three quarters: a few senders that nobody knows leave room for those whom we write to. */
const STRANGERS_PART = 4 / 3
/** All senders may send as much as so many of them. */
const SENDERS_AT_ONCE = 10
const BURST_SECONDS = 10
/** Clocks differ by so much: a message that has expired may not have everywhere. */
const SEEN_LONGER_MS = 120_000
const FORGET_EVERY_MS = 60_000
/** A clock that was wrong by more was never right: what it forgot is not waited for. */
const CLOCK_JUMP_MS_MAX = 86_400_000
export const LIST_MAX = 200
const LIST_DEFAULT = 50
/** A page ends when it is so large: bodies may have 512 KiB each. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024
const WAITING_MAX = 256

interface Waiting {
  readonly filter: InboxFilter
  readonly after: number
  readonly found: (message: AgentMessage) => void
}

export class Inbox {
  readonly #deps: InboxDeps
  readonly #limits: InboxLimits
  readonly #rates: Quotas
  /** Their part of what all may send. */
  readonly #strangers: TokenBucket
  readonly #waiting = new Set<Waiting>()
  #taken = 0
  #forgotMs = Number.NEGATIVE_INFINITY
  /** The latest time for which ids were forgotten. */
  #forgottenMs = Number.NEGATIVE_INFINITY

  constructor(deps: InboxDeps, limits: InboxLimits) {
    this.#deps = deps
    this.#limits = limits
    const perSecond = limits.senderPerSecond * SENDERS_AT_ONCE
    const nowMs = deps.clock.now()
    this.#rates = new Quotas(rateOf(perSecond), nowMs)
    this.#strangers = new TokenBucket(rateOf(perSecond / STRANGERS_PART), nowMs, 'full')
  }

  /** Whether this message of this sender was taken before. */
  has(from: PeerId, id: string): boolean {
    return this.#deps.store.isSeen(from, id)
  }

  /** What was taken under this id of this sender, for as long as it is kept. */
  kept(from: PeerId, id: string): ReturnType<InboxStore['byId']>[number] | undefined {
    return this.#deps.store.byId(id).find((one) => one.from.peer === from)
  }

  /**
   * Counts one message of a sender; throws `AGENT_SENDER_RATE` when there are too many of it, of
   * strangers, or of all. `isRegistered` says that it is no stranger though nobody wrote to it.
   */
  admit(sender: AgentMessage['from'], isRegistered = false): void {
    const { peer: from } = sender
    const nowMs = this.#deps.clock.now()
    const isStranger = !isRegistered && !this.#deps.store.isKnown(sender, nowMs)
    const retryAfterMs = isStranger ? this.#strangers.waitMs(1, nowMs) : 0
    if (retryAfterMs > 0) throw MessageError.SENDER_RATE({ from, of: 'node', retryAfterMs })
    const shortage = this.#rates.take(from, 1, rateOf(this.#limits.senderPerSecond), nowMs)
    if (shortage !== undefined) throw MessageError.SENDER_RATE({ from, ...shortage })
    if (isStranger) this.#strangers.take(1)
  }

  /** Keeps a verified message and tells of it; undefined for one that was taken before. */
  take(message: Incoming, isKnown = false): AgentMessage | undefined {
    if (this.has(message.from.peer, message.id)) return undefined
    const taken = this.#add(message, isKnown)
    this.#deps.store.flush()
    this.#tell(taken)
    return taken
  }

  /**
   * As `take`, together with all else of this turn, for one that was not taken before: whoever
   * calls it asked `has` in the same step. Resolves when the message is kept.
   */
  async takeNew(message: Incoming, isKnown = false): Promise<AgentMessage> {
    const taken = this.#add(message, isKnown)
    await this.#deps.store.written()
    this.#tell(taken)
    return taken
  }

  /** We wrote to it, an address in lower case or a peer: it is no stranger from now on. */
  know(name: string): void {
    this.#deps.store.know(name, this.#deps.clock.now())
  }

  /** Resolves when all that was taken is kept; rejects where it cannot be. */
  written(): Promise<void> {
    return this.#deps.store.written()
  }

  /** How many were taken: as long as it stays, what `has` said holds. */
  get taken(): number {
    return this.#taken
  }

  #add(message: Incoming, isKnown: boolean): AgentMessage {
    const { store, clock } = this.#deps
    const nowMs = clock.now()
    this.#forget(nowMs)
    this.#checkForgotten(message, nowMs)
    const isStranger = !isKnown && !store.isKnown(message.from, nowMs)
    this.#makeRoom(message, isStranger)
    this.#taken += 1
    return store.add(message, nowMs, message.expiresAt + SEEN_LONGER_MS)
  }

  #tell(taken: AgentMessage): void {
    for (const { filter, after, found } of [...this.#waiting]) {
      if (taken.cursor > after && fits(filter, taken)) found(taken)
    }
    this.#deps.told(taken)
  }

  /** One page; ends sooner than its limit where the bodies are large. */
  list({ cursor, limit = LIST_DEFAULT, ...filter }: ListOptions = {}): MessagePage {
    checkLimit(limit)
    const messages: AgentMessage[] = []
    let bytes = 0
    const place = cursor === undefined ? {} : { before: cursor }
    for (const message of this.#deps.store.find(filter, place)) {
      bytes += message.body.length + ROW_BYTES
      if (messages.length === limit || (bytes > PAGE_BYTES_MAX && messages.length > 0)) {
        return { messages, cursor: messages.at(-1)?.cursor ?? 0 }
      }
      messages.push(message)
    }
    return { messages }
  }

  /** Resolves with the first message that fits; rejects with the signal's reason. */
  async wait({ signal, after, unreadUpTo, ...filter }: WaitOptions = {}): Promise<AgentMessage> {
    signal?.throwIfAborted()
    const place = { after, unreadUpTo }
    const first = () => (after === undefined ? after : this.#deps.store.first(filter, place))
    const there = first()
    if (there !== undefined) return there
    if (this.#waiting.size >= WAITING_MAX) throw MessageError.INBOX_WAITING({ limit: WAITING_MAX })
    const { promise, resolve, reject } = Promise.withResolvers<AgentMessage>()
    const giveUp = () => reject(signal?.reason as Error)
    const waiting = { filter, after: after ?? 0, found: resolve }
    this.#waiting.add(waiting)
    signal?.addEventListener('abort', giveUp, { once: true })
    try {
      const told = await promise
      // Of two that came at once, the second may be told first.
      return first() ?? told
    } finally {
      this.#waiting.delete(waiting)
      signal?.removeEventListener('abort', giveUp)
    }
  }

  /**
   * Those of this id, which are read now; one, unless another sender took somebody else's id.
   * `wasRead` says which had been read before.
   */
  read(id: string) {
    const found = this.#deps.store.byId(id)
    if (found.length === 0) throw MessageError.MESSAGE_UNKNOWN({ id: id.slice(0, 64) })
    for (const { cursor, read } of found) {
      if (!read) this.#deps.store.markRead(cursor)
    }
    return found.map(({ hash, read, ...message }) => {
      return { message: { ...message, read: true }, hash, wasRead: read }
    })
  }

  #forget(nowMs: number): void {
    if (Math.abs(nowMs - this.#forgotMs) < FORGET_EVERY_MS) return
    this.#forgotMs = nowMs
    this.#forgottenMs = Math.max(this.#forgottenMs, nowMs)
    this.#deps.store.forget(nowMs)
  }

  /** While the clock was ahead, ids were forgotten of what has not expired: it may be a copy. */
  #checkForgotten({ expiresAt }: Incoming, nowMs: number): void {
    const aheadMs = this.#forgottenMs - nowMs
    if (aheadMs <= 0 || aheadMs > CLOCK_JUMP_MS_MAX) return
    if (expiresAt + SEEN_LONGER_MS <= this.#forgottenMs) throw MessageError.CLOCK_BACK({ aheadMs })
  }

  #makeRoom(message: Incoming, isStranger: boolean): void {
    const { peer } = message.from
    const { seenMax } = this.#limits
    if (this.#deps.store.all.seen >= seenMax) this.#refuse(`${seenMax} ids to remember`)
    const ofStrangers = Math.max(1, Math.floor(seenMax / STRANGERS_PART))
    if (isStranger && this.#deps.store.of('strangers').seen >= ofStrangers) {
      this.#refuse(`${ofStrangers} ids of strangers to remember`)
    }
    const ofSender = Math.max(1, Math.floor(seenMax / SENDER_PART))
    if (this.#deps.store.of(peer).seen >= ofSender) {
      this.#refuse(`${ofSender} ids of this sender to remember`)
    }
    this.#fit(message, SENDER_PART, peer)
    if (isStranger) this.#fit(message, STRANGERS_PART, 'strangers')
    this.#fit(message, 1)
  }

  /** Room for this message among those of one sender, of strangers, or of all. */
  #fit({ body, broadcast }: Incoming, part: number, owners?: Owners): void {
    const { store } = this.#deps
    const messagesMax = Math.max(1, Math.floor(this.#limits.inboxMessagesMax / part))
    const bytesMax = Math.floor(this.#limits.inboxBytesMax / part)
    const size = body.length + ROW_BYTES
    if (size > bytesMax) this.#refuse(`room for ${bytesMax} bytes`)
    const whose = owners === 'strangers' ? ' of strangers' : ' of this sender'
    const of = owners === undefined ? '' : whose
    for (;;) {
      const { messages, bytes } = owners === undefined ? store.all : store.of(owners)
      if (messages < messagesMax && bytes + size <= bytesMax) return
      if (store.dropSpare('read', owners)) continue
      // What is said to everybody drives out its like only.
      if (store.dropSpare('broadcast', owners)) continue
      const found = messages >= messagesMax ? `${messages} messages` : `${bytes} bytes`
      this.#refuse(`${found}${of} that nobody has read${broadcast ? ' and are no broadcasts' : ''}`)
    }
  }

  #refuse(limit: string): never {
    throw MessageError.INBOX_FULL({ limit })
  }
}

function rateOf(perSecond: number) {
  return { perSecond, burst: perSecond * BURST_SECONDS }
}

function checkLimit(limit: number): void {
  if (Number.isSafeInteger(limit) && limit >= 1 && limit <= LIST_MAX) return
  const wanted = `a whole number from 1 to ${LIST_MAX}`
  throw MessageError.MESSAGE_OPTION({ option: 'limit', found: String(limit), wanted })
}
