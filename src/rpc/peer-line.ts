/**
 * Our calls to one peer: one stream, opened at the first call, on which they overlap.
 *
 *   closed ──call──▶ opening ──▶ open ──goodbye, error, nobody waiting──▶ closed
 *
 * A call that its caller gave up keeps its place until the answer comes, for the peer still works
 * on it. When all calls on the stream are given up, the stream is dropped: that tells the peer to
 * stop, and frees the places that were never answered.
 */

import { type Clock, race, WorkQueue } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Channel } from '../net/index.ts'
import { type Cbor, WireError } from '../wire/index.ts'
import type { RpcConfig } from './config.ts'
import { RpcError, remoteError } from './errors.ts'
import { FrameWriter } from './frame-writer.ts'
import {
  type Answer,
  decodeAnswer,
  encodeRequest,
  FRAME_BYTES_MAX,
  ID_MAX,
  isMethod,
} from './protocol.ts'

interface Pending {
  readonly method: string
  readonly answered: PromiseWithResolvers<Answer>
  givenUp: boolean
}

/** A stream that is open, and the calls on it that are not answered. */
interface Stream {
  readonly channel: Channel
  readonly writer: FrameWriter
  readonly pending: Map<number, Pending>
  nextId: number
  ended: boolean
}

/** What a line needs. */
export interface PeerLineDeps {
  readonly peer: PeerId
  readonly open: (options: CallOptions) => Promise<Channel>
  readonly clock: Clock
}

export class PeerLine {
  readonly #deps: PeerLineDeps
  readonly #config: RpcConfig
  readonly #turns: WorkQueue
  readonly #aborted = new AbortController()
  #stream: Promise<Stream> | undefined
  /** When a call last began or ended. */
  activeAtMs: number

  constructor(deps: PeerLineDeps, config: RpcConfig) {
    this.#deps = deps
    this.#config = config
    this.#turns = new WorkQueue({
      name: 'rpc calls to one peer',
      concurrentMax: config.inFlightPerPeerMax,
      waitingMax: config.waitingPerPeerMax,
    })
    this.activeAtMs = deps.clock.now()
  }

  get isBusy(): boolean {
    return this.#turns.running + this.#turns.waiting > 0
  }

  /** Resolves with the payload of the answer; rejects with the signal's reason when it aborts. */
  async call(method: string, payload: Cbor, signal: AbortSignal): Promise<Cbor> {
    signal.throwIfAborted()
    this.activeAtMs = this.#deps.clock.now()
    const turn = this.#turns.run(() => this.#exchange(method, payload, signal))
    const answer = await race(turn, signal)
    this.activeAtMs = this.#deps.clock.now()
    if (answer.ok) return answer.payload
    throw remoteError({ peer: this.#deps.peer, method }, answer.failure)
  }

  /** Says goodbye. For a line without calls. */
  async close(): Promise<void> {
    const stream = await this.#stream?.catch(() => undefined)
    await stream?.channel.close().catch(() => undefined)
  }

  /** Fails the calls under way, and all that come. */
  abort(error: Error): void {
    this.#aborted.abort(error)
    void this.#stream?.then(({ channel }) => channel.abort(error)).catch(() => undefined)
  }

  /** Settles when the answer is there or the stream is gone, also when nobody waits any more. */
  async #exchange(method: string, payload: Cbor, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted()
    let stream = await this.#opened()
    while (stream.ended) stream = await this.#opened()
    signal.throwIfAborted()

    const id = stream.nextId
    const frame = this.#encode(id, method, payload)
    const call: Pending = { method, answered: Promise.withResolvers(), givenUp: false }
    const giveUp = () => {
      call.givenUp = true
      dropIfForgotten(stream)
    }
    stream.nextId = (id % ID_MAX) + 1
    stream.pending.set(id, call)
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      // A write that fails breaks the channel, and so the call.
      void stream.writer.write(frame).catch(() => undefined)
      return await call.answered.promise
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  #encode(id: number, method: string, payload: Cbor): Uint8Array {
    if (!isMethod(method)) throw WireError.MALFORMED({ field: 'method', found: method })
    const bytes = encodeRequest({ id, method, payload })
    if (bytes.length <= FRAME_BYTES_MAX) return bytes
    const { peer } = this.#deps
    throw RpcError.REQUEST_TOO_LARGE({ peer, method, size: bytes.length, limit: FRAME_BYTES_MAX })
  }

  /** The stream that is open, or a new one. Calls share the opening, so none of them can end it. */
  #opened(): Promise<Stream> {
    this.#stream ??= this.#open().catch((error: unknown) => {
      this.#stream = undefined
      throw error
    })
    return this.#stream
  }

  async #open(): Promise<Stream> {
    const { open, clock } = this.#deps
    const { callTimeoutMs } = this.#config
    using deadline = clock.deadline(callTimeoutMs, this.#aborted.signal)
    const channel = await open({ signal: deadline.signal })
    const writer = new FrameWriter(channel, { clock, timeoutMs: callTimeoutMs })
    const stream: Stream = { channel, writer, pending: new Map(), nextId: 1, ended: false }
    void this.#readAnswers(stream)
    return stream
  }

  async #readAnswers(stream: Stream): Promise<void> {
    const { channel, pending } = stream
    let reason = 'the peer said goodbye'
    try {
      for (;;) {
        // Waits as long as the stream lives: each call on it has its own deadline.
        const frame = await channel.read()
        if (frame === undefined) break
        const answer = decodeAnswer(frame)
        const call = pending.get(answer.id)
        if (call === undefined) {
          throw WireError.MALFORMED({
            field: 'rpc answer',
            found: 'an id that we did not ask with',
          })
        }
        pending.delete(answer.id)
        call.answered.resolve(answer)
        dropIfForgotten(stream)
      }
      await channel.close()
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
      if (error instanceof Error) channel.abort(error)
    }
    stream.ended = true
    this.#stream = undefined
    for (const { method, answered } of pending.values()) {
      answered.reject(RpcError.CHANNEL_BROKEN({ peer: channel.peer, method, reason }))
    }
    pending.clear()
  }
}

/** Drops the stream when calls on it are open and nobody waits for any of them. */
function dropIfForgotten({ channel, pending }: Stream): void {
  const calls = [...pending.values()]
  if (calls.length === 0 || calls.some(({ givenUp }) => !givenUp)) return
  const { method } = calls[0] ?? { method: '' }
  channel.abort(RpcError.CANCELLED({ peer: channel.peer, method }))
}
