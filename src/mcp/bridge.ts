/**
 * Carries one peer's stream to what serves it and back.
 *
 * Frames pass as they came; they are read only to check them, to admit requests and to match
 * answers. Each direction holds one frame at a time: whoever does not read stops whoever writes,
 * and after a while the stream is dropped. Nothing of one stream is seen by another.
 */

import { type Clock, every, type Logger, race, withCorrelation } from '../base/index.ts'
import type { Channel } from '../net/index.ts'
import { McpError } from './errors.ts'
import type { StreamExposure } from './exposure-stream.ts'
import type { StreamGate, Turn } from './gate.ts'
import type { KeyedCalls } from './keyed-calls.ts'
import { isHandedOn } from './known-calls.ts'
import type { Pipe } from './pipe.ts'
import {
  calledTool,
  cancelledId,
  correlationOf,
  encodeMessage,
  parseFrame,
  type RpcId,
  type RpcMessage,
  readMessage,
  refusalFrame,
  timeoutOf,
} from './protocol.ts'
import { refusedCall, servicePrefix } from './refused-call.ts'
import { WriteWatch } from './write-watch.ts'

/** How long a peer or a service may leave a frame unread. */
const WRITE_TIMEOUT_MS = 30_000
const IDLE_CHECKS = 10
/** Waits although its peer may use no more: all that is held of its stream. */
const UNCOUNTED_BYTES_MAX = 64 * 1_024
const TOO_LONG_TO_WAIT = 'the length of a request that waits while its peer has used up its memory'
const NOTHING = () => undefined

export interface BridgeDeps {
  readonly channel: Channel
  readonly gate: StreamGate
  /** Calls that must not run twice; absent where nobody keeps a journal of them. */
  readonly calls?: KeyedCalls
  /** Who may call what; absent where all that is served is for everybody. */
  readonly exposure?: StreamExposure
  readonly clock: Clock
  readonly log: Logger
  readonly idleMs: number
}

export class Bridge {
  readonly #deps: BridgeDeps
  readonly #ended = new AbortController()
  #backend: Pipe | undefined
  #lastFrameMs: number
  readonly #writes: WriteWatch
  #peerGone = false
  #lastWrite: Promise<void> = Promise.resolve()
  #service: string | undefined

