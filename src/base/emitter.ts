/** Typed events that go up. A listener that throws harms neither the sender nor its neighbours. */

import { assert } from './assert.ts'

/** Enough for every subscriber a node has; more is a leak, and stops the program. */
const LISTENERS_MAX = 1_000

export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>()
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
    known.add(listener)
    assert(known.size <= LISTENERS_MAX, `an event has at most ${LISTENERS_MAX} listeners`)
    return () => known.delete(listener)
  }

  emit<Name extends keyof Events>(event: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        ;(listener as (payload: Events[Name]) => void)(payload)
      } catch (error) {
        this.#onError(error)
      }
    }
  }
}
