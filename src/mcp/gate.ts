/**
 * The requests of other peers: admitted by the policy, each in work once it has a place among all
 * of the node (`fair-queue.ts`), ended by a deadline, and answered once.
 */

import type { Policy } from '../access/index.ts'
import type { CodedError, Deadline } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import type { CallRight } from './exposure-stream.ts'
import { FairQueue, type Place } from './fair-queue.ts'
import type { RpcId } from './protocol.ts'
import { type Ended, type Refused, RequestEnds, type RequestEndsDeps } from './request-ends.ts'

/** Stays open for as long as its client listens, so it has a count of its own and no deadline. */
const LISTEN = 'subscriptions/listen'
const LISTENS_PER_STREAM_MAX = 8
/** Requests of a service to the peer (elicitation, sampling) that wait on one stream. */
const ASKED_PER_STREAM_MAX = 64
/** A caller may ask for this many times `requestTimeoutMs` and no more: places are few. */
const TIMEOUTS_PER_REQUEST_MAX = 4
/** Of a request's time, how much it may spend waiting for its place. */
const WAITING_TIME = 0.5
/** What waits for a place; a stream whose peer is above its bound is not read. */
const WAITING = {
  waitingMax: 4_096,
  waitingPerPeerMax: 128,
  bytesMax: 64 * 1_024 * 1_024,
  bytesPerPeerMax: 1_024 * 1_024,
}

export interface GateDeps extends RequestEndsDeps {
  readonly policy: Pick<Policy, 'admit'>
}

export class RequestGate {
  readonly #deps: GateDeps
  readonly #config: Pick<McpConfig, 'concurrentMax' | 'requestTimeoutMs'>
  readonly #queue: FairQueue

  constructor(deps: GateDeps, config: Pick<McpConfig, 'concurrentMax' | 'requestTimeoutMs'>) {
    this.#deps = deps
    this.#config = config
    this.#queue = new FairQueue({ ...WAITING, max: () => config.concurrentMax })
  }

  /** Requests of all peers that have a place and no answer yet. */
  get inWork(): number {
    return this.#queue.inWork
  }

  /** Requests of all peers that wait for a place. */
  get waiting(): number {
    return this.#queue.waiting
  }

  /** For one stream of `peer`; `expired` is told of each request that took too long. */
  forStream(peer: PeerId, expired: Expired): StreamGate {
    return new StreamGate(peer, {
      ...this.#deps,
      requestTimeoutMs: () => this.#config.requestTimeoutMs,
      concurrentMax: () => this.#config.concurrentMax,
      expired,
      queue: this.#queue,
    })
  }
}

type Expired = (id: RpcId, error: Error) => void

interface StreamDeps extends GateDeps {
  /** Asked for at each request: a stream lives long, and the configuration may change. */
  readonly requestTimeoutMs: () => number
  readonly concurrentMax: () => number
  readonly expired: Expired
  readonly queue: FairQueue
}

/** What of a request decides whose share it is counted in, and how much it holds as it waits. */
export interface RequestFacts {
  readonly service?: string | undefined
  readonly tool?: string | undefined
  readonly bytes?: number
}

/** A request that waits for its place: true once it has it, false if it is over before. */
export interface Turn {
  readonly comes: Promise<boolean>
}

interface InWork extends Ended {
  /** A request that only listens has neither. */
  deadline: Deadline | undefined
  readonly place: Place | undefined
  /** Says to who waits for the place that it is not had any more. */
  readonly over?: () => void
}

export class StreamGate {
  readonly #peer: PeerId
  readonly #deps: StreamDeps
  readonly #ends: RequestEnds
  readonly #inWork = new Map<RpcId, InWork>()
  readonly #asked = new Set<RpcId>()
  #listens = 0

  constructor(peer: PeerId, deps: StreamDeps) {
    this.#peer = peer
    this.#deps = deps
    this.#ends = new RequestEnds(peer, deps)
  }

  /**
   * Admits a request and starts its deadline, a later one where the caller asks for it; throws the
   * reason when the request must be refused. With a turn, it may not be handed on before.
   */
  enter(id: RpcId, method: string, askedMs = 0, facts: RequestFacts = {}): Turn | undefined {
    try {
      return this.#enter(id, method, askedMs, facts)
    } catch (error) {
      this.#ends.count('refused', { startedMs: this.#deps.clock.now(), tool: facts.tool })
      throw error
    }
  }

  /** Resolves once the stream may be read on; `undefined` where that is so already. */
  room(): Promise<void> | undefined {
    return this.#deps.queue.room(this.#peer)
  }

