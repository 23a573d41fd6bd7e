/**
 * Virtual time for ten thousand nodes: what is to happen, in a binary heap by (time, sequence).
 *
 * Two events of one time happen in the order in which they were posted, so a run is a function of
 * its seed alone. What travels between nodes is noted in a hash: equal hashes, equal runs.
 */

import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

interface Entry {
  readonly atMs: number
  readonly sequence: number
  readonly happen: () => void
}

/** Turns of the event loop in which all that does not wait for the heap comes to rest. */
const TURNS = 3
const NOTE_BYTES = 20
const NOTES_PER_BLOCK = 4_096

export class EventHeap {
  nowMs = 0
  /** Messages noted so far. */
  notes = 0
  readonly #entries: Entry[] = []
  readonly #hash = createHash('sha256')
  readonly #block = Buffer.alloc(NOTE_BYTES * NOTES_PER_BLOCK)
  #used = 0
  #sequence = 0

  get waiting(): number {
    return this.#entries.length
  }

  after(ms: number, happen: () => void): void {
    this.#sequence += 1
    this.#push({ atMs: this.nowMs + ms, sequence: this.#sequence, happen })
  }

  /** Lets the next event happen; false when there is none. */
  step(): boolean {
    const next = this.#pop()
    if (next === undefined) return false
    this.nowMs = next.atMs
    next.happen()
    return true
  }

  /** Goes on until `enough`, or until nothing is left to happen. */
  run(enough: () => boolean): void {
    while (!enough() && this.step());
  }

  /** As `run`, letting whatever promises do come to rest between two events. */
  async play(enough: () => boolean): Promise<void> {
    for (;;) {
      for (let turn = 0; turn < TURNS; turn += 1) await setImmediate()
      if (enough() || !this.step()) return
    }
  }

  /** Notes a message that arrives now: time, from, to, kind. */
  note(from: number, to: number, kind: number): void {
    this.notes += 1
    const at = this.#used
    this.#block.writeDoubleLE(this.nowMs, at)
    this.#block.writeInt32LE(from, at + 8)
    this.#block.writeInt32LE(to, at + 12)
    this.#block.writeInt32LE(kind, at + 16)
    this.#used += NOTE_BYTES
    if (this.#used === this.#block.length) this.#flush()
  }

  /** SHA-256 over all that was noted, as hex; more may follow. */
  eventHash(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  #flush(): void {
    this.#hash.update(this.#block.subarray(0, this.#used))
    this.#used = 0
  }

  #push(entry: Entry): void {
    const entries = this.#entries
    let at = entries.length
    while (at > 0) {
      const parent = (at - 1) >>> 1
      const above = entries[parent] as Entry
      if (!isBefore(entry, above)) break
      entries[at] = above
      at = parent
    }
    entries[at] = entry
  }

  #pop(): Entry | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (first === undefined || last === undefined || entries.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= entries.length) break
      const right = entries[child + 1]
      if (right !== undefined && isBefore(right, entries[child] as Entry)) child += 1
      const below = entries[child] as Entry
      if (!isBefore(below, last)) break
      entries[at] = below
      at = child
    }
    entries[at] = last
    return first
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)
}
