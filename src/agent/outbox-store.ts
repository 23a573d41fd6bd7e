/**
 * The file `outbox.sqlite`: messages of ours until their recipients have confirmed them, and for a
 * while what became of them.
 *
 *   outgoing  id · recipient · body · type · conversation · reply_to · sent · expires ·
 *             state · reason · at · tries · due · peer · envelope · fresh · hashes
 *
 * `envelope` is the message as it was last sealed, for `peer`, good until `fresh`; `hashes` are
 * those of all its envelopes that may be on their way, 32 bytes each: a receipt names one of them.
 * What is over keeps no body.
 */

import type { SQLInputValue } from 'node:sqlite'
import { concatBytes } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Delivery, DeliveryState } from './delivery.ts'
import { MessageFile } from './message-file.ts'
import { draftOf, sealedOf, stateOf } from './outbox-rows.ts'
import { LIFE_MS_MAX } from './protocol.ts'

export interface OutboxLimits {
  readonly outboxMessagesMax: number
  readonly outboxBytesMax: number
}

/** What was to be said, as it was given. */
export interface Draft {
  /** 32 hex digits. */
  readonly id: string
  readonly to: string
  readonly body: Uint8Array
  readonly contentType?: string
  readonly conversation?: string
  readonly replyTo?: string
  readonly sentAt: number
  readonly expiresAt: number
}

/** A message sealed for one peer. */
export interface Sealed {
  readonly peer: PeerId
  readonly bytes: Uint8Array
  readonly hash: Uint8Array
  /** Then the key it is sealed against is not used any more. */
  readonly freshUntilMs: number
}

/** What is known of a message without reading its body. */
export interface OutgoingState {
  readonly delivery: Delivery
  readonly expiresAt: number
  readonly tries: number
  readonly dueMs: number
  readonly peer: PeerId | undefined
  readonly hashes: readonly Uint8Array[]
}

export interface Outgoing extends OutgoingState {
  readonly draft: Draft
  readonly sealed: Sealed | undefined
}

