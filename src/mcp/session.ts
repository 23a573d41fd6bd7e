/**
 * MCP sessions with other nodes: one for each peer and service, opened when first needed, kept
 * while in use, closed when idle.
 *
 * What went wrong is told apart by what it means for the call. Silence after the request was sent
 * (`sent: true`) leaves open whether the tool ran; a refusal is the peer's own word about that; an
 * error of the tool would be the same at every peer.
 */

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import type { ProgressCallback } from '@modelcontextprotocol/client'
import { CodedError, type Deadline, every, hasCode, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { callMeta } from './call-meta.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { type HeldRights, rightsFor } from './exposure-held.ts'
import { Liveness, type LivenessDeps } from './liveness.ts'
import type { McpMetrics } from './metrics.ts'
import {
  openSession,
  type PeerService,
  type PeerSession,
  type PeerSessionDeps,
} from './peer-session.ts'
import { FRAME_BYTES_MAX } from './protocol.ts'
import type { ReadOptions } from './result-reader.ts'
import type { ToolArgs, ToolInfo, ToolResult } from './tool.ts'
import { failureOf, messageOf, SDK_SLACK_MS } from './tool-call.ts'
import { OTHER } from './tool-labels.ts'
import { listTools } from './tool-list.ts'
import { afterTheAnswer, outcomeOf } from './verdict.ts'

const SESSIONS_MAX = 256
const IDLE_MS = 300_000
const SWEEP_MS = 30_000
/** A stream that is silent for so long is not what the next call is sent into. */
const SILENT_MS = 1_500
const REQUESTS_WAITING_BYTES_MAX = 4 * FRAME_BYTES_MAX

/** Tokens are shown on behalf of a peer only where that peer handed them on. */
export interface SessionsDeps extends Omit<PeerSessionDeps, 'budget' | 'host'>, HeldRights {
  readonly host: PeerSessionDeps['host'] & LivenessDeps['host']
  readonly metrics: Pick<McpMetrics, 'requests' | 'requestSeconds'>
}

export type SessionsConfig = Pick<McpConfig, 'requestTimeoutMs' | 'attemptTimeoutMs'>

/** One tool of one service, and what to call it with. */
export interface SessionCall {
  readonly service: string
  readonly tool: string
  readonly args: ToolArgs
  /** The idempotency key, the same for every try. */
  readonly key?: string
}

export interface SessionCallOptions extends Pick<ReadOptions, 'onlarge' | 'takenUntil'> {
  readonly signal?: AbortSignal
  /** For the whole call; `requestTimeoutMs` unless given. The peer is told where it is longer. */
  readonly timeoutMs?: number
  readonly onprogress?: ProgressCallback | undefined
  /** Tokens to show besides those that the node holds. */
  readonly grants?: readonly string[] | undefined
}

/** What is asked for, by the names that errors show. */
interface Target {
  readonly peer: PeerId
  readonly service: string
  readonly tool: string
  readonly grants?: readonly string[] | undefined
}

type Work<T> = (session: PeerSession, signal: AbortSignal) => Promise<T>

interface Kept {
  readonly opened: Promise<PeerSession>
  /** Once it is open. */
  session: PeerSession | undefined
  readonly end: () => void
  readonly retire: () => void
  usedMs: number
  users: number
  /** It ends when nobody uses it any more. */
  retired: boolean
}

/** Calls tools at peers over streams that stay open between calls. */
export class Sessions implements Service {
  readonly name = 'mcp sessions'
  readonly #deps: SessionsDeps
  readonly #config: SessionsConfig
  readonly #kept = new Map<string, Kept>()
  readonly #budget = new ByteBudget(REQUESTS_WAITING_BYTES_MAX)
  readonly #stopped = new AbortController()
  readonly #liveness: Liveness
  /** A session serves many calls: what it does is in the context of none of them. */
  readonly #apart = AsyncLocalStorage.snapshot()
  #sweeping: Promise<void> = Promise.resolve()

  constructor(deps: SessionsDeps, config: SessionsConfig) {
    this.#deps = deps
    this.#config = config
    this.#liveness = new Liveness(deps)
  }

  async start(): Promise<void> {
    this.#sweeping = every(this.#deps.clock, SWEEP_MS, () => this.#sweep(), this.#stopped.signal)
  }

  async stop(): Promise<void> {
    this.#stopped.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
    this.#liveness.stop()
    for (const kept of this.#kept.values()) kept.end()
    await this.#sweeping
  }

  /** Calls a tool of one service of one peer. */
  async callTool(
    peer: PeerId,
    call: SessionCall,
    options: SessionCallOptions = {},
  ): Promise<ToolResult> {
    const { service, tool, args, key } = call
    const { timeoutMs = this.#config.requestTimeoutMs, grants } = options
    const onprogress = options.onprogress && AsyncResource.bind(options.onprogress)
    const rights = rightsFor({ peer, service, tool }, this.#deps, grants)
    const meta = { ...callMeta(timeoutMs, key), ...rights }
    using deadline = this.#deps.clock.deadline(timeoutMs, options.signal)
    const result = await this.#use({ peer, service, tool, grants }, deadline, (session, until) =>
      session.callTool({ tool, args, meta }, { signal: until, timeoutMs, onprogress }),
    )
    const { signal } = deadline
    const reading = this.#deps.whole?.({ peer, tool }, result, { ...options, signal })
    return reading === undefined ? result : await afterTheAnswer(reading, signal)
  }

  /** Reads the tools of one service of one peer, with their schemas. */
  async listTools(
    peer: PeerId,
    service: string,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<readonly ToolInfo[]> {
    const { requestTimeoutMs } = this.#config
    const timeout = requestTimeoutMs + SDK_SLACK_MS
    using deadline = this.#deps.clock.deadline(requestTimeoutMs, options.signal)
    return await this.#use({ peer, service, tool: 'tools/list' }, deadline, ({ client }, signal) =>
      listTools(client, { signal, timeout }),
    )
  }

  /** There is a better path to `peer`: sessions with it are opened anew, and end when unused. */
  renew(peer: PeerId): void {
    for (const [key, kept] of this.#kept) if (key.startsWith(`${peer} `)) kept.retire()
  }

  async #use<T>(target: Target, { signal }: Deadline, work: Work<T>): Promise<T> {
    const { clock, metrics } = this.#deps
    const startedMs = clock.now()
    const kept = this.#get(target)
    kept.users += 1
    let outcome = 'ok'
    try {
      const session = kept.session ?? (await this.#opened(kept, target, signal))
      return await this.#ask({ session, kept }, target, { signal, work })
    } catch (error) {
      outcome = outcomeOf(error)
      throw error
    } finally {
      kept.users -= 1
      kept.usedMs = clock.now()
      if (kept.retired && kept.users === 0) kept.end()
      metrics.requests.add(1, { direction: 'outbound', outcome })
      const labels = { direction: 'outbound', tool: OTHER, outcome }
      metrics.requestSeconds.observe((kept.usedMs - startedMs) / 1_000, labels)
    }
  }

  /** The session, unless it cannot be had or the caller does not wait for it. */
  async #opened(kept: Kept, { peer, tool }: Target, signal: AbortSignal): Promise<PeerSession> {
    const gaveUp = Promise.withResolvers<never>()
    const stop = () => gaveUp.reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    try {
      return await Promise.race([kept.opened, gaveUp.promise])
    } catch (cause) {
      if (cause instanceof CodedError && cause.code === 'MCP_PEER_REFUSED') throw cause
      throw McpError.PEER_FAILED({ peer, tool, sent: false, reason: messageOf(cause) }, cause)
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #ask<T>(
    { session, kept }: { readonly session: PeerSession; readonly kept: Kept },
    { peer, tool }: Target,
    { signal, work }: { readonly signal: AbortSignal; readonly work: Work<T> },
  ): Promise<T> {
    if (session.client.transport === undefined) {
      throw McpError.PEER_FAILED({ peer, tool, sent: false, reason: 'its stream just ended' })
    }
    const { clock } = this.#deps
    const [heard, askedMs] = [session.framesRead(), clock.now()]
    const unwatch = this.#liveness.watch(peer, {
      heard: session.heard,
      lost: (reason) => {
        session.drop(reason)
        kept.end()
      },
    })
    try {
      return await work(session, signal)
    } catch (cause) {
      // The wire refused it, for its length or for want of memory: it was never sent.
      if (hasCode(cause, 'MCP_BUSY', 'MCP_RESULT_TOO_LARGE')) throw cause
      const failure = await failureOf(cause, signal)
      if (failure.kind === 'error') {
        const { rpcCode, message } = failure
        throw McpError.TOOL_ERROR({ tool, rpcCode, message }, cause)
      }
      if (failure.kind === 'refusal') {
        const { code, message } = failure.refusal
        // The peer is about to close this stream: the next call must not be sent into it.
        if (code === 'MCP_SERVICE_ENDED') kept.end()
        throw McpError.PEER_REFUSED({ peer, tool, code, message }, cause)
      }
      // Whoever else waits on it may still be answered.
      if (session.framesRead() === heard && clock.now() - askedMs >= SILENT_MS) kept.retire()
      const reason = session.lost?.message ?? failure.reason
      throw McpError.PEER_FAILED({ peer, tool, sent: true, reason }, cause)
    } finally {
      unwatch()
    }
  }

  #get({ peer, service, grants }: Target): Kept {
    this.#stopped.signal.throwIfAborted()
    const key = `${peer} ${service}`
    const known = this.#kept.get(key)
    if (known !== undefined) return known
    this.#makeRoom()
    const ended = new AbortController()
    const rights = rightsFor({ peer, service }, this.#deps, grants)
    const drop = () => {
      if (this.#kept.get(key) === kept) this.#kept.delete(key)
    }
    const end = () => {
      drop()
      ended.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
    }
    const retire = () => {
      drop()
      kept.retired = true
      if (kept.users === 0) end()
    }
    const kept: Kept = {
      opened: this.#apart(() => this.#open({ peer, service, rights }, ended.signal)),
      session: undefined,
      ...{ end, retire, users: 0, retired: false },
      usedMs: this.#deps.clock.now(),
    }
    this.#kept.set(key, kept)
    kept.opened.then((session) => {
      kept.session = session
      void session.closed.then(drop)
    }, drop)
    return kept
  }

  /** Opening belongs to all who wait for it, so it has a deadline of its own. */
  async #open(to: PeerService, ended: AbortSignal): Promise<PeerSession> {
    using deadline = this.#deps.clock.deadline(this.#config.attemptTimeoutMs, ended)
    const session = await openSession(to, { ...this.#deps, budget: this.#budget }, deadline.signal)
    if (ended.aborted) session.end()
    else ended.addEventListener('abort', session.end, { once: true })
    return session
  }

  #makeRoom(): void {
    if (this.#kept.size < SESSIONS_MAX) return
    const idle = [...this.#kept.values()].filter(({ users }) => users === 0)
    const oldest = idle.sort((a, b) => a.usedMs - b.usedMs)[0]
    if (oldest === undefined) {
      throw McpError.BUSY({ what: 'the number of sessions with peers', limit: SESSIONS_MAX })
    }
    oldest.end()
  }

  #sweep(): void {
    const untilMs = this.#deps.clock.now() - IDLE_MS
    for (const kept of [...this.#kept.values()]) {
      if (kept.users === 0 && kept.usedMs <= untilMs) kept.end()
    }
  }
}
