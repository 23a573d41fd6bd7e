/** Tells when a write has waited too long: one timer for all; most end before it is set. */

import type { Clock, Deadline } from '../base/index.ts'

interface Write {
  readonly sinceMs: number
}

export class WriteWatch {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #stalled: (reason: unknown) => void
  /** When each write that has not ended began, oldest first. */
  readonly #writes = new Set<Write>()
  #timer: Deadline | undefined

  /** `stalled` is told once, of the first write that took longer than `timeoutMs`. */
  constructor(clock: Clock, timeoutMs: number, stalled: (reason: unknown) => void) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#stalled = stalled
  }

  async during(write: Promise<void> | undefined): Promise<void> {
    const begun = { sinceMs: this.#clock.now() }
    this.#writes.add(begun)
    if (this.#timer === undefined) this.#watch(this.#timeoutMs)
    try {
      await write
    } finally {
      this.#writes.delete(begun)
    }
  }

  stop(): void {
    this.#timer?.[Symbol.dispose]()
  }

  #watch(ms: number): void {
    const timer = this.#clock.deadline(ms)
    this.#timer = timer
    const check = () => {
      this.#timer = undefined
      const [oldest] = this.#writes
      if (oldest === undefined) return
      const leftMs = oldest.sinceMs + this.#timeoutMs - this.#clock.now()
      if (leftMs > 0) this.#watch(leftMs)
      else this.#stalled(timer.signal.reason)
    }
    timer.signal.addEventListener('abort', check, { once: true })
  }
}
