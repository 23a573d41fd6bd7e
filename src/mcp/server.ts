/**
 * The streams that peers open to us: each is given to the service it selects, or to this node's
 * own server of all tools.
 */

import type { Policy } from '../access/index.ts'
import type { Clock, Logger, Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import type { Json } from '../wire/index.ts'
import { Bridge } from './bridge.ts'
import { ByteBudget } from './byte-budget.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { type GrantGate, NO_GRANTS, StreamExposure } from './exposure-stream.ts'
import { type GateDeps, RequestGate } from './gate.ts'
import { showsInvitation } from './invited.ts'
import type { Journal } from './journal.ts'
import { KeyedCalls, type KeyedCallsDeps } from './keyed-calls.ts'
import type { McpMetrics } from './metrics.ts'
import { answerQuestion, isQuestion } from './outcome.ts'
import { type Pipe, pipePair } from './pipe.ts'
import {
  FRAME_BYTES_MAX,
  mcpProtocol,
  parseFrame,
  type RpcMessage,
  readMessage,
  selectedService,
} from './protocol.ts'
import type { ResultStore } from './result-store.ts'
import { serverSdk } from './sdk.ts'
import type { Services } from './services.ts'
import { ToolLabels } from './tool-labels.ts'
import { ChannelTransport } from './transport.ts'

/** Answers of our own server that wait for slow peers, over all streams. */
const ANSWERS_WAITING_BYTES_MAX = 4 * FRAME_BYTES_MAX
const LISTENS_PER_STREAM_MAX = 8

export interface McpServerDeps {
  readonly host: Pick<Host, 'handle'> & Partial<Pick<Host, 'self'>>
  readonly services: Pick<
    Services,
    'list' | 'callTool' | 'openSession' | 'events' | 'exposureOf' | 'secretOf' | 'unknown'
  >
  /** Without it, what is not public is for the peers that it names alone. */
  readonly grants?: GrantGate
  /** What became of calls with a key; without it, such calls are like any other. */
  readonly journal?: KeyedCallsDeps['journal'] & Pick<Journal, 'find'>
  readonly policy: Pick<Policy, 'admit'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<McpMetrics, 'requests' | 'requestSeconds'>
  readonly network: string
  readonly version: string
  /** Where results above one frame are kept; without it, they are refused. */
  readonly results?: Pick<ResultStore, 'keep'>
}

export type InboundConfig = Pick<McpConfig, 'concurrentMax' | 'requestTimeoutMs' | 'sessionIdleMs'>

/** Serves the streams that peers open; a stream lives until either side ends it. */
export class InboundStreams implements Service {
  readonly name = 'mcp server'
  readonly #deps: McpServerDeps
  readonly #config: InboundConfig
  readonly #gate: RequestGate
  readonly #answers = new ByteBudget(ANSWERS_WAITING_BYTES_MAX)
  readonly #open = new Map<Channel, Promise<void>>()
  readonly #bridges = new Set<Bridge>()
  #stopping = false

  constructor(deps: McpServerDeps, config: InboundConfig) {
    this.#deps = deps
    this.#config = config
    const served: GateDeps['served'] = (call) => deps.services.events.emit('callServed', call)
    const labels = new ToolLabels(deps.services)
    const labelOf: GateDeps['labelOf'] = (tool) => labels.of(tool)
    this.#gate = new RequestGate({ ...deps, served, labelOf }, config)
  }

  async start(): Promise<void> {
    const { host, network } = this.#deps
    await host.handle(mcpProtocol(network), (channel) => this.#take(channel))
  }

  async stop(): Promise<void> {
    this.#stopping = true
    for (const channel of this.#open.keys()) channel.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
    for (const bridge of this.#bridges) bridge.end()
    await Promise.all(this.#open.values())
  }

  /** Requests of peers in work now, for `/debug`. */
  get requestsInWork(): number {
    return this.#gate.inWork
  }

  /** Requests of peers that wait for their share of the places. */
  get requestsWaiting(): number {
    return this.#gate.waiting
  }

  /** Serves a stream as if it were its peer's own; calls that others carry come this way. */
  take(channel: Channel): Promise<void> {
    return this.#take(channel)
  }

  async #take(channel: Channel): Promise<void> {
    if (this.#stopping) {
      channel.abort(McpError.PIPE_ENDED({ wanted: 'serve a stream' }))
      return
    }
    const served = this.#serve(channel)
    this.#open.set(channel, served)
    try {
      await served
    } finally {
      this.#open.delete(channel)
    }
  }

  /** Never rejects: whatever a peer does ends its own stream and no more. */
  async #serve(channel: Channel): Promise<void> {
    const { clock, log } = this.#deps
    const { peer } = channel
    const gate = this.#gate.forStream(peer, (id, error) => bridge.expire(id, error))
    const idleMs = this.#config.sessionIdleMs
    const calls = this.#callsOf(peer)
    const keyed = calls && { calls }
    const exposure = this.#exposureTo(peer)
    const bridge: Bridge = new Bridge({ channel, gate, clock, log, idleMs, exposure, ...keyed })
    this.#bridges.add(bridge)
    try {
      const first = await this.#firstFrame(channel)
      if (first === undefined) return
      const message = readMessage(parseFrame(first))
      if (message.kind === 'answer') {
        throw McpError.REQUEST_INVALID({ found: 'an answer to nothing' })
      }
      calls?.select(message)
      bridge.selected(serviceOf(message))
      exposure.select(serviceOf(message))
      // Whoever leaves while its first request waits gives up its place in the queue.
      channel.closed.addEventListener('abort', () => gate.leaveQueue(), { once: true })
      if (!(await bridge.admits(message, first.length))) return
      if (isQuestion(message)) {
        const send = (frame: Uint8Array) => bridge.send(frame)
        await answerQuestion(message, { ...this.#deps, channel, send })
        gate.answered(message.id, false)
        return
      }
      const backend = await this.#backendFor(channel, message, { bridge, exposure })
      if (backend !== undefined) await bridge.run(backend, first)
    } catch (error) {
      log.debug('stream of a peer failed', { peer, error })
      channel.abort(
        error instanceof Error ? error : McpError.PIPE_ENDED({ wanted: 'go on' }, error),
      )
    } finally {
      gate.close()
      calls?.lose('its stream ended before the tool answered')
      bridge.end()
      this.#bridges.delete(bridge)
      await channel.close().catch(() => {})
    }
  }

  #exposureTo(peer: PeerId): StreamExposure {
    const { grants = NO_GRANTS, services } = this.#deps
    const isInvited = (service: string, meta: Json | undefined) => {
      const secret = services.secretOf(service)
      const { self: callee } = this.#deps.host
      if (secret === undefined) return true
      const nowMs = this.#deps.clock.now()
      return (
        callee !== undefined &&
        showsInvitation(meta, secret, { caller: peer, callee, service, nowMs })
      )
    }
    const exposureOf = (name: string) => services.exposureOf(name)
    return new StreamExposure({ peer, grants, exposureOf, isInvited })
  }

  #callsOf(peer: PeerId): KeyedCalls | undefined {
    const { journal, services } = this.#deps
    if (journal === undefined) return undefined
    const isIdempotent = (service: string | undefined, tool: string) => {
      const at = service === undefined ? tool.indexOf('_') : -1
      const name = service ?? tool.slice(0, at)
      const tools = services.list().find((known) => known.name === name)?.tools ?? []
      return tools.find((known) => known.name === tool.slice(at + 1))?.idempotent ?? false
    }
    return new KeyedCalls(peer, { journal, isIdempotent })
  }

  async #firstFrame(channel: Channel): Promise<Uint8Array | undefined> {
    using deadline = this.#deps.clock.deadline(this.#config.requestTimeoutMs)
    return await channel.read({ signal: deadline.signal })
  }

  /** What serves the stream; the peer is told when it cannot be had. */
  async #backendFor(
    channel: Channel,
    message: Exclude<RpcMessage, { readonly kind: 'answer' }>,
    { bridge, exposure }: { readonly bridge: Bridge; readonly exposure: StreamExposure },
  ): Promise<Pipe | undefined> {
    try {
      const service = selectedService(message)
      exposure.open(message)
      if (service === undefined) return await this.#openAggregate(channel, exposure)
      if (exposure.hides(service)) throw this.#deps.services.unknown(service)
      return await this.#deps.services.openSession(service, channel.peer)
    } catch (error) {
      const { peer } = channel
      this.#deps.log.debug('stream refused', { peer, error })
      if (message.kind === 'request') await bridge.refuse(message.id, error)
      return undefined
    }
  }

  async #openAggregate(channel: Channel, exposure: StreamExposure): Promise<Pipe> {
    const { version, log, results } = this.#deps
    const services = shownTo(exposure, this.#deps.services)
    const keep = results && ((result: object) => results.keep(channel.peer, result))
    const { aggregateFactory, serveStdio } = await serverSdk()
    const [outer, inner] = pipePair()
    serveStdio(aggregateFactory({ services, version, peer: channel.peer }), {
      transport: new ChannelTransport(inner, { budget: this.#answers.of(channel.peer), keep }),
      maxSubscriptions: LISTENS_PER_STREAM_MAX,
      onerror: (error) => log.debug('stream of a peer', { peer: channel.peer, error }),
    })
    return outer
  }
}

/** The services as far as a stream may know of them: what it may not is not there. */
function shownTo(exposure: StreamExposure, services: McpServerDeps['services']) {
  return {
    events: services.events,
    list: () => services.list().filter(({ name }) => !exposure.hides(name)),
    callTool: async (...call: Parameters<Services['callTool']>) => {
      if (exposure.hides(call[0])) throw services.unknown(call[0])
      return services.callTool(...call)
    },
  }
}

/** What the stream is counted for; that a selection is none is said when it is followed. */
function serviceOf(message: RpcMessage): string | undefined {
  try {
    return selectedService(message)
  } catch {
    return undefined
  }
}
