/**
 * Frames written to a channel one after the other, by many callers at once.
 *
 * A frame that stops half-way would make nonsense of all that follow, so no caller can take one
 * back; a reader that takes nothing for too long breaks the channel instead.
 */

import type { Clock } from '../base/index.ts'
import type { Channel } from '../net/index.ts'

export class FrameWriter {
  readonly #channel: Pick<Channel, 'write' | 'abort' | 'closed'>
  readonly #clock: Clock
  readonly #timeoutMs: number
  #last: Promise<void> = Promise.resolve()

  constructor(
    channel: Pick<Channel, 'write' | 'abort' | 'closed'>,
    limits: { readonly clock: Clock; readonly timeoutMs: number },
  ) {
    this.#channel = channel
    this.#clock = limits.clock
    this.#timeoutMs = limits.timeoutMs
  }

  /** Resolves when the frame is handed on; rejects when the channel is broken. */
  write(frame: Uint8Array): Promise<void> {
    const written = this.#last.then(() => this.#writeNow(frame))
    this.#last = written.catch(() => undefined)
    return written
  }

  async #writeNow(frame: Uint8Array): Promise<void> {
    this.#channel.closed.throwIfAborted()
    using deadline = this.#clock.deadline(this.#timeoutMs)
    try {
      await this.#channel.write(frame, { signal: deadline.signal })
    } catch (error) {
      if (error instanceof Error) this.#channel.abort(error)
      throw error
    }
  }
}
