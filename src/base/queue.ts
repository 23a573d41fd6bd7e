/** Bounded work: so many at once, so many waiting, and `BASE_BUSY` for the next. */

import PQueue from 'p-queue'
import { BaseError } from './base-errors.ts'

/** `name` stands in the error; `waitingMax` may be zero. */
export interface WorkQueueLimits {
  readonly name: string
  readonly concurrentMax: number
  readonly waitingMax: number
}

/** First come, first served. */
export class WorkQueue {
  readonly #queue: PQueue
  readonly #limits: WorkQueueLimits

  constructor(limits: WorkQueueLimits) {
    this.#limits = limits
    this.#queue = new PQueue({ concurrency: limits.concurrentMax })
  }

  /** Work that has begun. */
  get running(): number {
    return this.#queue.pending
  }

  get waiting(): number {
    return this.#queue.size
  }

  /** Runs `work` when its turn comes; refuses at once when too much waits already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const { name, concurrentMax, waitingMax } = this.#limits
    if (this.running >= concurrentMax && this.waiting >= waitingMax) {
      throw BaseError.BUSY({ queue: name, waiting: this.waiting, limit: waitingMax })
    }
    return this.#queue.add(work)
  }
}