/** Besides body and envelope. */
const ROW_BYTES = 512
const HASHES_MAX = 16
/** What became of so many messages is remembered, to take that they were read. */
const OVER_MAX = 20_000
const FORMAT = 1

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS outgoing (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, recipient TEXT NOT NULL,
    body BLOB NOT NULL, type TEXT, conversation TEXT, reply_to TEXT, sent INTEGER NOT NULL,
    expires INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT, at INTEGER NOT NULL,
    tries INTEGER NOT NULL, due INTEGER NOT NULL, peer TEXT, envelope BLOB, fresh INTEGER NOT NULL,
    hashes BLOB NOT NULL, size INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS outgoing_state ON outgoing (state)`

const OPEN = "('queued', 'sent', 'stored')"
const STATE = 'id, recipient, expires, state, reason, at, tries, due, peer, hashes, size'
const SQL = {
  insert: `INSERT INTO outgoing (id, recipient, body, type, conversation, reply_to, sent, expires,
             state, at, due, tries, peer, envelope, fresh, hashes, size)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)`,
  whole: 'SELECT * FROM outgoing WHERE id = ?',
  state: `SELECT ${STATE} FROM outgoing WHERE id = ?`,
  open: `SELECT ${STATE} FROM outgoing WHERE state IN ${OPEN} ORDER BY n`,
  move: 'UPDATE outgoing SET state = ?, reason = ?, at = ? WHERE id = ?',
  end: `UPDATE outgoing SET state = ?, reason = ?, at = ?, body = x'', envelope = NULL, size = 0
        WHERE id = ?`,
  seal: 'UPDATE outgoing SET peer = ?, envelope = ?, fresh = ?, hashes = ?, size = ? WHERE id = ?',
  later: 'UPDATE outgoing SET tries = ?, due = ?, reason = ? WHERE id = ?',
  forget: `DELETE FROM outgoing WHERE state NOT IN ${OPEN} AND (expires <= ? OR n <=
           (SELECT n FROM outgoing WHERE state NOT IN ${OPEN} ORDER BY n DESC LIMIT 1 OFFSET ?))`,
} as const
/** Where among the values of `insert` those of `seal` are. */
const SEALED_AT = 11
/** And those that change when the message is over. */
const BODY_AT = 2
const STATE_AT = 8
const ENVELOPE_AT = SEALED_AT + 1
const SIZE_AT = SEALED_AT + 4
const NOTHING = new Uint8Array()

/** Calls back once, a little later. */
export type Pause = (over: () => void) => void

/** A message that is not in the file yet: what `insert` will write, and when it has. */
interface Added {
  readonly values: SQLInputValue[]
  readonly written: PromiseWithResolvers<void>
  /** At the end of the next pause it is written. */
  isOld: boolean
}

export class OutboxStore {
  readonly #file: MessageFile
  readonly #pause: Pause | undefined
  #isPausing = false
  readonly #sizes = new Map<string, number>()
  #bytes = 0
  readonly #added = new Map<string, Added>()

  /**
   * Opens or makes `file`; `:memory:` keeps everything in memory. What is queued is in the file
   * after two pauses at the latest, or when this turn of the event loop is over.
   */
  constructor(file: string, pause?: Pause) {
    this.#file = new MessageFile(file, { schema: SCHEMA, format: FORMAT })
    this.#pause = pause
    this.#measure()
  }

  /** Resolves when the message is in the file, as far as it came; rejects with why it is not. */
  async written(id: string): Promise<void> {
    try {
      await (this.#added.get(id)?.written.promise ?? this.#file.written)
    } catch (error) {
      this.#measure()
      throw error
    }
  }

  /** Has it in the file now. */
  flush(): void {
    this.#keepAll()
    this.#file.flush()
  }

  /** Messages whose way is not over. */
  get open(): { readonly messages: number; readonly bytes: number } {
    return { messages: this.#sizes.size, bytes: this.#bytes }
  }

  /** Queues the message; that it is queued may be told when it is `written`. */
  add(draft: Draft, delivery: Delivery): OutgoingState {
    const { id, to, body, contentType, conversation, replyTo, sentAt, expiresAt } = draft
    const size = body.length + ROW_BYTES
    const about = [contentType ?? null, conversation ?? null, replyTo ?? null]
    const { state, at } = delivery
    const times = [sentAt, expiresAt, state, at, at]
    const unsealed = [null, null, 0, new Uint8Array(), size]
    this.#beginPause()
    const written = Promise.withResolvers<void>()
    // Who waits asks for `written`.
    written.promise.catch(() => undefined)
    const values = [id, to, body, ...about, ...times, ...unsealed]
    this.#added.set(id, { values, written, isOld: this.#pause === undefined })
    this.#size(id, size)
    return { delivery, expiresAt, tries: 0, dueMs: at, peer: undefined, hashes: [] }
  }

  /** All that is open, in the order in which it was sent. */
  allOpen(): readonly OutgoingState[] {
    this.#keepAll()
    return this.#file.all(SQL.open).map(stateOf)
  }

  state(id: string): OutgoingState | undefined {
    this.#keep(id)
    const row = this.#file.one(SQL.state, id)
    return row && stateOf(row)
  }

  whole(id: string): Outgoing | undefined {
    this.#keep(id)
    const row = this.#file.one(SQL.whole, id)
    return row && { ...stateOf(row), draft: draftOf(row), sealed: sealedOf(row) }
  }

  /** The message came to another state; with one that ends its way the body goes. */
  move({ id, state, reason, at }: Delivery, isOver: boolean): void {
    const added = this.#added.get(id)
    // Then its body need never be in the file.
    const isAll = added !== undefined && isOver && reason === undefined
    if (isAll) endedOf(added.values, state, at)
    this.#keep(id)
    if (!isAll) this.#file.soon(isOver ? SQL.end : SQL.move, state, reason ?? null, at, id)
    if (isOver) this.#size(id, 0)
  }

  /** The message was sealed, perhaps again; returns the hashes a receipt may name from now on. */
  seal({ draft, hashes }: Outgoing, { peer, bytes, hash, freshUntilMs }: Sealed) {
    const kept = [...hashes, hash].slice(-HASHES_MAX)
    const size = draft.body.length + bytes.length + ROW_BYTES
    const { id } = draft
    const values = [peer, bytes, freshUntilMs, concatBytes(...kept), size]
    const added = this.#added.get(id)
    if (added === undefined) this.#file.soon(SQL.seal, ...values, id)
    else added.values.splice(SEALED_AT, values.length, ...values)
    this.#size(id, size)
    return kept
  }

  /** The message is tried again at `dueMs`. */
  later(id: string, { tries, dueMs, reason }: Later): void {
    this.#keep(id)
    this.#file.soon(SQL.later, tries, dueMs, reason, id)
  }

  /** What is over and was so for a week, or is more than anybody asks for: it may be read late. */
  forget(nowMs: number): void {
    this.#file.run(SQL.forget, nowMs - LIFE_MS_MAX, OVER_MAX)
  }

  close(): void {
    this.#keepAll()
    this.#file.close()
  }

  #beginPause(): void {
    if (this.#isPausing) return
    this.#isPausing = true
    const wait = this.#pause ?? setImmediate
    wait(() => this.#endPause())
  }

  #endPause(): void {
    this.#isPausing = false
    for (const [id, added] of [...this.#added]) {
      if (added.isOld) this.#keep(id)
      else added.isOld = true
    }
    if (this.#added.size > 0) this.#beginPause()
    try {
      this.#file.flush()
    } catch {
      // Whoever waits for it is told.
    }
  }

  #keepAll(): void {
    for (const id of [...this.#added.keys()]) this.#keep(id)
  }

  /** From here on the message is written as it is now, with all else of this turn. */
  #keep(id: string): void {
    const added = this.#added.get(id)
    if (added === undefined) return
    this.#added.delete(id)
    this.#file.soon(SQL.insert, ...added.values)
    added.written.resolve(this.#file.written)
  }

  #measure(): void {
    const rows = this.#file.all(SQL.open)
    this.#sizes.clear()
    this.#bytes = 0
    for (const { id, size } of rows) this.#size(id as string, size as number)
  }

  #size(id: string, size: number): void {
    this.#bytes += size - (this.#sizes.get(id) ?? 0)
    if (size === 0) this.#sizes.delete(id)
    else this.#sizes.set(id, size)
  }
}

/** What `insert` writes of a message that is over before it was written. */
function endedOf(values: SQLInputValue[], state: DeliveryState, at: number): void {
  values[BODY_AT] = NOTHING
  values.splice(STATE_AT, 2, state, at)
  values[ENVELOPE_AT] = null
  values[SIZE_AT] = 0
}

export interface Later {
  readonly tries: number
  readonly dueMs: number
  readonly reason: string | null
}
