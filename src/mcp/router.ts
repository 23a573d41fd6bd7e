/**
 * Calls a tool by name on the best peer that offers it, and on the next best when that one fails.
 *
 * A call moves on only when that is safe: nothing was sent, or the tool says that it is
 * idempotent. Otherwise silence is reported once, as an unknown outcome: a tool never runs twice
 * by our doing. A peer that answered "bad arguments" has answered for every peer.
 *
 * A tool's name alone does not say which service is meant. Where this node offers the tool, its
 * own service is; where services of several names do, the call is refused: to guess would let
 * anybody who publishes a service of their own take calls that were meant for another.
 */

import { correlationId, hasCode, newId, type Random, withCorrelation } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { CallsInWork } from './calls-in-work.ts'
import type { McpConfig } from './config.ts'
import type { Directory } from './directory.ts'
import { McpError } from './errors.ts'
import { explainedError, foundIn } from './explain.ts'
import type { HeldInvitations } from './invited.ts'
import { readKey } from './protocol.ts'
import { Route, type RouteDeps } from './route.ts'
import type { Found, ToolQuery } from './search.ts'
import type { SessionCallOptions } from './session.ts'
import type { CallResult, ToolArgs, ToolEntry } from './tool.ts'

/** What the router asks of others: the composition root hands in real ones, a test fakes. */
export interface RouterDeps extends RouteDeps {
  readonly directory: Pick<Directory, 'lookup' | 'find' | 'forget'>
  /** Remembers the invitations that calls are made with. */
  readonly invitations?: Pick<HeldInvitations, 'learn'>
  readonly random: Random
}

export type RouterConfig = Pick<McpConfig, 'attemptsMax' | 'attemptTimeoutMs' | 'requestTimeoutMs'>

export interface RouteOptions extends SessionCallOptions {
  /** Only this service. */
  readonly service?: string
  /** Only this peer; with `service` too, it is asked whatever the directory knows of it. */
  readonly peer?: PeerId
  /** To a blinded service: only that one is looked for, and shown that we were invited. */
  readonly invitation?: string
  /** Of the caller's own, the same for each time that it repeats the call; drawn unless given. */
  readonly key?: string
  /**
   * Asks a second peer when the first has not answered after so many milliseconds, or, if true,
   * after three times as long as usual. Only where the tool is idempotent.
   */
  readonly hedge?: number | true
  /** The result says who was considered, and why in this order. */
  readonly explain?: boolean
  /** For the whole call, with finding and every try; `requestTimeoutMs` unless given. */
  readonly timeoutMs?: number
}

/** Of an idempotency key: as hard to guess as a correlation id. */
const KEY_BYTES = 16

/** Of ids, drawn at once. */
const POOL_BYTES = 4_096

/** How many silent peers an error names; the rest would only fill the screen. */
const SILENT_MAX = 8

/** What comes out when the time of a call is over before anybody has answered. */
const CUT_SHORT = ['BASE_DEADLINE', 'MCP_TOOL_NOT_FOUND', 'MCP_TOOL_UNAVAILABLE']

export class Router {
  readonly #deps: RouterDeps
  readonly #config: RouterConfig
  readonly #ids: Random
  #calls = 0

  constructor(deps: RouterDeps, config: RouterConfig) {
    const inWork = new CallsInWork(deps.sessions)
    this.#deps = { ...deps, sessions: inWork, inWork }
    this.#config = config
    this.#ids = pooled(deps.random)
  }

  /** How many calls were asked of it so far. */
  get calls(): number {
    return this.#calls
  }