  /** Takes back a request that still waits; whoever asks for that wants no answer. */
  withdraw(id: RpcId): boolean {
    if (this.#inWork.get(id)?.place?.started !== false) return false
    this.#ends.ended('failed', this.#take(id))
    return true
  }

  /** Takes back a request that was entered and is refused after all. */
  refuse(id: RpcId, tool?: string, facts: Refused = {}): void {
    const startedMs = this.#take(id)?.startedMs ?? this.#deps.clock.now()
    this.#ends.refused({ startedMs, tool }, facts)
  }

  /** Notes which tool the request calls and by what right, for whoever is told of its end. */
  calls(id: RpcId, tool: string, right?: CallRight): void {
    const request = this.#inWork.get(id)
    if (request === undefined) return
    request.tool = tool
    request.right = right
  }

  /** Admits a message that wants no answer; the caller drops it when this throws. */
  admit(): void {
    this.#deps.policy.admit(this.#peer, 'mcp.call')
  }

  /** Whether the answer to `id` is still wanted; it is only once. */
  answered(id: RpcId | null, failed: boolean): boolean {
    // Nothing that still waits has been asked of anybody, so nobody can have answered it.
    if (id === null || this.#inWork.get(id)?.place?.started === false) return false
    const request = this.#take(id)
    if (request === undefined) return false
    this.#ends.ended(failed ? 'error' : 'ok', request)
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

  /** Takes back all that still waits. */
  leaveQueue(): void {
    for (const id of [...this.#inWork.keys()]) this.withdraw(id)
  }

  /** The stream is gone: nothing of it is in work any more. */
  close(): void {
    for (const id of [...this.#inWork.keys()]) this.#ends.ended('failed', this.#take(id))
  }

  #enter(id: RpcId, method: string, askedMs: number, facts: RequestFacts): Turn | undefined {
    this.#deps.policy.admit(this.#peer, 'mcp.call')
    if (this.#inWork.has(id)) {
      throw McpError.REQUEST_INVALID({ found: 'the id of another request that is in work' })
    }
    const startedMs = this.#deps.clock.now()
    if (method === LISTEN) {
      if (this.#listens >= LISTENS_PER_STREAM_MAX) {
        throw McpError.BUSY({ what: 'what one stream listens to', limit: LISTENS_PER_STREAM_MAX })
      }
      this.#listens += 1
      this.#inWork.set(id, { startedMs, listens: true, deadline: undefined, place: undefined })
      return undefined
    }
    const { service = '', tool = method, bytes = 0 } = facts
    const timeoutMs = this.#timeoutMs(askedMs)
    const turn = Promise.withResolvers<boolean>()
    const start = () => {
      const late = () => McpError.REQUEST_TIMEOUT({ method, afterMs: timeoutMs })
      this.#limit(id, startedMs + timeoutMs, late)
      turn.resolve(true)
    }
    const place = this.#deps.queue.enter({ peer: this.#peer, service, tool, bytes, start })
    const over = () => turn.resolve(false)
    this.#inWork.set(id, { startedMs, deadline: undefined, place, over })
    if (place.started) {
      start()
      return undefined
    }
    // Half its time is left to whoever gets a place, or to its caller to ask somebody else.
    const waitMs = timeoutMs * WAITING_TIME
    const what = `its share of the places, for ${waitMs} ms,`
    const busy = () => McpError.BUSY({ what, limit: this.#deps.concurrentMax() })
    this.#limit(id, startedMs + waitMs, busy)
    return { comes: turn.promise }
  }

  #timeoutMs(askedMs: number): number {
    const requestTimeoutMs = this.#deps.requestTimeoutMs()
    const longestMs = TIMEOUTS_PER_REQUEST_MAX * requestTimeoutMs
    return Math.max(requestTimeoutMs, Math.min(askedMs, longestMs))
  }

  /** The request is over at `dueMs` with `error`, in place of any time that it had before. */
  #limit(id: RpcId, dueMs: number, over: () => CodedError): void {
    const { clock, expired } = this.#deps
    const request = this.#inWork.get(id)
    if (request === undefined) return
    request.deadline?.[Symbol.dispose]()
    const deadline = clock.deadline(dueMs - clock.now())
    request.deadline = deadline
    const expire = () => {
      if (this.#take(id) === undefined) return
      const error = over()
      if (error.code === 'MCP_BUSY') this.#ends.count('refused', request)
      else this.#ends.ended('deadline', request)
      expired(id, error)
    }
    deadline.signal.addEventListener('abort', expire, { once: true })
  }

  #take(id: RpcId): InWork | undefined {
    const request = this.#inWork.get(id)
    if (request === undefined) return undefined
    this.#inWork.delete(id)
    request.over?.()
    request.place?.leave()
    request.deadline?.[Symbol.dispose]()
    if (request.place === undefined) this.#listens -= 1
    return request
  }
}
