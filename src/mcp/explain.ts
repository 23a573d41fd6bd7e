/** Why a call went where it went: who was considered, in which order and why, and who was tried. */

import { CodedError } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { CallsInWork } from './calls-in-work.ts'
import type { GrantsFor } from './exposure-held.ts'
import { servedNow } from './on-behalf.ts'
import { type Criterion, decidedBy, type RankingView } from './ranking.ts'
import type { Scores } from './scores.ts'
import type { Found } from './search.ts'
import type { Attempt, ToolEntry } from './tool.ts'

/** One offer, in the order of the ranking, with what the order went by. */
export interface Considered {
  readonly peer: PeerId
  readonly service: string
  readonly idempotent: boolean
  /** This node itself goes first. */
  readonly local: boolean
  readonly connected: boolean
  /** Of answers so far; null before the first. */
  readonly latencyMs: number | null
  /** Failures since the last success; the older, the less they count. */
  readonly failures: number
  /** Share of calls that were answered, from 0 to 1; null before the first. */
  readonly success: number | null
  /** How busy the peer last said it was, in percent; null where it said nothing. */
  readonly load: number | null
  /** Calls of this node that it has in work. */
  readonly inWork: number
  /** Tokens that are shown to it. */
  readonly grants: number
  /**
   * The code with which it, or this node, wanted a grant or an approval; null: none, or not asked.
   */
  readonly missing: string | null
  /** What put it behind the one before it; null for the first. */
  readonly behind: Criterion | null
}

/** One try, with when it began after the call did. */
export interface TimedAttempt extends Attempt {
  readonly atMs: number
}

/** How a call found its way: who was considered, ranked and tried, with times in ms. */
export interface Explanation {
  /** What finding the offers took. */
  readonly found: {
    readonly asked: number
    readonly silent: number
    readonly cached: boolean
    readonly ms: number
  }
  readonly considered: readonly Considered[]
  readonly tried: readonly TimedAttempt[]
}

/** What a view is made from; without the last two, it shows neither calls in work nor tokens. */
export interface ViewDeps {
  readonly host: Pick<Host, 'self' | 'connections'>
  readonly scores: Pick<Scores, 'get'>
  readonly inWork?: Pick<CallsInWork, 'at'>
  readonly grantsFor?: GrantsFor
}

/** What the ranking goes by, and what is shown beside it. */
export interface View extends RankingView {
  readonly inWork: (peer: PeerId) => number
  /** How many tokens are shown to whoever offers it. */
  readonly grants: (offer: ToolEntry) => number
}

/** `given` are tokens of the call itself. */
export function viewOf(deps: ViewDeps, given: readonly string[] = []): View {
  const { host, scores, inWork, grantsFor } = deps
  const connected = new Set(host.connections().map(({ peer }) => peer))
  return {
    self: host.self,
    scoreOf: (peer) => scores.get(peer),
    isConnected: (peer) => connected.has(peer),
    inWork: (peer) => inWork?.at(peer) ?? 0,
    grants: (offer) => new Set([...given, ...(grantsFor?.(offer, servedNow()) ?? [])]).size,
  }
}

/** What the ranking saw of each offer; they are in its order. */
export function considered(ranked: readonly ToolEntry[], view: View): Considered[] {
  return ranked.map((offer, at) => {
    const { peer, service, idempotent, load = null } = offer
    const { latencyMs = null, failures = 0, success = null } = view.scoreOf(peer) ?? {}
    const before = ranked[at - 1]
    return {
      peer,
      service,
      idempotent,
      local: peer === view.self,
      connected: view.isConnected(peer),
      latencyMs,
      failures,
      success,
      load,
      inWork: view.inWork(peer),
      grants: view.grants(offer),
      missing: null,
      behind: before === undefined ? null : decidedBy(before, offer, view),
    }
  })
}

/** The same, with what the tries showed to be missing. */
export function withMissing(
  offers: readonly Considered[],
  tried: readonly TimedAttempt[],
): Considered[] {
  return offers.map((offer) => {
    const codes = tried.filter(({ peer }) => peer === offer.peer).map(({ code }) => code)
    return { ...offer, missing: codes.findLast((code) => MISSING.test(code)) ?? null }
  })
}

const MISSING = /^(?:ACCESS_GRANT|ACCESS_CAPABILITY|MCP_TOOL_(?:CHANGED|UNAPPROVED)$)/

/** The error of a call that was to be explained, with the explanation among its facts. */
export function explainedError(error: unknown, explain: Explanation): unknown {
  if (!(error instanceof CodedError)) return error
  const { code, facts, message, retryable, cause } = error as CodedError
  const told = { ...(facts as object), explain }
  return new CodedError(code, told, { says: () => message, retryable }, cause)
}

export function foundIn({ asked, failed, cached }: Found, ms: number): Explanation['found'] {
  return { asked, silent: failed.length, cached, ms }
}