  /** Resolves with the first result; rejects when nobody offers the tool or every try failed. */
  async call(tool: string, args: ToolArgs, options: RouteOptions = {}): Promise<CallResult> {
    this.#calls += 1
    // A call that came with no id of its own is given one, for our log and that of the peer.
    const id = correlationId() ?? newId(this.#ids)
    return withCorrelation(id, () => this.#call(tool, args, options))
  }

  async #call(tool: string, args: ToolArgs, options: RouteOptions): Promise<CallResult> {
    const { clock, directory, log } = this.#deps
    const timeoutMs = options.timeoutMs ?? this.#config.requestTimeoutMs
    const query = queryOf(tool, options)
    if (options.invitation !== undefined) this.#deps.invitations?.learn(options.invitation)
    const { hedge, explain = false } = options
    const key = options.key === undefined ? undefined : readKey(options.key)
    using deadline = clock.deadline(timeoutMs, options.signal)
    const route = new Route(this.#deps, this.#config, {
      tool,
      args,
      signal: deadline.signal,
      dueMs: clock.now() + timeoutMs,
      onprogress: options.onprogress,
      onlarge: options.onlarge,
      grants: options.grants,
      key,
      newKey: () => Buffer.from(this.#ids.bytes(KEY_BYTES)).toString('base64url'),
      hedge,
      explain,
      caller: options.signal,
      onfailure: () => directory.forget(query),
    })
    try {
      const result = await this.#follow(route, query, { ...options, signal: deadline.signal })
      log.debug('tool called', { tool, attempts: route.attempts })
      return result
    } catch (error) {
      options.signal?.throwIfAborted()
      const isCut = deadline.signal.aborted && hasCode(error, ...CUT_SHORT)
      const { attempts, explanation } = route
      const failure = isCut ? McpError.DEADLINE({ tool, timeoutMs, attempts }, error) : error
      throw explain ? explainedError(failure, explanation) : failure
    }
  }

  async #follow(
    route: Route,
    query: ToolQuery & { readonly tool: string },
    options: RouteOptions & { readonly signal: AbortSignal },
  ): Promise<CallResult> {
    const { clock, directory } = this.#deps
    const { signal, explain = false } = options
    const sinceMs = clock.now()
    let found = pinned(query, options) ?? (await directory.lookup(query, { signal }))
    route.noteFound(foundIn(found, clock.now() - sinceMs))
    let result = await route.tryEach(this.#choose(found, query, options))
    if (result === undefined && found.cached) {
      // What was known from before led nowhere; somebody new may offer the tool by now.
      signal.throwIfAborted()
      found = await directory.find(query, { signal })
      result = await route.tryEach(this.#choose(found, query, options))
    }
    if (result !== undefined) {
      return explain ? { ...result, explain: route.explanation } : result
    }
    throw route.attempts.length > 0 ? route.unavailable() : notFound(query, found)
  }

  /** The offers of one service. Throws when the name could mean several. */
  #choose(
    { entries }: Found,
    { tool }: { readonly tool: string },
    { peer }: RouteOptions,
  ): ToolEntry[] {
    const offers = entries.filter((entry) => (peer ?? entry.peer) === entry.peer)
    const own = offers.filter((entry) => entry.peer === this.#deps.host.self)
    const services = [...new Set((own.length > 0 ? own : offers).map(({ service }) => service))]
    if (services.length > 1) {
      throw McpError.TOOL_AMBIGUOUS({ tool, services: services.sort() })
    }
    return offers.filter(({ service }) => service === services[0])
  }
}

/** Asking the operating system for each id anew costs more than all else that a router does. */
function pooled(random: Random): Random {
  let pool: Uint8Array = new Uint8Array()
  return {
    int: (below) => random.int(below),
    bytes: (count) => {
      if (pool.length < count) pool = random.bytes(Math.max(count, POOL_BYTES))
      const taken = pool.subarray(0, count)
      pool = pool.subarray(count)
      return taken
    },
  }
}

function queryOf(
  tool: string,
  { service, invitation }: RouteOptions,
): ToolQuery & { readonly tool: string } {
  return {
    tool,
    ...(service !== undefined && { service }),
    ...(invitation !== undefined && { invitation }),
  }
}

/** Nobody has to be looked for; that the tool is idempotent is then not known, and not assumed. */
function pinned({ tool }: { readonly tool: string }, options: RouteOptions): Found | undefined {
  const { peer, service } = options
  if (peer === undefined || service === undefined) return undefined
  const entries = [{ service, tool, peer, description: '', idempotent: false }]
  return { entries, services: [], asked: 0, failed: [], cached: false }
}

function notFound({ tool, service }: ToolQuery & { readonly tool: string }, found: Found) {
  const silent = found.failed.slice(0, SILENT_MAX)
  return McpError.TOOL_NOT_FOUND({ tool, service: service ?? null, asked: found.asked, silent })
}
