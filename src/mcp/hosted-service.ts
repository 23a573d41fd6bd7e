/**
 * One service of this node: its server kept alive, its tools known, its sessions counted.
 *
 *   starting ─ready─> ready ─server ends─> restarting ─up again─> ready
 *                                              │ five times in a row
 *                                              └────> failed (still tried, a minute apart)
 *   any ─stop─> stopped
 */

import { backoffMs, type Clock, either, every, type Logger, type Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { type Exposure, PUBLIC } from './exposure.ts'
import { withoutRights } from './exposure-meta.ts'
import type { McpMetrics } from './metrics.ts'
import { listOthers, type OtherLists } from './other-lists.ts'
import type { Pipe } from './pipe.ts'
import type { ResultStore } from './result-store.ts'
import { SessionCount } from './session-count.ts'
import { connectMain, type Main, openPipe } from './source.ts'
import type { ServiceSpec, ServiceStatus, ToolArgs, ToolInfo, ToolResult } from './tool.ts'
import { callTool, failureOf, SDK_SLACK_MS } from './tool-call.ts'
import { listTools } from './tool-list.ts'

const BACKOFF = { firstMs: 1_000, maxMs: 60_000 }
/** A server that lived this long starts with a clean slate. */
const STEADY_MS = 60_000
const FAILED_AFTER = 5
const HTTP_CHECK_MS = 30_000

export interface HostedDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Pick<McpMetrics, 'serviceRestarts'>
  readonly changed: () => void
  /** Where answers above one frame are kept for the peer that asked. */
  readonly results?: Pick<ResultStore, 'open'> | undefined
}

export type HostedConfig = Pick<
  McpConfig,
  'requestTimeoutMs' | 'serviceStartTimeoutMs' | 'sessionsMax'
>

type State = ServiceStatus['state']

export class HostedService {
  readonly spec: ServiceSpec
  readonly detached: boolean
  readonly #deps: HostedDeps
  readonly #config: HostedConfig
  readonly #stopped = new AbortController()
  readonly #sessions: SessionCount
  #state: State = 'starting'
  #reason: string | undefined
  #restarts = 0
  #tools: readonly ToolInfo[] = []
  #others: OtherLists = {}
  #main: Main | undefined
  #life: Promise<void> = Promise.resolve()

  constructor(
    { spec, detached }: { spec: ServiceSpec; detached: boolean },
    deps: HostedDeps,
    config: HostedConfig,
  ) {
    this.spec = spec
    this.detached = detached
    this.#deps = deps
    this.#config = config
    this.#sessions = new SessionCount(spec.name, config.sessionsMax)
  }

