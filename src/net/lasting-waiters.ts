/** Waiting: for the next change of something, and for one's turn. */

import { race } from '../base/index.ts'

/** Those who wait for the next change, all woken together; none is kept after. */
export class Waiters {
  #waiting = new Set<() => void>()

  wake(): void {
    const woken = this.#waiting
    this.#waiting = new Set()
    for (const wake of woken) wake()
  }

  /** Resolves at the next `wake`, or rejects with the signal's reason if that comes first. */
  next(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error)
        return
      }
      const waiting = this.#waiting
      const wake = () => {
        signal?.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = () => {
        waiting.delete(wake)
        reject(signal?.reason as Error)
      }
      waiting.add(wake)
      signal?.addEventListener('abort', giveUp, { once: true })
    })
  }
}

/** Work that is done one after the other, in the order in which it was asked for. */
export class Turns {
  #waiting = 0
  #last: Promise<void> = Promise.resolve()

  /** Those at work, and those before it. */
  get waiting(): number {
    return this.#waiting
  }

  /** Rejects with the signal's reason if that comes before its turn. */
  async run(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const before = this.#last
    const mine = Promise.withResolvers<void>()
    this.#last = mine.promise
    this.#waiting += 1
    try {
      await race(before, signal)
      await work()
    } finally {
      this.#waiting -= 1
      // Who gives up while it waits must not let the next one pass those before it.
      void before.then(mine.resolve)
    }
  }
}
