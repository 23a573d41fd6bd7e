/**
 * The writing half of a channel.
 *
 * Small frames of one turn of the event loop leave as one, because each handing on costs more than
 * its bytes; large ones leave in slices of 256 KiB. Who writes waits while 64 KiB or more do. A
 * stream that takes nothing for long is given up: one timer sees to that, however many frames. The
 * stream's own `onDrain()` never renews its promise (@libp2p/utils 7.4.1), so its events are heard.
 */

import type { Stream } from '@libp2p/interface'
import { type Clock, concatBytes, type Deadline, race } from '../base/index.ts'

export interface ChannelWriterDeps {
  readonly stream: Pick<
    Stream,
    'send' | 'writableNeedsDrain' | 'writeBufferLength' | 'addEventListener'
  >
  readonly clock: Clock
  /** Ends the whole channel. */
  readonly fail: (cause: unknown) => void
  /** Why nothing can be written any more. */
  readonly failure: () => Error | undefined
}

const SLICE_BYTES = 256 * 1_024
/** What may wait to be sent before a writer does. */
const UNSENT_BYTES_MAX = 64 * 1_024

export class ChannelWriter {
  readonly #deps: ChannelWriterDeps
  readonly #stallMs: number
  /** Small frames of this turn of the event loop. */
  #corked: Uint8Array[] = []
  #corkedBytes = 0
  /** Frames that wait for room, one after the other. */
  #last: Promise<void> = Promise.resolve()
  #waiting = 0
  #moved = Promise.withResolvers<void>()
  #movedAtMs = 0
  #stall: Deadline | undefined

  constructor(deps: ChannelWriterDeps, stallMs: number) {
    this.#deps = deps
    this.#stallMs = stallMs
    const moved = () => {
      this.#movedAtMs = deps.clock.now()
      this.wake()
    }
    for (const event of ['drain', 'idle'] as const) deps.stream.addEventListener(event, moved)
  }

  /**
   * Resolves when the parts of a frame are handed on, or will be when this turn of the loop is
   * over.
   */
  async write(parts: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<void> {
    const size = parts.reduce((sum, { length }) => sum + length, 0)
    if (this.#waiting === 0 && size + this.#unsentBytes() <= UNSENT_BYTES_MAX) {
      for (const bytes of parts) this.#cork(bytes)
      return
    }
    this.#waiting += 1
    const sent = this.#last.then(() => this.#send(parts, signal))
    this.#last = sent.catch(() => undefined)
    await race(sent, signal)
  }

  /** Resolves when all that was written is handed on. */
  async flush(): Promise<void> {
    await this.#last
    this.#uncork()
  }

  /** Who waits for room looks again: there is some, or there will never be. */
  wake(): void {
    this.#moved.resolve()
    this.#moved = Promise.withResolvers()
  }

  /** Forgets what was not handed on, and takes the timer away. */
  stop(): void {
    this.#corked = []
    this.#corkedBytes = 0
    this.#stall?.[Symbol.dispose]()
    this.#stall = undefined
    this.wake()
  }

  async #send(parts: readonly Uint8Array[], signal: AbortSignal | undefined): Promise<void> {
    let begun = false
    try {
      for (const slice of parts.flatMap(slicesOf)) {
        await this.#room(signal, begun)
        begun = true
        this.#uncork()
        this.#hand(slice)
        this.#throwIfFailed()
      }
    } finally {
      this.#waiting -= 1
    }
  }

  async #room(signal: AbortSignal | undefined, begun: boolean): Promise<void> {
    try {
      signal?.throwIfAborted()
      while (this.#unsentBytes() >= UNSENT_BYTES_MAX) {
        this.#throwIfFailed()
        await race(this.#moved.promise, signal)
      }
      this.#throwIfFailed()
    } catch (cause) {
      // A frame that stays half written would garble every later one.
      if (begun) this.#deps.fail(cause)
      throw cause
    }
  }

  #throwIfFailed(): void {
    const failure = this.#deps.failure()
    if (failure !== undefined) throw failure
  }

  #unsentBytes(): number {
    return this.#corkedBytes + this.#deps.stream.writeBufferLength
  }

  #cork(bytes: Uint8Array): void {
    if (this.#corked.length === 0) process.nextTick(() => this.#uncork())
    this.#corked.push(bytes)
    this.#corkedBytes += bytes.length
  }

  #uncork(): void {
    const [first, ...rest] = this.#corked
    if (first === undefined) return
    this.#corked = []
    this.#corkedBytes = 0
    this.#hand(rest.length === 0 ? first : concatBytes(first, ...rest))
  }

  /** Gives bytes to the stream, which keeps those that it cannot send at once. */
  #hand(bytes: Uint8Array): void {
    const { stream, clock, fail } = this.#deps
    if (this.#deps.failure() !== undefined) return
    try {
      if (!stream.writableNeedsDrain) this.#movedAtMs = clock.now()
      stream.send(bytes)
      if (stream.writableNeedsDrain && this.#stall === undefined) this.#watch(this.#stallMs)
    } catch (cause) {
      fail(cause)
    }
  }

  #watch(ms: number): void {
    const { stream, clock, fail, failure } = this.#deps
    const stall = clock.deadline(ms)
    this.#stall = stall
    const check = () => {
      this.#stall = undefined
      if (!stream.writableNeedsDrain || failure() !== undefined) return
      const leftMs = this.#movedAtMs + this.#stallMs - clock.now()
      if (leftMs > 0) this.#watch(leftMs)
      else fail(stall.signal.reason)
    }
    stall.signal.addEventListener('abort', check, { once: true })
  }
}

function slicesOf(bytes: Uint8Array): Uint8Array[] {
  const slices: Uint8Array[] = []
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    slices.push(bytes.subarray(at, at + SLICE_BYTES))
  }
  return slices
}
