/**
 * Ids of messages that were taken, in the table `seen` of `inbox.sqlite`, so that none comes back.
 *
 * A message that lies in the file is a memory of itself: its id is written later, many at once,
 * as one by one they cost as much as the messages. It is written before its message goes; those
 * that a process took with it are found among the last messages when the file is opened.
 */

import { fromHex } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { MessageFile } from './message-file.ts'
import { LIFE_MS_MAX } from './protocol.ts'

/** So many messages wait for their ids to be written. */
const UNWRITTEN_MAX = 256
/** No others than the last so many do: some may be of an earlier run. */
export const UNSEEN_MAX = 2 * UNWRITTEN_MAX
/** Of a message that an earlier run took: clocks differ. */
const SEEN_MS = LIFE_MS_MAX + 120_000

export const SEEN_SCHEMA = `
  CREATE TABLE IF NOT EXISTS seen (
    peer TEXT NOT NULL, id BLOB NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (peer, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS seen_expires ON seen (expires)`

const SQL = {
  seen: 'SELECT 1 FROM seen WHERE peer = ? AND id = ?',
  see: 'INSERT OR IGNORE INTO seen VALUES (?, ?, ?)',
  forget: 'DELETE FROM seen WHERE expires <= ? RETURNING peer',
  last: `SELECT peer, id, sent FROM message
         WHERE n > (SELECT COALESCE(MAX(n), 0) FROM message) - ? AND NOT EXISTS
           (SELECT 1 FROM seen WHERE seen.peer = message.peer AND seen.id = unhex(message.id))`,
} as const

/** One that was taken, until it cannot come again. */
export interface Seen {
  readonly peer: PeerId
  /** Of a message, as hex. */
  readonly id: string
  readonly untilMs: number
}

export class SeenIds {
  readonly #file: MessageFile
  readonly #unwritten = new Map<string, Seen>()
  /** Given to the file in this turn, and perhaps not in it yet. */
  readonly #written = new Set<string>()
  #turn = 0
  #failures = 0

  /** Over the file that the messages are in. */
  constructor(file: MessageFile) {
    this.#file = file
  }

  has(peer: PeerId, id: string): boolean {
    // Nobody is told that a message is here which the file did not take a moment ago.
    if (this.#failures !== this.#file.failures) this.recover()
    const name = nameOf({ peer, id })
    if (this.#unwritten.has(name)) return true
    if (this.#turn === this.#file.turn && this.#written.has(name)) return true
    return this.#file.inFile(SQL.seen, peer, fromHex(id)) !== undefined
  }

  /** In the step in which its message is given to the file. */
  add(seen: Seen): void {
    this.#unwritten.set(nameOf(seen), seen)
    if (this.#unwritten.size >= UNWRITTEN_MAX) this.write()
  }

  /** With or after their messages, as the file takes writes in the order in which they come. */
  write(): void {
    if (this.#turn !== this.#file.turn) this.#written.clear()
    this.#turn = this.#file.turn
    for (const [name, { peer, id, untilMs }] of this.#unwritten) {
      this.#file.soon(SQL.see, peer, fromHex(id), untilMs)
      this.#written.add(name)
    }
    this.#unwritten.clear()
  }

  /** Forgets those that cannot come again; returns whose they were. */
  forget(nowMs: number): readonly PeerId[] {
    this.write()
    return this.#file.all(SQL.forget, nowMs).map(({ peer }) => peerId(peer as string))
  }

  /** Reads which messages of the file are not in the table; returns whose they are. */
  recover(): readonly PeerId[] {
    this.#failures = this.#file.failures
    this.#unwritten.clear()
    this.#written.clear()
    const rows = this.#file.all(SQL.last, UNSEEN_MAX)
    for (const { peer, id, sent } of rows) {
      const untilMs = (sent as number) + SEEN_MS
      const seen = { peer: peerId(peer as string), id: id as string, untilMs }
      this.#unwritten.set(nameOf(seen), seen)
    }
    return rows.map(({ peer }) => peerId(peer as string))
  }
}

function nameOf({ peer, id }: Pick<Seen, 'peer' | 'id'>): string {
  return `${id}${peer}`
}
