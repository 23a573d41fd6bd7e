/**
 * The counters of one run of a peer that were seen: each counts once, and none below those
 * remembered. A sender numbers all its packets in one row, so the gaps are wide and the counters
 * are kept as they are, in order.
 */

const WINDOW = 64

export class CounterWindow {
  readonly #counters: number[] = []
  #floor = -1

  has(counter: number): boolean {
    return counter <= this.#floor || this.#counters.includes(counter)
  }

  add(counter: number): void {
    const counters = this.#counters
    let at = counters.length
    while (at > 0 && (counters[at - 1] ?? 0) > counter) at -= 1
    counters.splice(at, 0, counter)
    if (counters.length > WINDOW) this.#floor = counters.shift() ?? this.#floor
  }
}
