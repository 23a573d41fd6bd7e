/** The way of one call: which peers were tried, what each said, and how much time is left. */

import type { Clock, CodedError, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import type { McpMetrics } from './metrics.ts'
import { rank } from './ranking.ts'
import type { Scores } from './scores.ts'
import type { LocalCalls } from './services.ts'
import type { SessionCallOptions, Sessions } from './session.ts'
import type { Attempt, CallResult, ToolArgs, ToolEntry, ToolResult } from './tool.ts'
import { codeOf, judge } from './verdict.ts'

export interface RouteDeps {
  readonly sessions: Pick<Sessions, 'callTool'>
  /** The services of this node. */
  readonly local: LocalCalls
  readonly host: Pick<Host, 'self' | 'connections'>
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
  /** Is told that what was known of the tool led to a failure. */
  readonly onfailure: () => void
}

export class Route {
  readonly #deps: RouteDeps
  readonly #config: RouteConfig
  readonly #wanted: Wanted
  readonly #tried = new Set<PeerId>()
  readonly #attempts: Attempt[] = []
  readonly #failures: unknown[] = []

  constructor(deps: RouteDeps, config: RouteConfig, wanted: Wanted) {
    this.#deps = deps
    this.#config = config
    this.#wanted = wanted
  }

  get attempts(): readonly Attempt[] {
    return this.#attempts
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
    for (const [i, offer] of ranked.entries()) {
      if (this.#wanted.signal.aborted) return undefined
      const result = await this.#attempt(offer, i + 1 < ranked.length)
      if (result !== undefined) {
        return { ...result, peer: offer.peer, attempts: [...this.#attempts] }
      }
    }
    return undefined
  }

  /** What to throw when nobody answered. */
  unavailable(): CodedError {
    const facts = { tool: this.#wanted.tool, attempts: this.attempts }
    return McpError.TOOL_UNAVAILABLE(facts, new AggregateError(this.#failures))
  }

  /** Best first. A single offer is the usual case, and needs no look at who is connected. */
  #ranked(offers: readonly ToolEntry[]): readonly ToolEntry[] {
    if (offers.length < 2) return offers
    const { host, scores } = this.#deps
    const connected = new Set(host.connections().map(({ peer }) => peer))
    return rank(offers, {
      self: host.self,
      scoreOf: (peer) => scores.get(peer),
      isConnected: (peer) => connected.has(peer),
    })
  }

  async #attempt(offer: ToolEntry, hasNext: boolean): Promise<ToolResult | undefined> {
    const { scores, clock, log, metrics } = this.#deps
    const { peer, tool } = offer
    this.#tried.add(peer)
    const startedMs = clock.now()
    try {
      const result = await this.#send(offer, hasNext)
      scores.succeeded(peer, clock.now() - startedMs)
      this.#note(offer, startedMs, 'ok')
      metrics.attempts.add(1, { outcome: 'ok' })
      return result
    } catch (error) {
      this.#wanted.caller?.throwIfAborted()
      this.#note(offer, startedMs, codeOf(error))
      const verdict = judge(error)
      metrics.attempts.add(1, { outcome: verdict })
      if (verdict === 'final') throw error
      scores.failed(peer)
      this.#wanted.onfailure()
      log.warn('tool call failed', { tool, peer, error })
      this.#failures.push(error)
      if (verdict === 'unsent' || offer.idempotent) return undefined
      throw McpError.OUTCOME_UNKNOWN({ tool, peer, attempts: this.attempts }, error)
    }
  }

  /**
   * A peer is left early only for another one, and only where that is allowed: a slow tool that
   * must not run twice has the whole time of the call.
   */
  async #send(offer: ToolEntry, hasNext: boolean): Promise<ToolResult> {
    const { clock } = this.#deps
    const { dueMs, signal } = this.#wanted
    const leftMs = Math.max(1, dueMs - clock.now())
    if (!hasNext || !offer.idempotent) return this.#call(offer, { signal, timeoutMs: leftMs })
    const timeoutMs = Math.min(leftMs, this.#config.attemptTimeoutMs)
    using deadline = clock.deadline(timeoutMs, signal)
    return await this.#call(offer, { signal: deadline.signal, timeoutMs })
  }

  #call(
    { peer, service, tool }: ToolEntry,
    options: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<ToolResult> {
    const { local, sessions, host } = this.#deps
    const { args, onprogress } = this.#wanted
    return peer === host.self
      ? local.callTool(service, tool, args, options)
      : sessions.callTool(peer, { service, tool, args }, { ...options, onprogress })
  }

  #note({ peer }: ToolEntry, startedMs: number, code: string): void {
    const ms = Math.round(this.#deps.clock.now() - startedMs)
    this.#attempts.push({ peer, path: this.#pathTo(peer), ms, code })
  }

  #pathTo(peer: PeerId): string {
    const { host } = this.#deps
    if (peer === host.self) return 'local'
    return host.connections().find((connection) => connection.peer === peer)?.transport ?? 'none'
  }
}
