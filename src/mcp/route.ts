/** The way of one call: which peers were tried, what each said, and how much time is left. */

import { type Clock, type CodedError, hasCode, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import {
  type Considered,
  considered,
  type Explanation,
  type TimedAttempt,
  type ViewDeps,
  viewOf,
  withMissing,
} from './explain.ts'
import { HandedOn } from './handed-on.ts'
import { hedgeDelayMs, hedged, inTurn } from './hedge.ts'
import type { HeldTools } from './held-tools.ts'
import type { McpMetrics } from './metrics.ts'
import { noAnswer } from './no-answer.ts'
import type { Settles } from './outcomes.ts'
import { rank } from './ranking.ts'
import type { RelayedCalls } from './relayed-calls.ts'
import type { Scores } from './scores.ts'
import type { LocalCalls } from './services.ts'
import type { SessionCallOptions, Sessions } from './session.ts'
import type { Attempt, CallResult, ToolArgs, ToolEntry, ToolResult } from './tool.ts'
import { isUnreachable } from './unreachable.ts'
import { codeOf, judge, type Verdict } from './verdict.ts'

export interface RouteDeps extends ViewDeps {
  readonly sessions: Pick<Sessions, 'callTool'>
  /** Refuses tools of peers that are not what was approved; without it, none is held to that. */
  readonly held?: Pick<HeldTools, 'check'>
  /** Asks a peer that fell silent; without it, its silence is the outcome. */
  readonly outcomes?: Settles
  /** Calls peers that there is no path to; without it, they cannot be called. */
  readonly relayed?: Pick<RelayedCalls, 'call'>
  /** The services of this node. */
  readonly local: LocalCalls
  readonly scores: Pick<Scores, 'get' | 'succeeded' | 'failed'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<McpMetrics, 'attempts'>
}

export type RouteConfig = Pick<McpConfig, 'attemptsMax' | 'attemptTimeoutMs'>

/** What the caller wants, once: the tool's name, the arguments, and until when. */
export interface Wanted extends SessionCallOptions {
  readonly tool: string
  readonly args: ToolArgs
  /** Aborts when the caller gives up or the call's whole time is over. */
  readonly signal: AbortSignal
  /** When `signal` aborts at the latest. */
  readonly dueMs: number
  /** The caller's own signal: giving up is nobody's failure. */
  readonly caller: AbortSignal | undefined
  /** Drawn by the caller; the same for each try. */
  readonly key: string | undefined
  readonly newKey: () => string
  /** Whether what the ranking saw is kept. */
  readonly explain: boolean
  /** How long a peer is asked alone, where a second one may be asked as well. */
  readonly hedge: number | true | undefined
  /** Is told that what was known of the tool led to a failure. */
  readonly onfailure: () => void
}

export class Route {
  readonly #deps: RouteDeps
  readonly #config: RouteConfig
  readonly #wanted: Wanted
  readonly #tried = new Set<PeerId>()
  readonly #attempts: TimedAttempt[] = []
  readonly #considered: Considered[] = []
  readonly #beganMs: number
  readonly #handedOn: HandedOn
  #key: string | undefined
  #found = { asked: 0, silent: 0, cached: false, ms: 0 }
  readonly #failures: unknown[] = []
  /** Who carried the call to a peer, where it had to be carried. */
  readonly #via = new Map<PeerId, PeerId>()

  constructor(deps: RouteDeps, config: RouteConfig, wanted: Wanted) {
    this.#deps = deps
    this.#config = config
    this.#wanted = wanted
    this.#beganMs = deps.clock.now()
    this.#key = wanted.key
    this.#handedOn = new HandedOn(wanted.onlarge)
  }

  get attempts(): readonly Attempt[] {
    return this.#attempts.map(({ atMs: _, ...attempt }) => attempt)
  }

  /** Who was looked at and who was asked, so far. */
  get explanation(): Explanation {
    const tried = [...this.#attempts]
    return { found: this.#found, considered: withMissing(this.#considered, tried), tried }
  }

  /** What finding the offers took. */
  noteFound(found: Explanation['found']): void {
    this.#found = found
  }

  /**
   * Tries the best of `offers` that were not tried yet, until one answers. `undefined` when none
   * did, and nothing that they may have done stands against asking somebody else.
   */
  async tryEach(offers: readonly ToolEntry[]): Promise<CallResult | undefined> {
    // One try for each peer: who lists a tool twice does not take the place of somebody else.
    const untried = new Map(offers.toReversed().map((offer) => [offer.peer, offer]))
    for (const peer of this.#tried) untried.delete(peer)
    const ranked = this.#ranked([...untried.values()]).slice(0, this.#config.attemptsMax)
    const { signal, hedge } = this.#wanted
    const tries = ranked.map((offer, i) => async (until: AbortSignal) => {
      const { peer } = offer
      if (this.#handedOn.isBegun) return undefined
      const result = await this.#attempt(offer, until, i + 1 < ranked.length)
      return result === undefined || !this.#handedOn.claim(peer) ? undefined : { ...result, peer }
    })
    // Two peers at once may both run the tool, which only the tool can allow.
    const result =
      hedge !== undefined && ranked.every(({ idempotent }) => idempotent)
        ? await hedged(tries, { ...this.#deps, delayMs: this.#hedgeMs(ranked[0]), signal })
        : await inTurn(tries, signal)
    return result && { ...result, attempts: this.attempts }
  }

  /** What to throw when nobody answered. */
  unavailable(): CodedError {
    return noAnswer(this.#failures, { tool: this.#wanted.tool, attempts: this.attempts })
  }

  /** Best first. A single offer is the usual case, and needs no look at who is connected. */
  #ranked(offers: readonly ToolEntry[]): readonly ToolEntry[] {
    if (offers.length < 2 && !this.#wanted.explain) return offers
    const view = viewOf(this.#deps, this.#wanted.grants)
    const ranked = rank(offers, view)
    if (this.#wanted.explain) this.#considered.push(...considered(ranked, view))
    return ranked
  }

  #hedgeMs(offer: ToolEntry | undefined): number {
    const { hedge } = this.#wanted
    if (typeof hedge === 'number') return hedge
    return hedgeDelayMs(offer && this.#deps.scores.get(offer.peer)?.latencyMs)
  }

  async #attempt(
    offer: ToolEntry,
    until: AbortSignal,
    hasNext: boolean,
  ): Promise<ToolResult | undefined> {
    const { scores, clock, log, metrics } = this.#deps
    const { peer, tool } = offer
    this.#tried.add(peer)
    const startedMs = clock.now()
    try {
      const result = await this.#send(offer, until, hasNext).catch((cause: unknown) => {
        return this.#relay(offer, { until, hasNext, cause })
      })
      scores.succeeded(peer, clock.now() - startedMs)
      this.#note(offer, startedMs, 'ok')
      metrics.attempts.add(1, { outcome: 'ok' })
      return result
    } catch (error) {
      this.#wanted.caller?.throwIfAborted()
      const isLeft = until.aborted && !this.#wanted.signal.aborted
      if (isLeft || this.#handedOn.isByAnother(peer)) {
        this.#note(offer, startedMs, 'cancelled')
        return undefined
      }
      this.#note(offer, startedMs, codeOf(error))
      const verdict = this.#verdictOn(error, offer)
      metrics.attempts.add(1, { outcome: verdict })
      if (verdict === 'final') {
        this.#handedOn.claim(peer)
        throw error
      }
      scores.failed(peer)
      this.#wanted.onfailure()
      log.warn('tool call failed', { tool, peer, error })
      this.#failures.push(error)
      if (verdict === 'unsent' || offer.idempotent) return undefined
      return await this.#settle(offer, error)
    }
  }

  /** What was handed on cannot be had again; what must not run twice ran if its result is there. */
  #verdictOn(error: unknown, { peer, idempotent }: ToolEntry): Verdict {
    const isLate = !idempotent && hasCode(error, 'MCP_RESULT_TIMEOUT')
    return isLate || this.#handedOn.isBy(peer) ? 'final' : judge(error)
  }

  /** The peer may have run the tool, and may still say so: nobody else is asked before it does. */
  async #settle(offer: ToolEntry, cause: unknown): Promise<ToolResult | undefined> {
    const { clock, host, outcomes } = this.#deps
    const { dueMs, signal, caller } = this.#wanted
    const { peer, tool } = offer
    const { onlarge } = this.#handedOn.takerOf(peer, signal)
    if (outcomes !== undefined && peer !== host.self) {
      const startedMs = clock.now()
      const withinMs = dueMs - this.#beganMs
      const question = { tool, key: this.#keyed(), withinMs, onlarge }
      const settled = await outcomes.settle(peer, question, signal)
      caller?.throwIfAborted()
      if (settled.kind === 'ran') {
        this.#note(offer, startedMs, 'ok')
        return settled.result
      }
      if (settled.kind === 'never') {
        this.#note(offer, startedMs, 'MCP_CALL_NEVER_RAN')
        return undefined
      }
    }
    throw McpError.OUTCOME_UNKNOWN({ tool, peer, attempts: this.attempts }, cause)
  }

  /** Drawn when it is first needed: what may run twice needs none. */
  #keyed(): string {
    this.#key ??= this.#wanted.newKey()
    return this.#key
  }

  /**
   * A peer is left early only for another one, and only where that is allowed: a slow tool that
   * must not run twice has the whole time of the call.
   */
  async #send(offer: ToolEntry, signal: AbortSignal, hasNext: boolean): Promise<ToolResult> {
    const { clock } = this.#deps
    const { dueMs } = this.#wanted
    const leftMs = Math.max(1, dueMs - clock.now())
    if (!hasNext || !offer.idempotent) return this.#call(offer, { signal, timeoutMs: leftMs })
    const timeoutMs = Math.min(leftMs, this.#config.attemptTimeoutMs)
    using deadline = clock.deadline(timeoutMs, signal)
    return await this.#call(offer, { signal: deadline.signal, timeoutMs })
  }

  async #call(
    { peer, service, tool, idempotent }: ToolEntry,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<ToolResult> {
    const { local, sessions, host } = this.#deps
    const { args, onprogress, key, grants, signal } = this.#wanted
    if (peer === host.self) {
      const progress =
        onprogress &&
        ((done: number, message?: string) => {
          onprogress({ progress: done, ...(message !== undefined && { message }) })
        })
      return local.callTool(service, tool, args, { ...options, ...(progress && { progress }) })
    }
    await this.#deps.held?.check({ peer, service, tool }, options.signal)
    const keyed = idempotent && key === undefined ? undefined : { key: this.#keyed() }
    const call = { service, tool, args, ...keyed }
    const taking = this.#handedOn.takerOf(peer, signal)
    return sessions.callTool(peer, call, { ...options, ...taking, onprogress, grants })
  }

  /** What there is no path for is carried, in time of its own; what failed otherwise has failed. */
  async #relay(
    { peer, service, tool, idempotent }: ToolEntry,
    { until, hasNext, cause }: { until: AbortSignal; hasNext: boolean; cause: unknown },
  ): Promise<ToolResult> {
    const { relayed, clock, host } = this.#deps
    const { args, grants, dueMs } = this.#wanted
    const isSelf = peer === host.self
    if (relayed === undefined || isSelf || until.aborted || !isUnreachable(cause)) throw cause
    // It was answered, as far as that came.
    if (this.#handedOn.isBegun || hasCode(cause, 'MCP_RESULT_TIMEOUT')) throw cause
    const leftMs = Math.max(1, dueMs - clock.now())
    const shortMs = Math.min(leftMs, this.#config.attemptTimeoutMs)
    const timeoutMs = hasNext && idempotent ? shortMs : leftMs
    using deadline = clock.deadline(timeoutMs, until)
    await this.#deps.held?.check({ peer, service, tool }, deadline.signal)
    const call = { service, tool, args, key: this.#keyed() }
    const onvia = (via: PeerId) => this.#via.set(peer, via)
    const options = { signal: deadline.signal, timeoutMs, grants, idempotent, onvia }
    return await relayed.call(peer, call, options, cause)
  }

  #note({ peer }: ToolEntry, startedMs: number, code: string): void {
    const ms = Math.round(this.#deps.clock.now() - startedMs)
    const atMs = Math.round(startedMs - this.#beganMs)
    const via = this.#via.get(peer)
    const path = via === undefined ? { path: this.#pathTo(peer) } : { path: 'relayed', via }
    this.#attempts.push({ peer, ...path, ms, code, atMs })
  }

  #pathTo(peer: PeerId): string {
    const { host } = this.#deps
    if (peer === host.self) return 'local'
    return host.connections().find((connection) => connection.peer === peer)?.transport ?? 'none'
  }
}
