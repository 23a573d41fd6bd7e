/**
 * One subscriber's queue of messages, as an async iterator. It holds a bounded number; a reader
 * that is slower than the topic loses the oldest, because gossip waits for nobody.
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
}

export interface SubscriptionDeps {
  readonly queueMax: number
  /** Called for each message that is dropped. */
  readonly dropped: () => void
  /** Called once, when nobody reads any more. */
  readonly left: () => void
}

type Waiting<T> = PromiseWithResolvers<IteratorResult<Message<T>, undefined>>

/** Messages from the moment of its making on, until it is left or the node stops. */
export class Subscription<T> implements AsyncIterableIterator<Message<T>>, AsyncDisposable {
  readonly #deps: SubscriptionDeps
  readonly #queue: Message<T>[] = []
  readonly #waiting: Waiting<T>[] = []
  #open = true

  constructor(deps: SubscriptionDeps) {
    this.#deps = deps
  }

  /** Hands `message` to whoever waits, or keeps it. */
  push(message: Message<T>): void {
    if (!this.#open) return
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      waiting.resolve({ done: false, value: message })
      return
    }
    this.#queue.push(message)
    if (this.#queue.length <= this.#deps.queueMax) return
    this.#queue.shift()
    this.#deps.dropped()
  }

  /** No more will come; what is in the queue can still be read. */
  end(): void {
    if (!this.#open) return
    this.#open = false
    for (const { resolve } of this.#waiting.splice(0)) resolve({ done: true, value: undefined })
    this.#deps.left()
  }

  next(): Promise<IteratorResult<Message<T>, undefined>> {
    const message = this.#queue.shift()
    if (message !== undefined) return Promise.resolve({ done: false, value: message })
    if (!this.#open) return Promise.resolve({ done: true, value: undefined })
    const waiting: Waiting<T> = Promise.withResolvers()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  /** Leaving a `for await` comes here: what was not read is not wanted. */
  return(): Promise<IteratorResult<Message<T>, undefined>> {
    this.#queue.length = 0
    this.end()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}