  constructor(deps: BridgeDeps) {
    this.#deps = deps
    this.#lastFrameMs = deps.clock.now()
    this.#writes = new WriteWatch(deps.clock, WRITE_TIMEOUT_MS, (cause) => {
      this.#drop(McpError.NOT_READ({ afterMs: WRITE_TIMEOUT_MS }, cause))
    })
  }

  /** Carries frames until either side ends, starting with the one that was read already. */
  async run(backend: Pipe, first: Uint8Array): Promise<void> {
    this.#backend = backend
    const { channel, clock, idleMs } = this.#deps
    const { signal } = this.#ended
    try {
      const value = parseFrame(first)
      const sent = this.#deps.exposure?.rewritten(first, value) ?? first
      await this.#toBackend(sent, readMessage(value))
      const watch = every(clock, idleMs / IDLE_CHECKS, () => this.#endWhenIdle(), signal)
      const answers = this.#fromBackend(backend)
      const left = Promise.race([this.#fromPeer(), aborted(channel.closed)])
      const gone = left.finally(() => this.#linger(answers))
      const how = await Promise.race([gone, watch, answers])
      if (how !== undefined && !this.#peerGone) await this.#sayEnded(how)
    } catch (error) {
      // Ending it ourselves stops the reads that wait, which is no failure.
      if (!signal.aborted) throw error
    } finally {
      this.end()
      await Promise.all([backend.close(), channel.close().catch(() => {})])
    }
  }

  /** The service that the stream selected; without it, the name of each tool begins with one. */
  selected(service: string | undefined): void {
    this.#service = service
  }

  /** Whether the message may pass, after its turn; a request that may not is answered here. */
  async admits(message: RpcMessage, bytes: number): Promise<boolean> {
    const passes = await this.#check(message, bytes)
    if (typeof passes === 'boolean') return passes
    const free = await this.#held(message, bytes)
    return free === undefined ? false : await passes.comes.finally(free)
  }

  #check(message: RpcMessage, bytes: number): Promise<boolean | Turn> {
    const id = correlationOf(message)
    return id === undefined
      ? this.#decide(message, bytes)
      : withCorrelation(id, () => this.#decide(message, bytes))
  }

  async #decide(message: RpcMessage, bytes: number): Promise<boolean | Turn> {
    const { gate, calls, exposure, log, channel } = this.#deps
    if (message.kind === 'answer') return gate.wasAsked(message.id)
    const cancelled = cancelledId(message)
    // What was not handed on yet is taken out of the queue, and nobody else need know of it.
    if (cancelled !== undefined && gate.withdraw(cancelled)) return false
    if (cancelled !== undefined) calls?.cancelled(cancelled)
    let entered = false
    try {
      let turn: Turn | undefined
      if (message.kind === 'request') {
        const tool = calledTool(message)
        const facts = { service: this.#service ?? servicePrefix(tool), tool, bytes }
        turn = gate.enter(message.id, message.method, timeoutOf(message), facts)
        entered = true
        const right = exposure?.check(message, calls?.knows(message))
        if (tool !== undefined) gate.calls(message.id, tool, right)
      } else admitNotice(message.method, gate)
      log.debug('request of a peer', { peer: channel.peer, method: message.method })
      return turn ?? true
    } catch (error) {
      log.debug('request refused', { peer: channel.peer, method: message.method, error })
      if (message.kind === 'request') {
        if (entered) gate.refuse(message.id, ...refusedCall(message, this.#service, error))
        await this.refuse(message.id, error)
      }
      return false
    }
  }

  /** Answers a request with an error of ours. */
  async refuse(id: RpcId, error: unknown): Promise<void> {
    await this.send(refusalFrame(id, error))
  }

  /** A request took too long: the peer is told, and what serves it is asked to stop. */
  expire(id: RpcId, error: Error): void {
    const cancelled = encodeMessage({
      jsonrpc: '2.0',
      method: 'notifications/cancelled',
      params: { requestId: id, reason: error.message },
    })
    const told = [this.refuse(id, error), this.#write(this.#backend, cancelled)]
    void Promise.all(told).catch((cause: unknown) => this.#drop(cause))
  }

  /** Nothing more is carried, and no timer stays behind. */
  end(): void {
    this.#ended.abort()
    this.#writes.stop()
  }

  async #fromPeer(): Promise<void> {
    const { channel } = this.#deps
    for (;;) {
      const frame = await channel.read({ signal: this.#ended.signal })
      if (frame === undefined) return
      const value = parseFrame(frame)
      const message = readMessage(value)
      const passes = await this.#check(message, frame.length)
      if (passes === false) continue
      const sent = this.#deps.exposure?.rewritten(frame, value) ?? frame
      if (passes === true) await this.#toBackend(sent, message)
      else await this.#later(passes, sent, message)
    }
  }

  /** Hands the request on in its turn, and holds the peer back while too much of it waits. */
  async #later(turn: Turn, frame: Uint8Array, message: RpcMessage): Promise<void> {
    const free = await this.#held(message, frame.length)
    if (free === undefined) return
    const handed = turn.comes
      .finally(free)
      .then((comes) => (comes ? this.#toBackend(frame, message) : undefined))
      .catch((cause: unknown) => this.#drop(cause))
    // What its accounts have no room for is all that is held of this stream.
    const room = free === NOTHING ? handed : this.#deps.gate.room()
    await race(room ?? Promise.resolve(), this.#ended.signal)
  }

  /**
   * Counts a request that waits in what its peer may use, until what is returned is called. A long
   * one for which there is no room is refused: each stream could hold one.
   */
  async #held(message: RpcMessage, bytes: number): Promise<(() => void) | undefined> {
    const { channel, gate } = this.#deps
    if (channel.reserve?.(bytes) !== false) return () => void channel.reserve?.(-bytes)
    if (bytes <= UNCOUNTED_BYTES_MAX || message.kind !== 'request') return NOTHING
    const error = McpError.BUSY({ what: TOO_LONG_TO_WAIT, limit: UNCOUNTED_BYTES_MAX })
    gate.refuse(message.id, ...refusedCall(message, this.#service, error))
    await this.refuse(message.id, error)
    return undefined
  }

  async #toBackend(frame: Uint8Array, message: RpcMessage): Promise<void> {
    this.#lastFrameMs = this.#deps.clock.now()
    const send = (answer: Uint8Array) => this.send(answer)
    if (!isHandedOn(message, { ...this.#deps, service: this.#service, send })) return
    await this.#write(this.#backend, frame)
  }

  /** The peer is gone, but what must not run twice is carried to its end, to be asked for later. */
  async #linger(answers: Promise<unknown>): Promise<void> {
    this.#peerGone = true
    if ((this.#deps.calls?.inWork ?? 0) > 0) await answers.catch(() => {})
  }

  /** Resolves with the reason when what serves the stream is gone. */
  async #fromBackend(backend: Pipe): Promise<string> {
    const { gate } = this.#deps
    for (;;) {
      const frame = await this.#readFrom(backend)
      if (!(frame instanceof Uint8Array)) return frame.reason
      this.#lastFrameMs = this.#deps.clock.now()
      const value = parseFrame(frame)
      const message = readMessage(value)
      if (message.kind === 'request') gate.ask(message.id)
      if (message.kind === 'answer') this.#deps.calls?.answered(message.id, value, frame.length)
      // The answer to a request that was given up, or was never made, is nobody's.
      const isNobodys = message.kind === 'answer' && !gate.answered(message.id, message.failed)
      if (this.#peerGone && (this.#deps.calls?.inWork ?? 0) === 0) return 'its peer left'
      if (this.#peerGone || isNobodys) continue
      const id = message.kind === 'answer' ? message.id : null
      await this.send(this.#deps.exposure?.filtered(id, value) ?? frame)
    }
  }

  async #readFrom(backend: Pipe): Promise<Uint8Array | { readonly reason: string }> {
    const { signal } = this.#ended
    try {
      return (await backend.read({ signal })) ?? { reason: 'it ended' }
    } catch (error) {
      signal.throwIfAborted()
      return { reason: error instanceof Error ? error.message : 'it failed' }
    }
  }

  /** Requests that wait are answered before the stream goes, with what is known. */
  async #sayEnded(reason: string): Promise<void> {
    for (const id of this.#deps.gate.unanswered) {
      await this.refuse(id, McpError.SERVICE_ENDED({ reason }))
    }
  }

  /** One frame after the other, whoever sends it. */
  async send(frame: Uint8Array): Promise<void> {
    const write = this.#lastWrite.then(() => this.#write(this.#deps.channel, frame))
    this.#lastWrite = write.catch(() => {})
    await write
  }

  async #write(pipe: Pick<Pipe, 'write'> | undefined, frame: Uint8Array): Promise<void> {
    this.#ended.signal.throwIfAborted()
    await this.#writes.during(pipe?.write(frame, { signal: this.#ended.signal }))
  }

  #endWhenIdle(): void {
    const { clock, idleMs } = this.#deps
    if (clock.now() - this.#lastFrameMs >= idleMs)
      this.#ended.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
  }

  #drop(cause: unknown): void {
    const { channel } = this.#deps
    const error = cause instanceof Error ? cause : McpError.PIPE_ENDED({ wanted: 'go on' }, cause)
    channel.abort(error)
    this.#ended.abort(error)
  }
}

/** A server may run what it was asked without an id, and nobody would have counted it. */
function admitNotice(method: string, gate: StreamGate): void {
  gate.admit()
  if (method.startsWith('notifications/')) return
  throw McpError.REQUEST_INVALID({ found: 'a request that has no id' })
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