  get status(): ServiceStatus {
    return {
      name: this.spec.name,
      state: this.#state,
      tools: this.#state === 'ready' ? this.#tools : [],
      ...(this.#state === 'ready' && this.#others),
      restarts: this.#restarts,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      detached: this.detached,
      ...(this.spec.exposure && { exposure: this.spec.exposure }),
    }
  }

  get exposure(): Exposure {
    return this.spec.exposure ?? PUBLIC
  }

  /** Resolves when the service is ready; throws when its server does not come up at all. */
  async start(): Promise<void> {
    await this.#connect()
    this.startLater()
  }

  /** Brings the service up in the background and keeps at it. */
  startLater(): void {
    this.#life = this.#keepUp()
  }

  async stop(): Promise<void> {
    this.#stopped.abort(this.#notReady('stopped'))
    await Promise.all([this.#life, this.#sessions.closeAll()])
    await this.#main?.close()
    this.#set('stopped', 'it was withdrawn')
  }

  /** Calls a tool of our own server process; it has `requestTimeoutMs` unless told otherwise. */
  async callTool(
    tool: string,
    args: ToolArgs,
    options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
  ): Promise<ToolResult> {
    const service = this.spec.name
    const main = this.#main
    if (main === undefined || this.#state !== 'ready') throw this.#notReady(this.#state)
    const { timeoutMs = this.#config.requestTimeoutMs } = options
    using deadline = this.#deps.clock.deadline(timeoutMs, options.signal)
    const { signal } = deadline
    try {
      return await callTool(main.client, { tool, args }, { signal, timeoutMs })
    } catch (cause) {
      const failure = await failureOf(cause, signal)
      if (failure.kind === 'silence') {
        const { reason } = failure
        throw McpError.SERVICE_FAILED({ service, tool, sent: true, reason }, cause)
      }
      const { rpcCode, message } =
        failure.kind === 'error' ? failure : { rpcCode: 0, message: failure.refusal.message }
      throw McpError.TOOL_ERROR({ tool, rpcCode, message }, cause)
    }
  }

  /** A server, or a session, for one stream of `peer` alone. */
  async openSession(peer: PeerId): Promise<Pipe> {
    if (this.#state !== 'ready') throw this.#notReady(this.#state)
    const { results } = this.#deps
    const longAnswers = results && (() => results.open(peer))
    const open = () => openPipe(this.spec, { ...this.#deps, longAnswers })
    return this.#sessions.open(peer, async () => guarded(await open()))
  }

  #isStopped(): boolean {
    return this.#stopped.signal.aborted
  }

  async #keepUp(): Promise<void> {
    const { clock, random, log, metrics } = this.#deps
    const { signal } = this.#stopped
    for (let failures = 0; !this.#isStopped(); ) {
      const sinceMs = clock.now()
      const reason = await this.#live()
      if (this.#isStopped()) return
      failures = clock.now() - sinceMs >= STEADY_MS ? 1 : failures + 1
      this.#restarts += 1
      metrics.serviceRestarts.add()
      log.warn('service is down', { service: this.spec.name, reason, failures })
      this.#set(failures > FAILED_AFTER ? 'failed' : 'restarting', reason)
      await clock.sleep(backoffMs(failures - 1, BACKOFF, random), signal).catch(() => {})
    }
  }

  /** One life of the server, from connecting to its end; resolves with what ended it. */
  async #live(): Promise<string> {
    try {
      const main = this.#main ?? (await this.#connect())
      const stopped = Promise.withResolvers<string>()
      const { signal } = this.#stopped
      if (signal.aborted) return 'it was withdrawn'
      signal.addEventListener('abort', () => stopped.resolve('it was withdrawn'), { once: true })
      return await Promise.race([main.ended, stopped.promise, this.#watchHttp(main)])
    } catch (error) {
      return error instanceof Error ? error.message : 'an unknown reason'
    } finally {
      const main = this.#main
      this.#main = undefined
      await main?.close()
    }
  }

  async #connect(): Promise<Main> {
    const { clock } = this.#deps
    const { serviceStartTimeoutMs: timeoutMs } = this.#config
    using deadline = clock.deadline(timeoutMs, this.#stopped.signal)
    const { signal } = deadline
    const main = await connectMain(this.spec, this.#deps, {
      signal,
      timeoutMs,
      onToolsChanged: () => void this.#refresh(),
    })
    try {
      this.#tools = await listTools(main.client, { signal, timeout: timeoutMs })
      this.#others = await listOthers(main.client, { signal, timeout: timeoutMs })
      // Whoever withdrew it meanwhile has looked for what it must end already.
      signal.throwIfAborted()
    } catch (cause) {
      await main.close()
      const reason = `it did not list its tools (${String(cause)})`
      const service = this.spec.name
      throw McpError.SERVICE_START_FAILED({ service, reason, exitCode: null, stderr: [] }, cause)
    }
    this.#main = main
    this.#set('ready')
    return main
  }

  /** The server says that its tools changed. */
  async #refresh(): Promise<void> {
    const main = this.#main
    if (main === undefined) return
    try {
      this.#tools = await this.#list(main)
      this.#deps.changed()
    } catch (error) {
      this.#deps.log.warn('service did not list its tools', { service: this.spec.name, error })
    }
  }

  async #list(main: Main): Promise<readonly ToolInfo[]> {
    const { requestTimeoutMs } = this.#config
    using deadline = this.#deps.clock.deadline(requestTimeoutMs, this.#stopped.signal)
    const timeout = requestTimeoutMs + SDK_SLACK_MS
    return await listTools(main.client, { signal: deadline.signal, timeout })
  }

  /** HTTP does not say that a server is gone, so it is asked; a process says it by ending. */
  async #watchHttp(main: Main): Promise<string> {
    if (this.spec.source.kind !== 'http') return new Promise(() => {})
    const gone = new AbortController()
    let reason = 'it was withdrawn'
    const ask = async () => {
      if (this.#main !== main) gone.abort()
      else {
        await this.#list(main).catch((error: unknown) => {
          reason = `it does not answer (${String(error)})`
          gone.abort()
        })
      }
    }
    using over = either(gone.signal, this.#stopped.signal)
    await every(this.#deps.clock, HTTP_CHECK_MS, ask, over.signal)
    return reason
  }

  #set(state: State, reason?: string): void {
    this.#state = state
    this.#reason = reason
    this.#deps.changed()
  }

  #notReady(state: State) {
    const { name } = this.spec
    const reason = this.#reason ?? 'try again in a moment'
    return McpError.SERVICE_NOT_READY({ service: name, state, reason })
  }
}

/** What peers show us is none of the business of somebody else's server. */
function guarded(pipe: Pipe): Pipe {
  return {
    read: (options) => pipe.read(options),
    write: (frame, options) => pipe.write(withoutRights(frame), options),
    close: () => pipe.close(),
    abort: (error) => pipe.abort(error),
    get bytesRead() {
      return pipe.bytesRead ?? 0
    },
  }
}
