/**
 * One subscriber's queue of messages, as an async iterator. It holds a bounded number of messages
 * and of bytes; a reader that is slower than the topic loses the oldest, because gossip waits for
 * nobody.
 */

import type { PeerId } from '../identity/index.ts'

/** A message that passed every rule of its topic. */
export interface Message<T> {
  readonly topic: string
  /** Who signed it; who handed it on may be another. */
  readonly from: PeerId
  readonly value: T
  /** When it arrived here: the author's clock is the author's word. */
  readonly atMs: number
  /** Who signed it and its number there; the same at every node. */
  readonly id: string
  /** It was missing, and asked for; so it comes later than those that its author sent after it. */
  readonly repaired?: true
}

export interface SubscriptionDeps {
  readonly queueMax: number
  /** Of messages as they came over the wire; one message is kept whatever its size. */
  readonly queueBytesMax: number
  /** Called for each message that is dropped. */
  readonly dropped: () => void
  /** Called once, when nobody reads any more. */
  readonly left: () => void
}

type Waiting<T> = PromiseWithResolvers<IteratorResult<Message<T>, undefined>>

/** Messages from the moment of its making on, until it is left or the node stops. */
export class Subscription<T> implements AsyncIterableIterator<Message<T>>, AsyncDisposable {
  readonly #deps: SubscriptionDeps
  readonly #queue: { readonly message: Message<T>; readonly bytes: number }[] = []
  readonly #waiting: Waiting<T>[] = []
  #bytes = 0
  #open = true

  constructor(deps: SubscriptionDeps) {
    this.#deps = deps
  }

  /** Hands `message`, of so many bytes on the wire, to whoever waits, or keeps it. */
  push(message: Message<T>, bytes: number): void {
    if (!this.#open) return
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: message })
      return
    }
    this.#queue.push({ message, bytes })
    this.#bytes += bytes
    const { queueMax, queueBytesMax } = this.#deps
    while (
      this.#queue.length > queueMax ||
      (this.#bytes > queueBytesMax && this.#queue.length > 1)
    ) {
      this.#take()
      this.#deps.dropped()
    }
  }

  /** No more will come; what is in the queue can still be read. */
  end(): void {
    if (!this.#open) return
    this.#open = false
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined })
    this.#deps.left()
  }

  next(): Promise<IteratorResult<Message<T>, undefined>> {
    const message = this.#take()
    if (message !== undefined) return Promise.resolve({ done: false, value: message })
    if (!this.#open) return Promise.resolve({ done: true, value: undefined })
    const waiting: Waiting<T> = Promise.withResolvers()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  /** Leaving a `for await` comes here: what was not read is not wanted. */
  return(): Promise<IteratorResult<Message<T>, undefined>> {
    this.#queue.length = 0
    this.#bytes = 0
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  #take(): Message<T> | undefined {
    const taken = this.#queue.shift()
    this.#bytes -= taken?.bytes ?? 0
    return taken?.message
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
