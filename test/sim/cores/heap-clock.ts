/** The `Clock` of production code that runs on the heap; time passes as events happen. */

import { BaseError, type Clock, type Deadline, joinDeadline } from '../../../src/base/index.ts'
import type { EventHeap } from './heap.ts'

/** A day of 2023: records say when they were issued, and zero is no such time. */
const START_MS = 1_700_000_000_000

export class HeapClock implements Clock {
  readonly #heap: EventHeap

  constructor(heap: EventHeap) {
    this.#heap = heap
  }

  now(): number {
    return START_MS + Math.floor(this.#heap.nowMs)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal?.reason as Error)
      if (signal?.aborted === true) {
        stop()
        return
      }
      signal?.addEventListener('abort', stop, { once: true })
      this.#heap.after(ms, () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      })
    })
  }

  deadline(ms: number, signal?: AbortSignal): Deadline {
    const timer = new AbortController()
    let over = false
    this.#heap.after(ms, () => {
      if (!over) timer.abort(BaseError.DEADLINE({ afterMs: ms }))
    })
    return joinDeadline(timer, () => (over = true), signal)
  }
}
