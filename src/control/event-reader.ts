/**
 * One reader of events, over whichever protocol: what waits for it is bounded in number and in
 * bytes, and what it missed is told.
 */

const WAITING_MAX = 256
const WAITING_BYTES_MAX = 8_388_608
/** Heartbeats that a reader may leave unread: a minute, at one in 15 s. */
const UNREAD_BEATS_MAX = 4

/** Where events go: a stream that says when it has enough. */
export interface EventSink<Item> {
  /** What has been written waits; `onDrain` says when it does no more. */
  readonly isFull: boolean
  onDrain(flush: () => void): void
  onClose(closed: () => void): void
  write(item: Item): void
  /** So many items were left out. */
  lagged(missed: number): void
  /** So that both ends and what stands between them see that the stream lives. */
  beat(): void
  bytesOf(item: Item): number
  end(): void
  /** Ends it without waiting for what has not been read. */
  cut(): void
}

interface Waiting<Item> {
  readonly item: Item
  readonly bytes: number
  readonly written?: () => void
}

export class EventReader<Item> {
  readonly #sink: EventSink<Item>
  readonly #waiting: Waiting<Item>[] = []
  #waitingBytes = 0
  #missed = 0
  #unreadBeats = 0

  constructor(sink: EventSink<Item>) {
    this.#sink = sink
    sink.onDrain(() => this.#flush())
  }

  /** Hands on one event, or counts it as missed. */
  push(item: Item): void {
    const bytes = this.#sink.bytesOf(item)
    const fits = this.#waitingBytes + bytes <= WAITING_BYTES_MAX || this.#waiting.length === 0
    if (this.#waiting.length >= WAITING_MAX || !fits) {
      this.#missed += 1
      return
    }
    this.#put({ item, bytes })
  }

  /** Hands on what is kept until it is written: resolves then. One at a time, and no more. */
  async hand(item: Item): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#put({ item, bytes: this.#sink.bytesOf(item), written: resolve })
    await promise
  }

  /** Lets one go that has not read for too long. */
  beat(): void {
    if (!this.#sink.isFull) {
      this.#unreadBeats = 0
      this.#sink.beat()
      return
    }
    this.#unreadBeats += 1
    if (this.#unreadBeats >= UNREAD_BEATS_MAX) this.#sink.cut()
  }

  end(): void {
    this.#sink.end()
  }

  /** Resolves when the stream is over, from whichever side. */
  async ended(gone: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#sink.onClose(() => resolve())
    if (gone.aborted) resolve()
    await promise
  }

  #put(waiting: Waiting<Item>): void {
    this.#waiting.push(waiting)
    this.#waitingBytes += waiting.bytes
    this.#flush()
  }

  #flush(): void {
    while (!this.#sink.isFull) {
      const next = this.#waiting.shift()
      if (next === undefined) {
        this.#lagged()
        return
      }
      this.#waitingBytes -= next.bytes
      this.#sink.write(next.item)
      next.written?.()
    }
  }

  #lagged(): void {
    if (this.#missed === 0) return
    const missed = this.#missed
    this.#missed = 0
    this.#sink.lagged(missed)
  }
}
