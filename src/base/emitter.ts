/** Typed events that go up. A listener that throws harms neither the sender nor its neighbours. */

import { assert } from './assert.ts'

/** Enough for every subscriber a node has; more is a leak, and stops the program. */
const LISTENERS_MAX = 1_000

/** One call of `on`: the same listener given twice is called twice, and taken away once. */
interface Subscription {
  readonly listener: (payload: never) => void
}

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Subscription>>()
  readonly #onError: (error: unknown) => void

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError
  }

  /** Calls `listener` at every `event`; the function returned takes it away again. */
  on<Name extends keyof Events>(
    event: Name,
    listener: (payload: Events[Name]) => void,
  ): () => void {
    const known = this.#listeners.get(event) ?? new Set()
    this.#listeners.set(event, known)
    const subscription = { listener }
    known.add(subscription)
    assert(known.size <= LISTENERS_MAX, `an event has at most ${LISTENERS_MAX} listeners`)
    return () => known.delete(subscription)
  }

  emit<Name extends keyof Events>(event: Name, payload: Events[Name]): void {
    const known = this.#listeners.get(event) ?? new Set()
    for (const subscription of [...known]) {
      if (!known.has(subscription)) continue
      try {
        ;(subscription.listener as (payload: Events[Name]) => void)(payload)
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}
