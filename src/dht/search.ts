/**
 * Runs lookups against the network: asks whom the core names, hands it the answers.
 *
 * Addresses that answers tell of are noted only for peers that are then asked, so that strangers
 * cannot fill the host's memory of addresses by naming many. A lookup that runs out of time ends
 * with what it has; whoever was not heard of by then counts as failed.
 *
 * A caller that wishes so goes on where the peers found lie too close together to be there by
 * chance: all of the region around the key is then asked (`region.ts`).
 */

import type { Clock, Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, isOurBusyness } from './errors.ts'
import { type Contact, closestTo, contactOf, type DhtKey, dhtKey } from './key.ts'
import { Lookup, type LookupReport, type Step } from './lookup.ts'
import type { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import { AnswerTimes, Patience } from './patience.ts'
import type { Questions } from './questions.ts'
import { PROBES_MAX, probeKeys, RegionWalk } from './region.ts'
import type { Message, PeerInfo } from './wire.ts'

/** Who told us of a peer, at most one per path that matters. */
const HINTS_PER_PEER_MAX = 8
/** A probe only shows who is on a branch: the names of its few closest are enough. */
const PROBE = { k: 8, alpha: 4, paths: 4 }

export interface SearchDeps {
  readonly host: Pick<Host, 'self'>
  readonly members: Pick<
    Members,
    | 'size'
    | 'somebody'
    | 'closest'
    | 'has'
    | 'seen'
    | 'failed'
    | 'lookedFor'
    | 'isCrowded'
    | 'regionRadius'
  >
  readonly questions: Pick<Questions, 'ask' | 'learn'>
  readonly clock: Clock
  readonly random: Random
  readonly metrics: DhtMetrics
}

/** A peer that did not do what it was asked, with the code of the error. */
export interface Failure {
  readonly peer: PeerId
  readonly code: string
}

/** Why a search ended before all were asked. */
export type Shortfall = 'nobody-known' | 'time' | 'questions'

export interface SearchReport extends Omit<LookupReport, 'failed'> {
  readonly failed: readonly Failure[]
  /** How many were sent in all; paths may each ask the same peer. */
  readonly questions: number
  /** Why not `complete`; `null` when it is, or when the caller had enough. */
  readonly shortfall: Shortfall | null
  /** Whether those found lie so close together that some were made to lie there. */
  readonly crowded: boolean
  /**
   * Whom a write goes to: the closest; where the place is crowded and the caller wished for the
   * region, everybody in it that answered, closest first.
   */
  readonly region: readonly Contact[]
}

/** How long a caller waits: when time is over, it has what came by then. */
export interface TimedOptions extends CallOptions {
  /** `lookupTimeoutMs` at most, and unless given. */
  readonly timeoutMs?: number
}

export interface SearchOptions extends TimedOptions {
  /** Sees each answer as it comes; returns true when the search may end. */
  readonly onAnswer?: (peer: PeerId, answer: Message) => boolean
  /** To go on through the region around the key when its closest look made up. */
  readonly region?: 'when-crowded'
  /** Disjoint paths, where fewer than configured will do. */
  readonly paths?: number
}

/** A question that every peer on the way is asked, about the place of its key. */
export type SearchMessage = Message & { readonly key: Uint8Array }

interface Hint {
  readonly addresses: readonly string[]
  readonly source: PeerId
}

/** What says whom to ask next: a lookup, or the walk through a region. */
type Core = Pick<Lookup, 'start' | 'answered' | 'failed' | 'slow'>

export class Search {
  readonly #deps: SearchDeps
  readonly #config: DhtConfig
  readonly #times = new AnswerTimes()

  constructor(deps: SearchDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
  }

  /** Asks towards `message.key`; rejects only when the caller gives up. */
  async run(message: SearchMessage, options: SearchOptions = {}): Promise<SearchReport> {
    const { host, members, clock, metrics } = this.#deps
    const { k, lookupTimeoutMs } = this.#config
    const target = dhtKey(message.key)
    const startedMs = clock.now()
    const timeoutMs = Math.min(options.timeoutMs ?? lookupTimeoutMs, lookupTimeoutMs)
    using deadline = clock.deadline(timeoutMs, options.signal)
    if (members.size === 0) await members.somebody(deadline.signal)
    members.lookedFor(target)
    const paths = Math.min(options.paths ?? this.#config.paths, this.#config.paths)
    const config = { ...this.#config, paths }
    const lookup = new Lookup(target, host.self, members.closest(target, k), config)
    const run = new Run(this.#deps, this.#times, deadline.signal)
    await run.drive(lookup, message, options.onAnswer)
    const report = lookup.report()
    const crowded = members.isCrowded(target, report.closest)
    const wished = options.region === 'when-crowded' && !run.enough && !run.over
    const walk = crowded && wished ? await this.#walk(run, lookup, message, options) : undefined
    options.signal?.throwIfAborted()

    metrics.lookupSeconds.observe((clock.now() - startedMs) / 1_000)
    metrics.lookupQuestions.observe(run.questions)
    return this.#report(run, report, { target, crowded, walk })
  }

  /** Goes on through the region around the key: looks for its branches, then asks all in it. */
  async #walk(
    run: Run,
    lookup: Lookup,
    message: SearchMessage,
    { onAnswer }: SearchOptions,
  ): Promise<RegionWalk> {
    const { host, members, random } = this.#deps
    const { k, alpha, paths, regionQuestionsMax } = this.#config
    const target = dhtKey(message.key)
    const radius = members.regionRadius()
    const answered = lookup.report().answered.map(contactOf)
    const questionsMax = Math.ceil(regionQuestionsMax / 2)
    const walk = new RegionWalk(target, host.self, answered, {
      radius,
      questionsMax,
      width: Math.max(alpha, paths),
    })
    walk.hear(lookup.unasked())
    const probe = async (key: Uint8Array): Promise<void> => {
      const place = dhtKey(key)
      const near = closestTo(place, [...answered, ...members.closest(place, k)], 2 * k)
      const seeds = [...new Map(near.map((contact) => [contact.peer, contact])).values()]
      const config = { ...PROBE, questionsMax: Math.ceil(questionsMax / PROBES_MAX) }
      const branch = new Lookup(place, host.self, closestTo(place, seeds, PROBE.k), config)
      await run.drive(branch, { type: 'findNode', key })
      walk.hear(branch.report().answered.map(contactOf))
      walk.hear(branch.unasked())
    }
    await Promise.all(probeKeys(target, radius, random).map(probe))
    await run.drive(walk, message, onAnswer)
    return walk
  }

  #report(
    run: Run,
    { failed, ...report }: LookupReport,
    { target, crowded, walk }: { target: DhtKey; crowded: boolean; walk: RegionWalk | undefined },
  ): SearchReport {
    const said = walk?.report()
    const all = [...failed, ...(said?.failed ?? [])]
    const met = run.enough ? all.filter((peer) => run.codes.has(peer)) : all
    const region = said === undefined ? report.closest : said.answered
    const asked = new Set([...report.asked, ...region.map(({ peer }) => peer), ...all])
    const answered = new Set([...report.answered, ...region.map(({ peer }) => peer)])
    const complete = report.complete && (said?.complete ?? true)
    return {
      ...report,
      asked: [...asked],
      answered: [...answered],
      complete,
      questions: run.questions,
      shortfall: complete || run.enough ? null : shortfallOf(run, asked.size),
      failed: [...new Set(met)].map((peer) => ({
        peer,
        code: run.codes.get(peer) ?? 'BASE_DEADLINE',
      })),
      crowded,
      region: said === undefined ? region : closestTo(target, region, region.length),
    }
  }
}

function shortfallOf({ over }: Run, asked: number): Shortfall {
  if (asked === 0) return 'nobody-known'
  return over ? 'time' : 'questions'
}

/** One search while it runs. */
class Run {
  /** Why peers failed. */
  readonly codes = new Map<PeerId, string>()
  /** Whether the caller said that it has enough. */
  enough = false
  questions = 0
  readonly #deps: SearchDeps
  readonly #times: AnswerTimes
  readonly #signal: AbortSignal
  readonly #hints = new Map<PeerId, Hint[]>()

  constructor(deps: SearchDeps, times: AnswerTimes, signal: AbortSignal) {
    this.#deps = deps
    this.#times = times
    this.#signal = signal
  }

  /** Whether time is up, or the caller gave up. */
  get over(): boolean {
    return this.#signal.aborted
  }

  /** Resolves when `core` is done, the caller has enough, or time is up. */
  async drive(
    core: Core,
    message: Message,
    onAnswer?: (peer: PeerId, answer: Message) => boolean,
  ): Promise<void> {
    if (this.over) return
    const end = Promise.withResolvers<void>()
    const finish = () => end.resolve()
    const go = ({ ask, done }: Step): void => {
      if (done) finish()
      if (this.enough || this.over) return
      for (const contact of ask) void question(contact)
    }
    const patience = new Patience(this.#deps.clock, this.#times, (peer) => go(core.slow(peer)))
    const question = async (contact: Contact): Promise<void> => {
      const pending = patience.asked(contact.peer)
      const answer = await this.#ask(contact, message)
      patience.ended(pending, answer !== undefined)
      if (answer === undefined) {
        go(core.failed(contact.peer, pending.isSlow))
        return
      }
      if (this.over) return
      if (onAnswer?.(contact.peer, answer) === true) {
        this.enough = true
        finish()
      }
      go(core.answered(contact.peer, this.#named(contact.peer, answer.closer ?? [])))
    }
    this.#signal.addEventListener('abort', finish, { once: true })
    go(core.start())
    await end.promise
    patience.stop()
    this.#signal.removeEventListener('abort', finish)
  }

  /** The answer, or nothing when none came. Never rejects. */
  async #ask(contact: Contact, message: Message): Promise<Message | undefined> {
    const { members, questions } = this.#deps
    const { peer } = contact
    this.questions += 1
    try {
      // Of a peer that we know well nobody has to tell us where it is, until it fails there.
      const hints = this.#hints.get(peer)
      if (hints !== undefined && (!members.has(peer) || this.codes.has(peer))) {
        this.#hints.delete(peer)
        for (const { addresses, source } of hints) await questions.learn(peer, addresses, source)
      }
      // Its own time-out ends a question, not the lookup's: who is silent is found out even so.
      const answer = await questions.ask(peer, [message], {})
      members.seen(contact)
      return answer
    } catch (error) {
      // The first reason says most, and one failure is one however many paths run into it.
      const first = !this.codes.has(peer)
      if (first) this.codes.set(peer, codeOf(error))
      if (first && !isOurBusyness(error)) members.failed(peer)
      return undefined
    }
  }

  #named(source: PeerId, infos: readonly PeerInfo[]): Contact[] {
    return infos.map(({ peer, addresses }) => {
      if (addresses.length > 0) {
        const hints = this.#hints.get(peer)
        if (hints === undefined) this.#hints.set(peer, [{ addresses, source }])
        else if (hints.length < HINTS_PER_PEER_MAX) hints.push({ addresses, source })
      }
      return contactOf(peer)
    })
  }
}
