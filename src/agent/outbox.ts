/**
 * Messages on their way to one recipient each: tried until it confirms them, or they expire.
 *
 * One try goes from the surest way to the least: over a stream to the recipient, which answers with
 * its receipt; by gossip, sealed, where there is no stream; to nodes that keep it for later, where
 * nobody confirmed it. Between tries a pause doubles, with jitter. Whatever was tried, only a
 * receipt that the recipient signed makes a message `delivered`; a refusal that another try cannot
 * mend makes it `failed`. What is queued is on disk before anybody is told so: it is written with
 * all else of a moment, on its way already; a receipt that is sooner spares it to write the body.
 */

import { backoffMs, type Clock, type Logger, type Random, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { wayOf } from './agent-message.ts'
import { Attempts, isReceiptFor, type Receipt, type Ways } from './attempts.ts'
import { advanced, type Delivery, isOpen } from './delivery.ts'
import { MessageError } from './message-errors.ts'
import { type Item, isTo, itemOf, newsOf } from './outbox-item.ts'
import type { Draft, OutboxLimits, OutboxStore, OutgoingState } from './outbox-store.ts'
import { reasonOf } from './refusal.ts'
import { checkRoom } from './said.ts'
import { Schedule } from './schedule.ts'
import { Unreached } from './unreached.ts'

export interface OutboxDeps {
  readonly store: OutboxStore
  readonly ways: Ways
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly told: (delivery: Delivery) => void
}

const PLACES = { all: 128, perRecipient: 32 }
const TRY_MS = 60_000
const RETRY = { firstMs: 1_000, maxMs: 300_000 }
/** What lies in mailboxes is fetched by its recipient, unless only a connection was dead. */
const STORED_RETRY = { firstMs: 30_000, maxMs: 3_600_000 }
const SLEEP_MS_MAX = 60_000

export class Outbox implements Service {
  readonly name = 'outbox'
  readonly #deps: OutboxDeps
  readonly #limits: OutboxLimits
  /** Open messages by id, in the order in which they were sent. */
  readonly #items = new Map<string, Item>()
  readonly #schedule = new Schedule<Item>(PLACES)
  readonly #unreached = new Unreached()
  /** Messages that nobody was told of yet. */
  readonly #untold = new Map<string, Item>()
  readonly #attempts: Attempts
  readonly #life = new AbortController()
  readonly #trying = new Set<Promise<void>>()
  #forgotMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> = Promise.resolve()
  #nap = new AbortController()

  constructor(deps: OutboxDeps, limits: OutboxLimits) {
    this.#deps = deps
    this.#limits = limits
    this.#attempts = new Attempts(deps, {
      confirm: (receipt) => {
        this.confirm(receipt)
        this.reached(receipt.from.peer)
      },
      move: (item, next) => this.#move(item, next),
    })
  }

  /** Takes up what an earlier run left. */
  async start(): Promise<void> {
    const { store, clock } = this.#deps
    // A clock that was set back since puts nothing off.
    const latestMs = clock.now() + STORED_RETRY.maxMs
    for (const state of store.allOpen()) {
      this.#plan(this.#add(state), { dueMs: Math.min(state.dueMs, latestMs), isAgain: true })
    }
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#life.abort()
    for (const { heard } of this.#items.values()) for (const hear of [...heard]) hear()
    this.#wake()
    await this.#running
    await Promise.allSettled(this.#trying)
  }

  /** Messages whose way is not over. */
  get open(): number {
    return this.#items.size
  }

  /**
   * Queues a message and tries it at once. Resolves with its first state that is more than queued,
   * or as queued with the reason when the first try is over; the signal only ends the waiting.
   */
  async send(draft: Draft, signal?: AbortSignal): Promise<Delivery> {
    this.#life.signal.throwIfAborted()
    signal?.throwIfAborted()
    const { store, clock } = this.#deps
    checkRoom(draft, store.open, this.#limits)
    const { id, to } = draft
    const queued: Delivery = { id, to, state: 'queued', at: clock.now() }
    const item = this.#add(store.add(draft, queued))
    item.untold = [queued]
    this.#untold.set(id, item)
    const news = newsOf(item, signal)
    this.#plan(item, { dueMs: item.state.dueMs, isAgain: false })
    if (this.#schedule.begin(item)) {
      item.draft = draft
      this.#begin(item)
    }
    try {
      await store.written(id)
    } catch (error) {
      this.#giveUp(item, error)
      throw error
    }
    this.#tellNew(item)
    await news
    return item.state.delivery
  }

  /** The recipient says that it has the message, or has read it; throws where it cannot know. */
  confirm({ from, of, state, hash }: Receipt): void {
    const { store, clock } = this.#deps
    const item = this.#items.get(of) ?? this.#untold.get(of)
    const known = item?.state ?? store.state(of)
    if (known === undefined || !isReceiptFor(known, { from, hash })) {
      throw MessageError.RECEIPT_FOREIGN({ by: from.peer })
    }
    this.#move(item ?? itemOf(known), { state, at: clock.now() })
  }

  /** A peer or an address is here again: what waits for it is tried now. */
  isBack(...who: readonly string[]): void {
    const names = who.map(wayOf)
    this.#attempts.forgetAway(names)
    this.#hurry(({ state }) => names.some((name) => isTo(state, name)))
  }

  /** A stream led to or from a peer: what found none is tried now. */
  reached(peer: PeerId): void {
    if (!this.#unreached.reached(peer)) return
    this.#hurry(({ state, isUnreached }) => isUnreached === true && isTo(state, peer))
  }

  #hurry(isMeant: (item: Item) => boolean): void {
    const dueMs = this.#deps.clock.now()
    const meant = [...this.#items.values()].filter((item) => !item.isBusy && isMeant(item))
    for (const item of meant) {
      this.#attempts.forgetAway([wayOf(item.state.delivery.to)])
      item.state = { ...item.state, dueMs }
      this.#plan(item, { dueMs, isAgain: false })
    }
    if (meant.length > 0) this.#wake()
  }

  #add(state: OutgoingState): Item {
    const item = itemOf(state)
    this.#items.set(state.delivery.id, item)
    return item
  }

  async #run(): Promise<void> {
    const { signal } = this.#life
    while (!signal.aborted) {
      this.#nap = new AbortController()
      const waitMs = this.#startDue()
      await this.#deps.clock.sleep(waitMs, this.#nap.signal).catch(() => undefined)
    }
  }

  #wake(): void {
    this.#nap.abort()
  }

  /** Begins what is due, as far as there are places; returns how long nothing else is. */
  #startDue(): number {
    const { clock, store } = this.#deps
    const now = clock.now()
    if (now - this.#forgotMs >= SLEEP_MS_MAX) {
      this.#forgotMs = now
      store.forget(now)
      this.#unreached.keepFor(this.#items.values())
    }
    const schedule = this.#schedule
    for (let item = schedule.next(now); item !== undefined; item = schedule.next(now)) {
      this.#begin(item)
    }
    return Math.min(SLEEP_MS_MAX, (schedule.dueMs(now) ?? Number.POSITIVE_INFINITY) - now)
  }

  #plan(item: Item, turn: { readonly dueMs: number; readonly isAgain: boolean }): void {
    const { delivery, expiresAt } = item.state
    const dueMs = Math.min(turn.dueMs, expiresAt)
    this.#schedule.plan(item, { to: delivery.to, dueMs, isAgain: turn.isAgain })
  }

  #begin(item: Item): void {
    const { clock, log } = this.#deps
    item.isBusy = true
    const trying = this.#try(item)
      .catch((error: unknown) => {
        log.error('message not tried', { error })
        item.state = { ...item.state, dueMs: clock.now() + RETRY.maxMs }
      })
      .finally(() => {
        item.isBusy = false
        item.draft = undefined
        this.#schedule.end(item)
        if (this.#items.get(item.state.delivery.id) === item) {
          this.#plan(item, { dueMs: item.state.dueMs, isAgain: true })
        }
        this.#trying.delete(trying)
        for (const hear of [...item.heard]) hear()
        if (this.#items.size > this.#trying.size) this.#wake()
      })
    this.#trying.add(trying)
  }

  /** One try on every way, and when the next one is, or that there is none. */
  async #try(item: Item): Promise<void> {
    const { clock, random, store } = this.#deps
    const { delivery, expiresAt, tries } = item.state
    if (clock.now() >= expiresAt) {
      const reason = delivery.reason ?? 'nobody confirmed it in time'
      this.#move(item, { state: 'expired', reason, at: clock.now() })
      return
    }
    using deadline = clock.deadline(TRY_MS, this.#life.signal)
    const reason = await this.#attempts.run(item, deadline.signal)
    // It may be over, or the node stops: then the next run tries again at once.
    if (!isOpen(item.state.delivery.state) || this.#life.signal.aborted) return
    this.#unreached.note(item)
    const pause = item.state.delivery.state === 'stored' ? STORED_RETRY : RETRY
    const dueMs = Math.min(expiresAt, clock.now() + backoffMs(tries, pause, random))
    const { reason: _, ...said } = item.state.delivery
    const now = { ...said, ...(reason !== null && { reason }) }
    item.state = { ...item.state, tries: tries + 1, dueMs, delivery: now }
    store.later(delivery.id, { tries: tries + 1, dueMs, reason })
  }

  /** What could not be queued is nobody's message, whatever its first try comes to. */
  #giveUp(item: Item, error: unknown): void {
    const { delivery } = item.state
    const failed = { ...delivery, state: 'failed' as const, reason: reasonOf(error) }
    item.state = { ...item.state, delivery: failed }
    item.untold = undefined
    this.#untold.delete(delivery.id)
    this.#remove(item)
    for (const hear of [...item.heard]) hear()
  }

  #remove(item: Item): void {
    this.#items.delete(item.state.delivery.id)
    this.#schedule.drop(item)
  }

  /** A message that is in the file is queued, and perhaps more by now. */
  #tellNew(item: Item): void {
    const { untold = [], state, heard } = item
    item.untold = undefined
    this.#untold.delete(state.delivery.id)
    for (const delivery of untold) this.#deps.told(delivery)
    if (untold.length > 1) for (const hear of [...heard]) hear()
  }

  #move(item: Item, next: Pick<Delivery, 'state' | 'reason' | 'at'>): void {
    const before = item.state.delivery
    const delivery = advanced(before, next)
    if (delivery === before) return
    const isOver = !isOpen(delivery.state)
    this.#deps.store.move(delivery, isOver)
    item.state = { ...item.state, delivery }
    if (isOver) this.#remove(item)
    item.untold?.push(delivery)
    if (item.untold !== undefined) return
    for (const hear of [...item.heard]) hear()
    this.#deps.told(delivery)
  }
}
