/**
 * One try of a message, on every way there is, the surest first: a stream to the recipient, which
 * answers with its receipt; gossip, sealed, where there is no stream; and nodes that keep it, where
 * nobody confirmed it. It says what came of it and never when to try again.
 */

import { type Clock, equalBytes, type Logger, TtlMap } from '../base/index.ts'
import type { EthAddress, PeerId } from '../identity/index.ts'
import { wayOf } from './agent-message.ts'
import { type Delivery, isOpen } from './delivery.ts'
import { MessageError } from './message-errors.ts'
import { type Item, newsOf } from './outbox-item.ts'
import type { Draft, OutboxStore, OutgoingState, Sealed } from './outbox-store.ts'
import { isHopeless, reasonOf, verdictOf } from './refusal.ts'

/** The recipient's signed word on one of our messages, verified. */
export interface Receipt {
  readonly from: { readonly peer: PeerId; readonly address?: EthAddress }
  /** The message, 32 hex digits. */
  readonly of: string
  readonly state: 'delivered' | 'read'
  /** Of the envelope that came. */
  readonly hash: Uint8Array
}

/** Whether it is the word of the one it was sealed for, or who speaks for the address it is to. */
export function isReceiptFor(
  { peer, delivery, hashes }: OutgoingState,
  { from, hash }: Pick<Receipt, 'from' | 'hash'>,
): boolean {
  const way = wayOf(delivery.to)
  const isBy = from.peer === peer || from.peer === way || from.address?.toLowerCase() === way
  return isBy && hashes.some((sent) => equalBytes(sent, hash))
}

/** Nodes that keep a sealed message for somebody who is away. */
export interface Mailbox {
  /** Resolves with who has it now; nobody, when `stored` is zero. */
  store(
    to: EthAddress | PeerId,
    envelope: Uint8Array,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly stored: number; readonly of: number; readonly by: readonly PeerId[] }>
}

/** How a message gets anywhere: the agent gives real ones, a test fakes. */
export interface Ways {
  /** Seals the message for its recipient, or keeps what is fresh; `afresh` believes no cache. */
  seal(
    draft: Draft,
    known: Sealed | undefined,
    options: { readonly signal: AbortSignal; readonly afresh: boolean },
  ): Promise<Sealed>
  /** Resolves with the recipient's receipt; rejects with its refusal, or because of the way. */
  direct(sealed: Sealed, signal: AbortSignal): Promise<Receipt>
  /** No stream leads to where the recipient was: the next search is afresh. */
  lost?(to: string): void
  /** Whether anybody took it to hand it on. */
  gossip(sealed: Sealed, signal: AbortSignal): Promise<boolean>
  readonly mailbox: Mailbox | null
}

/** The try is over, for this reason. */
interface Ended {
  readonly reason: string | null
}

/** No stream leads to the recipient. */
interface Unreached {
  readonly sealed: Sealed
  readonly why: string
}

/** What a try changes. */
export interface Changes {
  /** Throws where the receipt is for no message of ours. */
  confirm(receipt: Receipt): void
  move(item: Item, next: Pick<Delivery, 'state' | 'reason' | 'at'>): void
}

export interface AttemptsDeps {
  readonly store: Pick<OutboxStore, 'whole' | 'seal'>
  readonly ways: Ways
  readonly clock: Clock
  readonly log: Logger
}

/** So long a receipt may take over gossip before the message is left with others. */
const GOSSIP_ANSWER_MS = 3_000
/** Who could not be reached is not dialled again by every other message for it. */
const AWAY_MS = 5_000
const AWAY_MAX = 4_096
const REASON_CHARS_MAX = 1_024

export class Attempts {
  readonly #deps: AttemptsDeps
  readonly #changes: Changes
  /** By recipient that could not be reached a moment ago: why. */
  readonly #away: TtlMap<string, { readonly why: string; readonly atMs: number }>

  constructor(deps: AttemptsDeps, changes: Changes) {
    this.#deps = deps
    this.#changes = changes
    this.#away = new TtlMap({ entriesMax: AWAY_MAX, ttlMs: AWAY_MS, clock: deps.clock })
  }

  /** These are here again. */
  forgetAway(names: readonly string[]): void {
    for (const name of names) this.#away.delete(name)
  }

