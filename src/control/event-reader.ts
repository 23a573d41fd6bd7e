/** One reader of server-sent events: what waits for it is bounded, and what it missed is told. */

import type { ServerResponse } from 'node:http'

const WAITING_MAX = 256
/** Heartbeats that a reader may leave unread: a minute, at one in 15 s. */
const UNREAD_BEATS_MAX = 4

export class EventReader {
  readonly #response: ServerResponse
  readonly #waiting: string[] = []
  #missed = 0
  #unreadBeats = 0

  constructor(response: ServerResponse) {
    this.#response = response
    response.on('drain', () => this.#flush())
  }

  /** Hands on one event in the form of the stream, or counts it as missed. */
  push(text: string): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#missed += 1
      return
    }
    this.#waiting.push(text)
    this.#flush()
  }

  /** A comment, so that both ends and what stands between them see that the stream lives. */
  beat(): void {
    if (!this.#response.writableNeedDrain) {
      this.#unreadBeats = 0
      this.#response.write(': heartbeat\n\n')
      return
    }
    this.#unreadBeats += 1
    if (this.#unreadBeats >= UNREAD_BEATS_MAX) this.#response.destroy()
  }

  end(): void {
    this.#response.end()
  }

  /** Resolves when the stream is over, from whichever side. */
  async ended(gone: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#response.once('close', () => resolve())
    if (gone.aborted) resolve()
    await promise
  }

  #flush(): void {
    while (!this.#response.writableNeedDrain) {
      const text = this.#waiting.shift() ?? this.#lagged()
      if (text === undefined) return
      this.#response.write(text)
    }
  }

  /** Has no id: it is of this reader alone. */
  #lagged(): string | undefined {
    if (this.#missed === 0) return undefined
    const missed = this.#missed
    this.#missed = 0
    return `event: lagged\ndata: ${JSON.stringify({ event: 'lagged', missed })}\n\n`
  }
}
