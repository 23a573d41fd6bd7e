/** Who wants to hear that a list has changed: at once, and of a burst of changes once more. */

import type { Clock } from '../base/index.ts'

/** Whatever follows a change within this time is told together. */
const BURST_MS = 1_000

export class Watchers {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #listeners = new Set<() => void>()
  #inBurst = false
  #more = false

  /** Nobody is told any more once `signal` has aborted. */
  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
  }

  get size(): number {
    return this.#listeners.size
  }

  add(listener: () => void): () => void {
    // One entry for each call, also when the same listener is given twice.
    const watcher = () => listener()
    this.#listeners.add(watcher)
    return () => this.#listeners.delete(watcher)
  }

  tell(): void {
    if (this.#listeners.size === 0 || this.#signal.aborted) return
    if (this.#inBurst) {
      this.#more = true
      return
    }
    this.#inBurst = true
    for (const listener of [...this.#listeners]) listener()
    void this.#calm()
  }

  async #calm(): Promise<void> {
    await this.#clock.sleep(BURST_MS, this.#signal).catch(() => undefined)
    this.#inBurst = false
    const isMore = this.#more
    this.#more = false
    if (isMore) this.tell()
  }
}
