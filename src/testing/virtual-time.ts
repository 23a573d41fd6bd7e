/**
 * Time that moves only when everything that could happen now has happened.
 *
 * `drive` runs one event after another, soonest first; between two of them it lets Node run every
 * microtask and every tick. Promises, streams and libp2p therefore run as they are, a minute of
 * idling costs nothing, and the same seed gives the same order of events.
 *
 * What the operating system does in its own time, such as reading a file, is no event: `hold` lets
 * time stand still for as long as it takes.
 */

import { TestingError } from './errors.ts'
import { EventHeap, type TimedEvent } from './event-heap.ts'

/** Taken before anything is replaced: one turn of the real event loop. */
const realTurn = globalThis.setImmediate
const realNow = performance.now.bind(performance)

/** Where every simulation begins, 2027-01-15T08:00:00Z; old enough for no certificate. */
export const EPOCH_MS = 1_800_000_000_000
/** So long may the real world take while time stands still; then something waits for itself. */
const HELD_MS_MAX = 120_000

export class VirtualTime {
  readonly #heap = new EventHeap()
  readonly #seed: number
  #nowMs = EPOCH_MS
  #held = 0
  #steps = 0

  constructor(seed: number) {
    this.#seed = seed
  }

  /** Milliseconds since the Unix epoch, with fractions. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Milliseconds since the simulation began. */
  get elapsedMs(): number {
    return this.#nowMs - EPOCH_MS
  }

  /** Events that happened. */
  get steps(): number {
    return this.#steps
  }

  /** Events to come: timers that are set, and packets on their way. */
  get pending(): number {
    return this.#heap.size
  }

  /** Lets `run` happen after `delayMs`; of two at the same time the one with the lower tie. */
  after(delayMs: number, tie: number, run: () => void): TimedEvent {
    return this.#heap.add(this.#nowMs + Math.max(0, delayMs), tie, run)
  }

  callOff(event: TimedEvent): void {
    this.#heap.callOff(event)
  }

  /**
   * The order among timers of different length that end at once, which Node leaves open: another
   * seed tries another. Those of the same length end in the order they were set, as in Node.
   */
  tieOf(delayMs: number): number {
    const mixed = Math.imul(delayMs ^ this.#seed, 0x9e37_79b1)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }

  /** Resolves `ms` later. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, this.tieOf(ms), resolve)
    })
  }

  /** Time stands still until `work` is done; it must not wait for time to pass. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#held += 1
    try {
      return await work()
    } finally {
      this.#held -= 1
    }
  }

  /** Lets events happen until `work` has settled. Rejects when it never can. */
  async drive<T>(work: Promise<T>): Promise<T> {
    let settled = false
    const finish = () => {
      settled = true
    }
    work.then(finish, finish)
    await new Promise<void>((resolve, reject) => {
      let heldSinceMs = 0
      const turn = () => {
        try {
          if (settled) {
            resolve()
            return
          }
          if (this.#held > 0) {
            heldSinceMs ||= realNow()
            if (realNow() - heldSinceMs > HELD_MS_MAX) {
              throw TestingError.TIME_HELD({ heldMs: HELD_MS_MAX, atMs: this.elapsedMs })
            }
          } else {
            heldSinceMs = 0
            this.#step()
          }
          realTurn(turn)
        } catch (error) {
          reject(error instanceof Error ? error : new TypeError(String(error)))
        }
      }
      // Two turns: what was begun before this call may still be under way.
      realTurn(() => realTurn(turn))
    })
    return work
  }

  #step(): void {
    const event = this.#heap.next()
    if (event === undefined) throw TestingError.NOTHING_LEFT({ atMs: this.elapsedMs })
    this.#nowMs = Math.max(this.#nowMs, event.atMs)
    this.#steps += 1
    event.run()
  }
}