  /** Returns why it is not confirmed; null where it is, or nothing speaks against it. */
  async run(item: Item, signal: AbortSignal): Promise<string | null> {
    const first = await this.#directly(item, signal)
    // What the recipient knows better than we did is looked up, once.
    const last = first === 'stale' ? await this.#directly(item, signal, true) : first
    item.isUnreached = last !== 'stale' && 'why' in last
    if (last === 'stale') return 'what is published of the recipient is out of date'
    if ('reason' in last) return last.reason
    return this.#through(item, last, signal)
  }

  async #directly(
    item: Item,
    signal: AbortSignal,
    isAfresh = false,
  ): Promise<'stale' | Ended | Unreached> {
    const way = wayOf(item.state.delivery.to)
    let sealed: Sealed | undefined
    try {
      sealed = await this.#sealed(item, signal)
    } catch (error) {
      if (isHopeless(error)) this.#fail(item, error)
      return { reason: reasonOf(error) }
    }
    if (sealed === undefined) return { reason: null }
    const { clock, ways } = this.#deps
    const away = this.#away.get(way)
    // A clock that was set back keeps nobody away.
    if (away !== undefined && away.atMs <= clock.now()) return { sealed, why: away.why }
    try {
      this.#changes.confirm(await ways.direct(sealed, signal))
      return { reason: null }
    } catch (error) {
      const reason = reasonOf(error)
      const found = verdictOf(error)
      // Once: where it was looked for afresh, who is no agent there is away.
      const moved = isAfresh ? 'elsewhere' : 'reseal'
      const verdict = found === 'moved' ? moved : found
      if (verdict === 'refused') this.#fail(item, error)
      if (verdict === 'refused' || verdict === 'later' || signal.aborted) return { reason }
      if (verdict === 'reseal') item.isStale = true
      else ways.lost?.(item.state.delivery.to)
      if (verdict !== 'reseal') this.#away.set(way, { why: reason, atMs: clock.now() })
      return verdict === 'reseal' ? 'stale' : { sealed, why: reason }
    }
  }

  /** By those who hand it on, and then those who keep it. */
  async #through(
    item: Item,
    { sealed, why }: Unreached,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { ways, clock, log } = this.#deps
    const { id, to } = item.state.delivery
    const isTold = await ways.gossip(sealed, signal).catch((error: unknown) => {
      log.debug('message not told on', { id, error })
      return false
    })
    if (isTold) {
      this.#changes.move(item, { state: 'sent', reason: why, at: clock.now() })
      await this.#confirmed(item, signal)
    }
    if (!isOpen(item.state.delivery.state) || ways.mailbox === null || signal.aborted) return why
    try {
      const recipient = to as EthAddress | PeerId
      const { stored, of } = await ways.mailbox.store(recipient, sealed.bytes, { signal })
      const said = `${stored} of ${of} nodes keep it`
      if (stored === 0) return `${why}; ${said}`.slice(0, REASON_CHARS_MAX)
      this.#changes.move(item, { state: 'stored', reason: said, at: clock.now() })
      return said
    } catch (error) {
      return `${why}; ${reasonOf(error)}`.slice(0, REASON_CHARS_MAX)
    }
  }

  async #sealed(item: Item, signal: AbortSignal): Promise<Sealed | undefined> {
    const { store, ways } = this.#deps
    const { id } = item.state.delivery
    const { draft } = item
    const whole = draft ? { ...item.state, draft, sealed: undefined } : store.whole(id)
    if (whole === undefined) throw MessageError.MESSAGE_UNKNOWN({ id })
    const { isStale: afresh } = item
    const known = afresh ? undefined : whole.sealed
    const sealed = await ways.seal(whole.draft, known, { signal, afresh })
    if (sealed === whole.sealed) return sealed
    // Nobody asks for it any more: its receipt came meanwhile, or it could not be queued.
    if (!isOpen(item.state.delivery.state)) return undefined
    const hashes = store.seal(whole, sealed)
    item.isStale = false
    item.state = { ...item.state, peer: sealed.peer, hashes }
    return sealed
  }

  /** Resolves when a receipt has come, or after a while without. */
  async #confirmed(item: Item, signal: AbortSignal): Promise<void> {
    using deadline = this.#deps.clock.deadline(GOSSIP_ANSWER_MS, signal)
    await newsOf(item, deadline.signal)
  }

  #fail(item: Item, error: unknown): void {
    const at = this.#deps.clock.now()
    this.#changes.move(item, { state: 'failed', reason: reasonOf(error), at })
  }
}
