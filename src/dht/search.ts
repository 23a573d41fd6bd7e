/**
 * Runs lookups against the network: asks whom the core names, hands it the answers.
 *
 * Addresses that answers tell of are noted only for peers that are then asked, so that strangers
 * cannot fill the host's memory of addresses by naming many. A lookup that runs out of time ends
 * with what it has; whoever was not heard of by then counts as failed.
 */

import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, isOurBusyness } from './errors.ts'
import { type Contact, contactOf, dhtKey } from './key.ts'
import { Lookup, type LookupReport, type Step } from './lookup.ts'
import type { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import type { Questions } from './questions.ts'
import type { Message, PeerInfo } from './wire.ts'

/** Who told us of a peer, at most one per path that matters. */
const HINTS_PER_PEER_MAX = 8

export interface SearchDeps {
  readonly host: Pick<Host, 'self' | 'learn'>
  readonly members: Pick<Members, 'closest' | 'seen' | 'failed'>
  readonly questions: Pick<Questions, 'ask'>
  readonly clock: Clock
  readonly metrics: DhtMetrics
}

/** A peer that did not do what it was asked, with the code of the error. */
export interface Failure {
  readonly peer: PeerId
  readonly code: string
}

export interface SearchReport extends Omit<LookupReport, 'failed' | 'asked'> {
  readonly failed: readonly Failure[]
}

/** How long a caller waits: when time is over, it has what came by then. */
export interface TimedOptions extends CallOptions {
  /** `lookupTimeoutMs` at most, and unless given. */
  readonly timeoutMs?: number
}

export interface SearchOptions extends TimedOptions {
  /** Sees each answer as it comes; returns true when the search may end. */
  readonly onAnswer?: (peer: PeerId, answer: Message) => boolean
}

/** A question that every peer on the way is asked, about the place of its key. */
export type SearchMessage = Message & { readonly key: Uint8Array }

interface Hint {
  readonly addresses: readonly string[]
  readonly source: PeerId
}

export class Search {
  readonly #deps: SearchDeps
  readonly #config: DhtConfig

  constructor(deps: SearchDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** Asks towards `message.key`; rejects only when the caller gives up. */
  async run(message: SearchMessage, options: SearchOptions = {}): Promise<SearchReport> {
    const { host, members, clock, metrics } = this.#deps
    const { k, lookupTimeoutMs } = this.#config
    const target = dhtKey(message.key)
    const lookup = new Lookup(target, host.self, members.closest(target, k), this.#config)
    const startedMs = clock.now()

    const timeoutMs = Math.min(options.timeoutMs ?? lookupTimeoutMs, lookupTimeoutMs)
    using deadline = clock.deadline(timeoutMs, options.signal)
    const run = new Run(this.#deps, lookup, message, { ...options, signal: deadline.signal })
    await run.ended()
    options.signal?.throwIfAborted()

    const { asked, failed, ...report } = lookup.report()
    metrics.lookupSeconds.observe((clock.now() - startedMs) / 1_000)
    metrics.lookupQuestions.observe(asked.length)
    const met = run.enough ? failed.filter((peer) => run.codes.has(peer)) : failed
    const failures = met.map((peer) => ({ peer, code: run.codes.get(peer) ?? 'BASE_DEADLINE' }))
    return { ...report, failed: failures }
  }
}

/** One lookup while it runs. */
class Run {
  /** Why peers failed. */
  readonly codes = new Map<PeerId, string>()
  enough = false
  readonly #deps: SearchDeps
  readonly #lookup: Lookup
  readonly #message: SearchMessage
  readonly #options: SearchOptions & { readonly signal: AbortSignal }
  readonly #hints = new Map<PeerId, Hint[]>()
  readonly #end = Promise.withResolvers<void>()

  constructor(
    deps: SearchDeps,
    lookup: Lookup,
    message: SearchMessage,
    options: SearchOptions & { readonly signal: AbortSignal },
  ) {
    this.#deps = deps
    this.#lookup = lookup
    this.#message = message
    this.#options = options
  }

  /** Resolves when the lookup is done, the caller has enough, or time is up. */
  async ended(): Promise<void> {
    const { signal } = this.#options
    const finish = () => this.#end.resolve()
    signal.addEventListener('abort', finish, { once: true })
    if (signal.aborted) finish()
    else this.#go(this.#lookup.start())
    await this.#end.promise
    signal.removeEventListener('abort', finish)
  }

  #go({ ask, done }: Step): void {
    if (done) this.#end.resolve()
    if (this.enough || this.#options.signal.aborted) return
    for (const contact of ask) void this.#ask(contact)
  }

  async #ask(contact: Contact): Promise<void> {
    const { members, questions } = this.#deps
    const { signal } = this.#options
    try {
      await this.#learn(contact.peer)
      // Its own time-out ends a question, not the lookup's: who is silent is found out even so.
      const answer = await questions.ask(contact.peer, [this.#message], {})
      members.seen(contact)
      if (!signal.aborted) this.#go(this.#heard(contact.peer, answer))
    } catch (error) {
      // The first reason says most; another path may only learn that it was tried a moment ago.
      if (!this.codes.has(contact.peer)) this.codes.set(contact.peer, codeOf(error))
      if (!isOurBusyness(error)) members.failed(contact.peer)
      this.#go(this.#lookup.failed(contact.peer))
    }
  }

  #heard(peer: PeerId, answer: Message): Step {
    if (this.#options.onAnswer?.(peer, answer) === true) {
      this.enough = true
      this.#end.resolve()
    }
    for (const info of answer.closer ?? []) this.#hint(info, peer)
    return this.#lookup.answered(
      peer,
      (answer.closer ?? []).map((info) => contactOf(info.peer)),
    )
  }

  #hint({ peer, addresses }: PeerInfo, source: PeerId): void {
    if (addresses.length === 0) return
    const hints = this.#hints.get(peer) ?? []
    this.#hints.set(peer, hints)
    if (hints.length < HINTS_PER_PEER_MAX) hints.push({ addresses, source })
  }

  async #learn(peer: PeerId): Promise<void> {
    for (const { addresses, source } of this.#hints.get(peer) ?? []) {
      await this.#deps.host.learn(peer, addresses, source)
    }
  }
}
