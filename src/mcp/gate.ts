/**
 * The requests of other peers that are in work: admitted by the policy, counted over the whole
 * node, ended by a deadline, and each answered once.
 */

import type { Policy } from '../access/index.ts'
import type { Clock, Deadline } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import type { McpEvents } from './events.ts'
import type { McpMetrics } from './metrics.ts'
import type { RpcId } from './protocol.ts'

/** Stays open for as long as its client listens, so it has a count of its own and no deadline. */
const LISTEN = 'subscriptions/listen'
const LISTENS_PER_STREAM_MAX = 8
/** Requests of a service to the peer (elicitation, sampling) that wait on one stream. */
const ASKED_PER_STREAM_MAX = 64
/** A caller may ask for this many times `requestTimeoutMs` and no more: places are few. */
const TIMEOUTS_PER_REQUEST_MAX = 4

export interface GateDeps {
  readonly policy: Pick<Policy, 'admit'>
  readonly clock: Clock
  readonly metrics: Pick<McpMetrics, 'requests' | 'requestSeconds'>
  /** Is told of every call of a tool that was admitted and has ended. */
  readonly served?: (call: McpEvents['callServed']) => void
}

export class RequestGate {
  readonly #deps: GateDeps
  readonly #config: Pick<McpConfig, 'concurrentMax' | 'requestTimeoutMs'>
  #inWork = 0

  constructor(deps: GateDeps, config: Pick<McpConfig, 'concurrentMax' | 'requestTimeoutMs'>) {
    this.#deps = deps
    this.#config = config
  }

  /** Requests of all peers that have no answer yet. */
  get inWork(): number {
    return this.#inWork
  }

  /** For one stream of `peer`; `expired` is told of each request that took too long. */
  forStream(peer: PeerId, expired: (id: RpcId, error: Error) => void): StreamGate {
    return new StreamGate(peer, {
      ...this.#deps,
      requestTimeoutMs: () => this.#config.requestTimeoutMs,
      expired,
      enter: () => {
        const { concurrentMax } = this.#config
        if (this.#inWork >= concurrentMax) {
          throw McpError.BUSY({ what: 'the number of requests in work', limit: concurrentMax })
        }
        this.#inWork += 1
      },
      leave: () => {
        this.#inWork -= 1
      },
    })
  }
}

interface StreamDeps extends GateDeps {
  /** Asked for at each request: a stream lives long, and the configuration may change. */
  readonly requestTimeoutMs: () => number
  readonly expired: (id: RpcId, error: Error) => void
  readonly enter: () => void
  readonly leave: () => void
}

interface InWork {
  readonly startedMs: number
  /** A request that only listens has none. */
  readonly deadline: Deadline | undefined
  /** Only where it is the call of a tool. */
  tool?: string
}

export class StreamGate {
  readonly #peer: PeerId
  readonly #deps: StreamDeps
  readonly #inWork = new Map<RpcId, InWork>()
  readonly #asked = new Set<RpcId>()
  #listens = 0

  constructor(peer: PeerId, deps: StreamDeps) {
    this.#peer = peer
    this.#deps = deps
  }

  /**
   * Admits a request and starts its deadline, a later one where the caller asks for it; throws the
   * reason when the request must be refused.
   */
  enter(id: RpcId, method: string, askedMs = 0): void {
    try {
      this.#enter(id, method, askedMs)
    } catch (error) {
      this.#count('refused')
      throw error
    }
  }

  /** Notes which tool the request calls, for whoever is told of its end. */
  calls(id: RpcId, tool: string): void {
    const request = this.#inWork.get(id)
    if (request !== undefined) request.tool = tool
  }

  /** Admits a message that wants no answer; the caller drops it when this throws. */
  admit(): void {
    this.#deps.policy.admit(this.#peer, 'mcp.call')
  }

  /** Whether the answer to `id` is still wanted; it is only once. */
  answered(id: RpcId | null, failed: boolean): boolean {
    if (id === null) return false
    const request = this.#take(id)
    if (request === undefined) return false
    this.#count(failed ? 'error' : 'ok', request)
    const seconds = (this.#deps.clock.now() - request.startedMs) / 1_000
    this.#deps.metrics.requestSeconds.observe(seconds, { direction: 'inbound' })
    return true
  }

  /** Notes a request that goes to the peer, so that its answer will be let through. */
  ask(id: RpcId): void {
    const [oldest] = this.#asked
    if (oldest !== undefined && this.#asked.size >= ASKED_PER_STREAM_MAX) this.#asked.delete(oldest)
    this.#asked.add(id)
  }

  /** Whether the peer was asked this, and has not answered before. */
  wasAsked(id: RpcId | null): boolean {
    return id !== null && this.#asked.delete(id)
  }

  /** The requests that have no answer yet. */
  get unanswered(): readonly RpcId[] {
    return [...this.#inWork.keys()]
  }

  /** The stream is gone: nothing of it is in work any more. */
  close(): void {
    for (const id of [...this.#inWork.keys()]) {
      this.#count('failed', this.#take(id))
    }
  }

  #enter(id: RpcId, method: string, askedMs: number): void {
    const { policy, clock, expired } = this.#deps
    const requestTimeoutMs = this.#deps.requestTimeoutMs()
    policy.admit(this.#peer, 'mcp.call')
    if (this.#inWork.has(id)) {
      throw McpError.REQUEST_INVALID({ found: 'the id of another request that is in work' })
    }
    const startedMs = clock.now()
    if (method === LISTEN) {
      if (this.#listens >= LISTENS_PER_STREAM_MAX) {
        throw McpError.BUSY({ what: 'what one stream listens to', limit: LISTENS_PER_STREAM_MAX })
      }
      this.#listens += 1
      this.#inWork.set(id, { startedMs, deadline: undefined })
      return
    }
    this.#deps.enter()
    const longestMs = TIMEOUTS_PER_REQUEST_MAX * requestTimeoutMs
    const timeoutMs = Math.max(requestTimeoutMs, Math.min(askedMs, longestMs))
    const deadline = clock.deadline(timeoutMs)
    this.#inWork.set(id, { startedMs, deadline })
    const expire = () => {
      const request = this.#take(id)
      if (request === undefined) return
      this.#count('deadline', request)
      expired(id, McpError.REQUEST_TIMEOUT({ method, afterMs: timeoutMs }))
    }
    deadline.signal.addEventListener('abort', expire, { once: true })
  }

  #take(id: RpcId): InWork | undefined {
    const request = this.#inWork.get(id)
    if (request === undefined) return undefined
    this.#inWork.delete(id)
    if (request.deadline === undefined) this.#listens -= 1
    else {
      request.deadline[Symbol.dispose]()
      this.#deps.leave()
    }
    return request
  }

  #count(outcome: string, request?: InWork): void {
    const { clock, metrics, served } = this.#deps
    metrics.requests.add(1, { direction: 'inbound', outcome })
    if (request?.tool === undefined) return
    const { tool, startedMs } = request
    served?.({ tool, peer: this.#peer, ms: clock.now() - startedMs, code: outcome })
  }
}
