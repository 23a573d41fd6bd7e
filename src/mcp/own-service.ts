/**
 * A service whose tools run in this process, behind the same door as any other: peers come to it
 * over the bridge, admitted, counted and timed there, and speak MCP with a server of the SDK. Plain
 * calls are answered before it (`own-calls.ts`). This node itself calls the tools directly.
 *
 * A tool that goes on after its caller gave up keeps its place, or it could be started without
 * bound; it cannot take the places of the other tools.
 */

import type { McpServer } from '@modelcontextprotocol/server'
import {
  type Clock,
  correlationId,
  either,
  hasCode,
  type Logger,
  newId,
  packageVersion,
  type Random,
  race,
  withCorrelation,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { ByteBudget } from './byte-budget.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { type Exposure, PUBLIC } from './exposure.ts'
import { chainIn, tokensIn } from './exposure-meta.ts'
import { type OnBehalfOf, onBehalfOf, servedNow } from './on-behalf.ts'
import { type OwnCall, OwnCalls } from './own-calls.ts'
import type { ReportProgress, Tool } from './own-tool.ts'
import { type Pipe, pipePair } from './pipe.ts'
import { correlationOf, FRAME_BYTES_MAX, rpcError } from './protocol.ts'
import type { ResultStore } from './result-store.ts'
import { type ServerSdk, serverSdk } from './sdk.ts'
import { SessionCount } from './session-count.ts'
import { Shares } from './shares.ts'
import type { ServiceStatus, ToolArgs, ToolResult } from './tool.ts'
import { ChannelTransport } from './transport.ts'

/** As many as a node has connections: a session here costs memory and no process. */
const SESSIONS_MAX = 1_000
const LISTENS_PER_STREAM_MAX = 8
const ANSWERS_WAITING_BYTES_MAX = 4 * FRAME_BYTES_MAX
/** How long a withdrawn service waits for its tools to heed their signal. */
const STOP_TIMEOUT_MS = 1_000
/** Nine tenths to a tool, and to a caller, that is alone: more than peers may have in work. */
const FACTORS = [9, 9]
/** JSON-RPC 2.0 §5.1. */
const INVALID_PARAMS = -32_602

export interface OwnServiceDeps {
  /** Where results above one frame are kept for the peer that asked. */
  readonly results?: Pick<ResultStore, 'keep'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export type OwnServiceConfig = Pick<McpConfig, 'requestTimeoutMs' | 'concurrentMax'>

/** Who asks for a tool, and for how long. */
export interface OwnCallOptions {
  /** Null for this node itself. */
  readonly caller: PeerId | null
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  readonly progress?: ReportProgress | undefined
}

/** Up from its first moment to its last: there is no process that could end. */
export class OwnService {
  readonly name: string
  readonly exposure: Exposure
  readonly #deps: OwnServiceDeps
  readonly #config: OwnServiceConfig
  readonly #log: Logger
  readonly #tools: ReadonlyMap<string, Tool>
  readonly #sessions: SessionCount
  readonly #answers = new ByteBudget(ANSWERS_WAITING_BYTES_MAX)
  readonly #stopped = new AbortController()
  readonly #running = new Set<Promise<unknown>>()
  readonly #places: Shares

  constructor(
    {
      name,
      tools,
      exposure = PUBLIC,
    }: { readonly name: string; readonly tools: readonly Tool[]; readonly exposure?: Exposure },
    deps: OwnServiceDeps,
    config: OwnServiceConfig,
  ) {
    this.name = name
    this.exposure = exposure
    this.#deps = deps
    this.#config = config
    this.#places = new Shares({ max: () => config.concurrentMax, factors: FACTORS })
    this.#log = deps.log.child(`mcp:${name}`)
    this.#tools = new Map(tools.map((each) => [each.info.name, each]))
    this.#sessions = new SessionCount(name, SESSIONS_MAX)
  }

  get status(): ServiceStatus {
    const tools = [...this.#tools.values()].map(({ info }) => info)
    const exposure = this.exposure === PUBLIC ? {} : { exposure: this.exposure }
    return { name: this.name, state: 'ready', tools, restarts: 0, detached: false, ...exposure }
  }

  /** Ends its streams and tells the tools that run; those that do not heed it are left behind. */
  async stop(): Promise<void> {
    this.#stopped.abort(this.#withdrawn())
    await this.#sessions.closeAll()
    using deadline = this.#deps.clock.deadline(STOP_TIMEOUT_MS)
    const late = new Promise<void>((resolve) => {
      deadline.signal.addEventListener('abort', () => resolve(), { once: true })
    })
    await Promise.race([Promise.allSettled(this.#running), late])
  }

  /** Calls a tool for whoever asked this node, not for a stream. */
  async callTool(tool: string, args: ToolArgs, options: OwnCallOptions): Promise<ToolResult> {
    const { clock } = this.#deps
    const { caller, progress, timeoutMs = this.#config.requestTimeoutMs } = options
    using deadline = clock.deadline(timeoutMs, options.signal)
    using untilStopped = either(deadline.signal, this.#stopped.signal)
    const { signal } = untilStopped
    try {
      const correlation = correlationId()
      return await this.#run(tool, args, { caller, signal, correlation, progress })
    } catch (cause) {
      if (!signal.aborted || hasCode(cause, 'MCP_BUSY')) throw cause
      const reason = cause instanceof Error ? cause.message : 'it was given up'
      throw McpError.SERVICE_FAILED({ service: this.name, tool, sent: true, reason }, cause)
    }
  }

  /** A server of its own for one stream of `peer`, as frames. */
  async openSession(peer: PeerId): Promise<Pipe> {
    const sdk = await serverSdk()
    if (this.#stopped.signal.aborted) throw this.#withdrawn()
    return this.#sessions.open(peer, async () => {
      const [outer, inner] = pipePair()
      const { results } = this.#deps
      const keep = results && ((result: object) => results.keep(peer, result))
      const own = { budget: this.#answers.of(peer), keep, staysHere: true }
      const wire = new ChannelTransport(inner, own)
      const calls = new OwnCalls(wire, (call) => this.#runFor(peer, call))
      sdk.serveStdio(() => this.#serverFor(peer, calls, sdk), {
        transport: calls,
        maxSubscriptions: LISTENS_PER_STREAM_MAX,
        onerror: (error) => this.#log.debug('stream of a peer', { peer, error }),
      })
      return outer
    })
  }

  #serverFor(peer: PeerId, calls: OwnCalls, sdk: ServerSdk): McpServer {
    const info = { name: this.name, version: packageVersion() }
    const mcp = new sdk.McpServer(info, { capabilities: { tools: {} } })
    const listed = [...this.#tools.values()].map((each) => each.listed)
    mcp.server.setRequestHandler('tools/list', () => ({ tools: listed as never[] }))
    mcp.server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      const { id, signal, _meta = {} } = mcpReq
      const args = (params.arguments ?? {}) as ToolArgs
      const meta = _meta as JsonObject
      const call = { name: params.name, args, meta, signal, progress: progressOf(mcpReq) }
      try {
        const result = await (calls.outcomeOf(id) ?? this.#runFor(peer, call))
        return { ...result, content: [...result.content] as never[] }
      } catch (error) {
        throw asRpcError(error)
      }
    })
    return mcp
  }

  /** For a stream of `caller`. */
  #runFor(caller: PeerId, { name, args, meta, signal, progress }: OwnCall): Promise<ToolResult> {
    const params = { _meta: meta }
    const correlation = correlationOf({ kind: 'notification', method: '', params })
    const served = { peer: caller, chain: chainIn(meta), tokens: tokensIn(meta) }
    return this.#run(name, args, { caller, served, signal, correlation, progress })
  }

  async #run(
    name: string,
    args: ToolArgs,
    asked: {
      readonly caller: PeerId | null
      /** With what the caller showed, where it came over a stream. */
      readonly served?: OnBehalfOf
      readonly signal: AbortSignal
      readonly correlation: string | undefined
      readonly progress?: ReportProgress | undefined
    },
  ): Promise<ToolResult> {
    const tool = this.#tools.get(name)
    if (tool === undefined) {
      const message = `Tool ${name.slice(0, 128)} not found`
      throw McpError.TOOL_ERROR({ tool: name.slice(0, 128), rpcCode: INVALID_PARAMS, message })
    }
    const { caller, signal, progress, correlation = newId(this.#deps.random) } = asked
    signal.throwIfAborted()
    const accounts = [`tool ${name}`, `caller ${caller ?? 'self'}`]
    if (!this.#places.take(accounts)) {
      const limit = this.#config.concurrentMax
      throw McpError.BUSY({ what: `the share of tool "${name}" in "${this.name}"`, limit })
    }
    const told = progress && { progress }
    const context = { caller, signal, log: this.#log, correlationId: correlation, ...told }
    const served = asked.served ?? servedFor(caller)
    const run = () => withCorrelation(correlation, () => tool.run(args, context))
    const work = served === undefined ? run() : onBehalfOf(served, run)
    this.#running.add(work)
    const ended = () => {
      this.#running.delete(work)
      this.#places.give(accounts)
    }
    work.then(ended, ended)
    return race(work, signal)
  }

  #withdrawn() {
    const reason = 'it was withdrawn'
    return McpError.SERVICE_NOT_READY({ service: this.name, state: 'stopped', reason })
  }
}

/** Whom the tool serves, where the call came from within this node. */
function servedFor(caller: PeerId | null): OnBehalfOf | undefined {
  const served = servedNow()
  if (caller === null || served?.peer === caller) return served
  return { peer: caller, chain: [], tokens: [] }
}

/** Tells the caller of a stream how far its call is, where it asked for that. */
function progressOf({ _meta, notify }: Progressing): ReportProgress | undefined {
  const progressToken = _meta?.progressToken
  if (progressToken === undefined) return undefined
  return (progress, message) => {
    const params = { progressToken, progress, ...(message !== undefined && { message }) }
    // A stream that is gone ends the call as well; the notice alone is no failure.
    notify({ method: 'notifications/progress', params }).catch(() => {})
  }
}

interface Progressing {
  readonly _meta?: { readonly progressToken?: string | number | undefined } | undefined
  readonly notify: (notification: {
    method: 'notifications/progress'
    params: { progressToken: string | number; progress: number; message?: string }
  }) => Promise<void>
}

/** The SDK sends `code`, `message` and `data` of whatever is thrown. */
function asRpcError(error: unknown): Error {
  if (hasCode(error, 'MCP_TOOL_ERROR')) {
    const { rpcCode, message } = error.facts as { rpcCode: number; message: string }
    return Object.assign(McpError.RPC({ message }, error), { code: rpcCode })
  }
  const { code, message, data } = rpcError(error)
  return Object.assign(McpError.RPC({ message }, error), { code, data })
}
