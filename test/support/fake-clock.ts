/** Time that moves when the test says so, and never otherwise. */

import { setImmediate } from 'node:timers/promises'
import { BaseError, type Clock, type Deadline, joinDeadline } from '../../src/base/index.ts'

interface Waiting {
  readonly at: number
  readonly fire: () => void
}

export class FakeClock implements Clock {
  #now: number
  readonly #waiting = new Set<Waiting>()

  constructor(startMs = 0) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wait = { at: this.#now + ms, fire: resolve }
      const stop = () => {
        this.#waiting.delete(wait)
        reject(signal?.reason as Error)
      }
      if (signal?.aborted === true) stop()
      else {
        this.#waiting.add(wait)
        signal?.addEventListener('abort', stop, { once: true })
      }
    })
  }

  deadline(ms: number, signal?: AbortSignal): Deadline {
    const timer = new AbortController()
    const fire = () => timer.abort(BaseError.DEADLINE({ afterMs: ms }))
    const wait = { at: this.#now + ms, fire }
    this.#waiting.add(wait)
    return joinDeadline(timer, () => this.#waiting.delete(wait), signal)
  }

  /** How many sleeps and deadlines have not fired: zero when nothing was left behind. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Moves time on and fires, in order, whatever falls due; lets pending work settle around it. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await setImmediate()
    for (;;) {
      const due = [...this.#waiting].filter((wait) => wait.at <= until)
      const next = due.sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#waiting.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.fire()
      await setImmediate()
    }
    this.#now = until
    await setImmediate()
  }
}
