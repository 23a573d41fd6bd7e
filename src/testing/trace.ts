/**
 * Everything that happened on the simulated network, in its order, as one hash. Two runs with the
 * same hash were the same run.
 *
 * One event is 26 bytes, little endian:
 *
 *   offset  size  field
 *        0     8  when, microseconds since the simulation began
 *        8     4  host it came from
 *       12     4  host it went to
 *       16     4  bytes
 *       20     1  kind, its place in `EVENT_KINDS`
 *       21     5  zero
 */

import { createHash } from 'node:crypto'

/** What can happen; a `lost` packet is one that nobody will see, a `broken` stream no packet. */
export const EVENT_KINDS = [
  'connect',
  'accept',
  'data',
  'end',
  'reset',
  'datagram',
  'lost',
  'broken',
] as const
export type EventKind = (typeof EVENT_KINDS)[number]

export interface TraceEvent {
  readonly elapsedMs: number
  readonly from: number
  readonly to: number
  readonly bytes: number
  readonly kind: EventKind
}

const EVENT_BYTES = 26
const EVENTS_BUFFERED = 2_048

export class Trace {
  readonly #hash = createHash('sha256')
  readonly #buffer = Buffer.alloc(EVENT_BYTES * EVENTS_BUFFERED)
  readonly #counts = new Map<EventKind, number>()
  #buffered = 0

  /** How many events of a kind there were. */
  count(kind: EventKind): number {
    return this.#counts.get(kind) ?? 0
  }

  note({ elapsedMs, from, to, bytes, kind }: TraceEvent): void {
    const at = this.#buffered * EVENT_BYTES
    this.#buffer.writeDoubleLE(Math.round(elapsedMs * 1_000), at)
    this.#buffer.writeUInt32LE(from, at + 8)
    this.#buffer.writeUInt32LE(to, at + 12)
    this.#buffer.writeUInt32LE(bytes, at + 16)
    this.#buffer.writeUInt8(EVENT_KINDS.indexOf(kind), at + 20)
    this.#counts.set(kind, this.count(kind) + 1)
    this.#buffered += 1
    if (this.#buffered === EVENTS_BUFFERED) this.#flush()
  }

  /** The hash of all events so far, as hex; more may follow. */
  digest(): string {
    this.#flush()
    return this.#hash.copy().digest('hex')
  }

  #flush(): void {
    this.#hash.update(this.#buffer.subarray(0, this.#buffered * EVENT_BYTES))
    this.#buffered = 0
  }
}
