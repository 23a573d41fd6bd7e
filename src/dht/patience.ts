/**
 * How long a question keeps its place. Whoever is silent for longer than answers usually take may
 * still answer, but somebody else is asked meanwhile: so dead peers, and liars who keep silent,
 * hold up a lookup for a second and not for as long as a question may take.
 *
 * What is usual is the median of the last answers: who is slow on purpose cannot move it while
 * most are honest. Where the whole network is slow, patience grows with it.
 */

import type { Clock, Deadline } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

/** Datagrams are sent again twice within this; a connection over half the globe fits as well. */
export const SLOW_MS_MIN = 1_000
const MEDIANS = 3
const SAMPLES = 33

/** How long the last answers took. */
export class AnswerTimes {
  readonly #samplesMs: number[] = []
  #next = 0

  add(ms: number): void {
    this.#samplesMs[this.#next] = ms
    this.#next = (this.#next + 1) % SAMPLES
  }

  /** After so long without an answer a peer is slow. */
  slowMs(): number {
    const sorted = this.#samplesMs.toSorted((a, b) => a - b)
    const median = sorted[sorted.length >>> 1] ?? 0
    return Math.max(SLOW_MS_MIN, MEDIANS * median)
  }
}

/** One question on its way. */
interface Pending {
  readonly peer: PeerId
  readonly sinceMs: number
  /** Whether that it takes too long was told. */
  isSlow: boolean
}

/** Tells, once for each question, that its answer takes too long; one timer serves them all. */
export class Patience {
  readonly #clock: Clock
  readonly #times: AnswerTimes
  readonly #slow: (peer: PeerId) => void
  /** Oldest first. */
  readonly #pending = new Set<Pending>()
  #timer: Deadline | undefined
  #stopped = false

  constructor(clock: Clock, times: AnswerTimes, slow: (peer: PeerId) => void) {
    this.#clock = clock
    this.#times = times
    this.#slow = slow
  }

  asked(peer: PeerId): Pending {
    const pending = { peer, sinceMs: this.#clock.now(), isSlow: false }
    if (this.#stopped) return pending
    this.#pending.add(pending)
    if (this.#timer === undefined) this.#wait(this.#times.slowMs())
    return pending
  }

  /** The question has ended; how long an answer took counts for the next. */
  ended(pending: Pending, answered: boolean): void {
    this.#pending.delete(pending)
    if (answered) this.#times.add(Math.max(0, this.#clock.now() - pending.sinceMs))
  }

  stop(): void {
    this.#stopped = true
    this.#pending.clear()
    this.#timer?.[Symbol.dispose]()
  }

  /** The oldest is slow first: whoever comes while it is waited for needs no timer of its own. */
  #wait(ms: number): void {
    if (this.#timer !== undefined) return
    const timer = this.#clock.deadline(ms)
    timer.signal.addEventListener('abort', () => this.#look(), { once: true })
    this.#timer = timer
  }

  #look(): void {
    this.#timer = undefined
    const slowMs = this.#times.slowMs()
    for (const pending of this.#pending) {
      const leftMs = pending.sinceMs + slowMs - this.#clock.now()
      if (leftMs > 0) {
        // Longer than it can be: the clock was set back.
        this.#wait(Math.min(leftMs, slowMs))
        return
      }
      this.#pending.delete(pending)
      pending.isSlow = true
      this.#slow(pending.peer)
      if (this.#stopped) return
    }
  }
}
