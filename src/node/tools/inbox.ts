/**
 * Messages that peers sent to this node, in memory: handed to whoever reads, else kept until
 * somebody does. It is bounded as a whole and for each author, and gone when the node stops.
 */

import { type Clock, TtlMap, toHex, utf8 } from '../../base/index.ts'
import type { PeerId } from '../../identity/index.ts'
import { ToolsError } from '../tools-errors.ts'
import { AGE_MS_MAX, type SignedMessage } from './message.ts'

const KEPT_MAX = 256
const KEPT_PER_AUTHOR_MAX = 32
const KEPT_BYTES_MAX = 4 * 1024 * 1024
const SEEN_MAX = 16_384

/** One message as its reader gets it; `from` is proven by a signature. */
export interface Received {
  readonly id: string
  readonly from: PeerId
  /** The peer that handed it over: its author, or a relay. */
  readonly by: PeerId
  readonly body: string
  readonly sentAtMs: number
  readonly receivedAtMs: number
}

export type Reader = (message: Received) => void

export class Inbox {
  readonly #clock: Clock
  readonly #told: (message: Received) => void
  readonly #readers = new Set<{ readonly read: Reader }>()
  readonly #kept: Received[] = []
  #keptBytes = 0
  /** A message is of no use twice as long as it may be old: by then its time gives it away. */
  readonly #seen: TtlMap<string, true>

  /** `told` hears of every message that was taken, and takes none away. */
  constructor(clock: Clock, told: (message: Received) => void) {
    this.#clock = clock
    this.#told = told
    this.#seen = new TtlMap({ entriesMax: SEEN_MAX, ttlMs: 2 * AGE_MS_MAX, clock })
  }

  get size(): number {
    return this.#kept.length
  }

  /** Takes a checked message; one that was taken before is taken again without effect. */
  take(message: SignedMessage, by: PeerId): void {
    const { from, body, sentAtMs } = message
    const id = toHex(message.id)
    const key = `${from} ${id}`
    if (this.#seen.has(key)) return
    const receivedAtMs = this.#clock.now()
    const received = { id, from, by, body, sentAtMs, receivedAtMs }
    if (this.#readers.size === 0) this.#keep(received)
    this.#seen.set(key, true)
    for (const { read } of [...this.#readers]) read(received)
    this.#told(received)
  }

  /** Hands over what was kept and all that comes, until the result is called. */
  read(read: Reader): () => void {
    const reader = { read }
    this.#readers.add(reader)
    this.#keptBytes = 0
    for (const message of this.#kept.splice(0)) read(message)
    return () => this.#readers.delete(reader)
  }

  #keep(message: Received): void {
    const size = utf8(message.body).length
    const ofAuthor = this.#kept.filter(({ from }) => from === message.from).length
    const full =
      ofAuthor >= KEPT_PER_AUTHOR_MAX
        ? `${KEPT_PER_AUTHOR_MAX} messages of this author`
        : this.#kept.length >= KEPT_MAX
          ? `${KEPT_MAX} messages`
          : this.#keptBytes + size > KEPT_BYTES_MAX
            ? `${this.#keptBytes} bytes of at most ${KEPT_BYTES_MAX}`
            : undefined
    if (full !== undefined) throw ToolsError.INBOX_FULL({ limit: full })
    this.#kept.push(message)
    this.#keptBytes += size
  }
}
