/**
 * Carries one peer's stream to what serves it and back.
 *
 * Frames pass as they came; they are read only to check them, to admit requests and to match
 * answers. Each direction holds one frame at a time: whoever does not read stops whoever writes,
 * and after a while the stream is dropped. Nothing of one stream is seen by another.
 */

import { type Clock, type Deadline, every, type Logger, withCorrelation } from '../base/index.ts'
import type { Channel } from '../net/index.ts'
import { McpError } from './errors.ts'
import type { StreamGate } from './gate.ts'
import type { Pipe } from './pipe.ts'
import {
  calledTool,
  correlationOf,
  encodeMessage,
  parseFrame,
  type RpcId,
  type RpcMessage,
  readMessage,
  refusalFrame,
  timeoutOf,
} from './protocol.ts'

/** How long a peer or a service may leave a frame unread. */
const WRITE_TIMEOUT_MS = 30_000
const IDLE_CHECKS = 10

export interface BridgeDeps {
  readonly channel: Channel
  readonly gate: StreamGate
  readonly clock: Clock
  readonly log: Logger
  readonly idleMs: number
}

export class Bridge {
  readonly #deps: BridgeDeps
  readonly #ended = new AbortController()
  #backend: Pipe | undefined
  #lastFrameMs: number
  /** When each write that has not ended began, oldest first; and the one timer that looks. */
  readonly #writes = new Set<{ readonly sinceMs: number }>()
  #stall: Deadline | undefined
  readonly #stuck = Promise.withResolvers<never>()
  #lastWrite: Promise<void> = Promise.resolve()

  constructor(deps: BridgeDeps) {
    this.#deps = deps
    this.#lastFrameMs = deps.clock.now()
    this.#stuck.promise.catch(() => {})
  }

  /** Carries frames until either side ends, starting with the one that was read already. */
  async run(backend: Pipe, first: Uint8Array): Promise<void> {
    this.#backend = backend
    const { channel, clock, idleMs } = this.#deps
    const { signal } = this.#ended
    try {
      await Promise.race([this.#toBackend(first), this.#stuck.promise])
      const watch = every(clock, idleMs / IDLE_CHECKS, () => this.#endWhenIdle(), signal)
      const answers = this.#fromBackend(backend)
      const left = [this.#fromPeer(), watch, aborted(channel.closed)]
      const how = await Promise.race([...left, answers, this.#stuck.promise])
      if (how !== undefined) await this.#sayEnded(how)
    } catch (error) {
      // Ending it ourselves stops the reads that wait, which is no failure.
      if (!signal.aborted) throw error
    } finally {
      this.end()
      await Promise.all([backend.close(), channel.close().catch(() => {})])
    }
  }

  /** Whether the message may pass; a request that may not is answered here. */
  async admits(message: RpcMessage): Promise<boolean> {
    const id = correlationOf(message)
    return id === undefined
      ? this.#decide(message)
      : withCorrelation(id, () => this.#decide(message))
  }

  async #decide(message: RpcMessage): Promise<boolean> {
    const { gate, log, channel } = this.#deps
    if (message.kind === 'answer') return gate.wasAsked(message.id)
    try {
      if (message.kind === 'request') {
        gate.enter(message.id, message.method, timeoutOf(message))
        const tool = calledTool(message)
        if (tool !== undefined) gate.calls(message.id, tool)
      } else gate.admit()
      log.debug('request of a peer', { peer: channel.peer, method: message.method })
      return true
    } catch (error) {
      log.debug('request refused', { peer: channel.peer, method: message.method, error })
      if (message.kind === 'request') await this.refuse(message.id, error)
      return false
    }
  }

  /** Answers a request with an error of ours. */
  async refuse(id: RpcId, error: unknown): Promise<void> {
    await this.#toPeer(refusalFrame(id, error))
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
    this.#stall?.[Symbol.dispose]()
  }

  async #fromPeer(): Promise<void> {
    const { channel } = this.#deps
    for (;;) {
      const frame = await channel.read({ signal: this.#ended.signal })
      if (frame === undefined) return
      const message = readMessage(parseFrame(frame))
      if (await this.admits(message)) await this.#toBackend(frame)
    }
  }

  async #toBackend(frame: Uint8Array): Promise<void> {
    this.#lastFrameMs = this.#deps.clock.now()
    await this.#write(this.#backend, frame)
  }

  /** Resolves with the reason when what serves the stream is gone. */
  async #fromBackend(backend: Pipe): Promise<string> {
    const { gate } = this.#deps
    for (;;) {
      const frame = await this.#readFrom(backend)
      if (!(frame instanceof Uint8Array)) return frame.reason
      this.#lastFrameMs = this.#deps.clock.now()
      const message = readMessage(parseFrame(frame))
      if (message.kind === 'request') gate.ask(message.id)
      // The answer to a request that was given up, or was never made, is nobody's.
      if (message.kind === 'answer' && !gate.answered(message.id, message.failed)) continue
      await this.#toPeer(frame)
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
  async #toPeer(frame: Uint8Array): Promise<void> {
    const write = this.#lastWrite.then(() => this.#write(this.#deps.channel, frame))
    this.#lastWrite = write.catch(() => {})
    await write
  }

  async #write(pipe: Pick<Pipe, 'write'> | undefined, frame: Uint8Array): Promise<void> {
    this.#ended.signal.throwIfAborted()
    const write = { sinceMs: this.#deps.clock.now() }
    this.#writes.add(write)
    if (this.#stall === undefined) this.#watchWrites(WRITE_TIMEOUT_MS)
    try {
      await pipe?.write(frame, { signal: this.#ended.signal })
    } finally {
      this.#writes.delete(write)
    }
  }

  /** One timer for all writes, most of which end before it could be set. */
  #watchWrites(ms: number): void {
    const { clock } = this.#deps
    const stall = clock.deadline(ms)
    this.#stall = stall
    const check = () => {
      this.#stall = undefined
      const [oldest] = this.#writes
      if (oldest === undefined) return
      const leftMs = oldest.sinceMs + WRITE_TIMEOUT_MS - clock.now()
      if (leftMs > 0) this.#watchWrites(leftMs)
      else this.#stuck.reject(stall.signal.reason)
    }
    stall.signal.addEventListener('abort', check, { once: true })
  }

  #endWhenIdle(): void {
    const { clock, idleMs } = this.#deps
    if (clock.now() - this.#lastFrameMs >= idleMs)
      this.#ended.abort(McpError.PIPE_ENDED({ wanted: 'go on' }))
  }

  #drop(cause: unknown): void {
    const { channel } = this.#deps
    channel.abort(cause instanceof Error ? cause : McpError.PIPE_ENDED({ wanted: 'go on' }, cause))
    this.#ended.abort()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
