/**
 * What is still to happen, soonest first: a binary heap.
 *
 * Equal times are ordered by `tie`, then by which was added first. Most timers are deadlines that
 * are called off; they stay until their time comes, or until they are the larger part of the heap
 * and are swept out together, so that calling one off costs nothing.
 */

export interface TimedEvent {
  readonly atMs: number
  readonly tie: number
  readonly order: number
  /** Null once it is called off, or has happened. */
  run: (() => void) | null
}

/** With fewer called off it is not worth the sweep. */
const SWEEP_MIN = 1_024

export class EventHeap {
  #heap: TimedEvent[] = []
  #added = 0
  #calledOff = 0

  /** How many are to happen. */
  get size(): number {
    return this.#heap.length - this.#calledOff
  }

  add(atMs: number, tie: number, run: () => void): TimedEvent {
    const event = { atMs, tie, order: this.#added, run }
    this.#added += 1
    this.#heap.push(event)
    this.#rise(this.#heap.length - 1)
    return event
  }

  /** Calling off what has happened, or is called off, does nothing. */
  callOff(event: TimedEvent): void {
    if (event.run === null) return
    event.run = null
    this.#calledOff += 1
    if (this.#calledOff > SWEEP_MIN && this.#calledOff > this.#heap.length / 2) this.#sweep()
  }

  /** Takes the soonest out. */
  next(): (TimedEvent & { readonly run: () => void }) | undefined {
    for (;;) {
      const [first] = this.#heap
      const last = this.#heap.pop()
      if (first === undefined || last === undefined) return undefined
      if (first !== last) {
        this.#heap[0] = last
        this.#sink(0)
      }
      const { atMs, tie, order, run } = first
      if (run !== null) {
        first.run = null
        return { atMs, tie, order, run }
      }
      this.#calledOff -= 1
    }
  }

  #sweep(): void {
    this.#heap = this.#heap
      .filter(({ run }) => run !== null)
      .sort((a, b) => (before(a, b) ? -1 : 1))
    this.#calledOff = 0
  }

  #rise(from: number): void {
    const heap = this.#heap
    const event = heap[from] as TimedEvent
    let at = from
    while (at > 0) {
      const up = (at - 1) >> 1
      const parent = heap[up] as TimedEvent
      if (!before(event, parent)) break
      heap[at] = parent
      at = up
    }
    heap[at] = event
  }

  #sink(from: number): void {
    const heap = this.#heap
    const event = heap[from] as TimedEvent
    let at = from
    for (;;) {
      let down = 2 * at + 1
      if (down >= heap.length) break
      if (
        down + 1 < heap.length &&
        before(heap[down + 1] as TimedEvent, heap[down] as TimedEvent)
      ) {
        down += 1
      }
      const child = heap[down] as TimedEvent
      if (!before(child, event)) break
      heap[at] = child
      at = down
    }
    heap[at] = event
  }
}

function before(a: TimedEvent, b: TimedEvent): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs
  return a.tie === b.tie ? a.order < b.order : a.tie < b.tie
}
