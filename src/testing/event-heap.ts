/**
 * What is still to happen, soonest first.
 *
 * Equal times are ordered by `tie`, then by which was added first. Most timers are deadlines that
 * are called off; they stay until their time comes, or until they are the larger part of the heap
 * and are swept out together, so that calling one off costs nothing.
 */

import { PriorityQueue } from '../base/index.ts'

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
  #heap = new PriorityQueue<TimedEvent>([], compareEvents)
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
      const first = this.#heap.pop()
      if (first === undefined) return undefined
      const { atMs, tie, order, run } = first
      if (run !== null) {
        first.run = null
        return { atMs, tie, order, run }
      }
      this.#calledOff -= 1
    }
  }

  #sweep(): void {
    const left = this.#heap.data.filter(({ run }) => run !== null)
    this.#heap = new PriorityQueue(left, compareEvents)
    this.#calledOff = 0
  }
}

function compareEvents(a: TimedEvent, b: TimedEvent): number {
  return a.atMs - b.atMs || a.tie - b.tie || a.order - b.order
}
