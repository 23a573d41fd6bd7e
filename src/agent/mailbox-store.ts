/**
 * The file `mailbox.sqlite`: messages that are kept for others until they are back.
 *
 *   mail   n · box · sender · id · hash · origin · size · expires · envelope
 *
 * A sender's message has one place in a box, however often it is sealed anew. Numbers are never
 * given twice while the file lives. It decides nothing: who gets a place is said by `kept-mail.ts`,
 * which asks for the sums that are kept here as rows come and go.
 */

import type { PeerId } from '../identity/index.ts'
import { MessageFile, type Row } from './message-file.ts'

/** One message as it is kept; its body is closed to whoever keeps it. */
export interface Mail {
  /** Whose it is: an address in lower case, or a peer id. */
  readonly box: string
  readonly sender: PeerId
  /** Of the message, 16 bytes. */
  readonly id: Uint8Array
  /** Of the envelope: what it is asked away by. */
  readonly hash: Uint8Array
  /** On whose account it lies here: the network that its sender spoke from, or the sender. */
  readonly origin: string
  readonly expiresMs: number
  readonly envelope: Uint8Array
}

/** A row without its envelope. */
export interface MailPlace extends Omit<Mail, 'envelope' | 'id' | 'sender'> {
  readonly number: number
  readonly sender: string
  readonly size: number
}

export interface MailSum {
  readonly mails: number
  readonly bytes: number
}

/** What lies here on one account. */
export interface OriginSum extends MailSum {
  readonly id: string
}

/** By what sums are kept. */
export type MailAccount = 'box' | 'sender' | 'origin'

/** Besides its envelope: keys, columns, index entries. */
export const MAIL_ROW_BYTES = 512
const FORMAT = 1
const NOTHING: MailSum = { mails: 0, bytes: 0 }
const ACCOUNTS: readonly MailAccount[] = ['box', 'sender', 'origin']

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS mail (
    n INTEGER PRIMARY KEY AUTOINCREMENT, box TEXT NOT NULL, sender TEXT NOT NULL,
    id BLOB NOT NULL, hash BLOB NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL,
    expires INTEGER NOT NULL, envelope BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS mail_one ON mail (box, sender, id);
  CREATE INDEX IF NOT EXISTS mail_page ON mail (box, n);
  CREATE INDEX IF NOT EXISTS mail_box_origin ON mail (box, origin, expires);
  CREATE INDEX IF NOT EXISTS mail_origin ON mail (origin, expires);
  CREATE INDEX IF NOT EXISTS mail_expires ON mail (expires)`

const PLACE = 'n, box, sender, hash, origin, size, expires'
const SQL = {
  insert: `INSERT OR REPLACE INTO mail
             (box, sender, id, hash, origin, size, expires, envelope)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  find: `SELECT ${PLACE} FROM mail WHERE box = ? AND sender = ? AND id = ?`,
  page: `SELECT n, size, envelope FROM mail WHERE box = ? AND n > ? AND expires > ? ORDER BY n`,
  removeHash: `DELETE FROM mail WHERE box = ? AND hash = ? RETURNING ${PLACE}`,
  removeNumber: `DELETE FROM mail WHERE n = ? RETURNING ${PLACE}`,
  sweep: `DELETE FROM mail WHERE expires <= ? RETURNING ${PLACE}`,
  soonest: `SELECT ${PLACE} FROM mail WHERE origin = ? ORDER BY expires, n LIMIT 1`,
  soonestIn: `SELECT ${PLACE} FROM mail WHERE box = ? AND origin = ? ORDER BY expires, n LIMIT 1`,
  originsIn: `SELECT origin AS id, COUNT(*) AS mails, SUM(size) AS bytes FROM mail WHERE box = ?
              GROUP BY origin`,
} as const

/** The rows of `mailbox.sqlite`, and sums over them. */
export class MailStore {
  readonly #file: MessageFile
  readonly #sums: Readonly<Record<MailAccount, Map<string, MailSum>>> = {
    box: new Map(),
    sender: new Map(),
    origin: new Map(),
  }
  #all = NOTHING

  /** Opens or makes `file`; `:memory:` keeps everything in memory. */
  constructor(file: string) {
    this.#file = new MessageFile(file, { schema: SCHEMA, format: FORMAT })
    for (const account of ACCOUNTS) {
      const sql = `SELECT ${account} AS id, COUNT(*) AS mails, SUM(size) AS bytes FROM mail
                   GROUP BY ${account}`
      for (const row of this.#file.all(sql)) {
        const { id, mails, bytes } = sumOf(row)
        this.#sums[account].set(id, { mails, bytes })
        if (account === 'box') this.#all = plus(this.#all, { mails, bytes })
      }
    }
  }

  /** All that lies here, expired or not. */
  get all(): MailSum {
    return this.#all
  }

  of(account: MailAccount, id: string): MailSum {
    return this.#sums[account].get(id) ?? NOTHING
  }

  /** Who holds how much, in one box or in all; counted when asked, which is when that is full. */
  origins(box?: string): readonly OriginSum[] {
    if (box !== undefined) return this.#file.all(SQL.originsIn, box).map(sumOf)
    return [...this.#sums.origin].map(([id, sum]) => ({ id, ...sum }))
  }

  find({ box, sender, id }: Pick<Mail, 'box' | 'sender' | 'id'>): MailPlace | undefined {
    const row = this.#file.one(SQL.find, box, sender, id)
    return row && placeOf(row)
  }

  /** What of an account expires first, in one box or in all. */
  soonest(origin: string, box?: string): MailPlace | undefined {
    const row =
      box === undefined
        ? this.#file.one(SQL.soonest, origin)
        : this.#file.one(SQL.soonestIn, box, origin)
    return row && placeOf(row)
  }

  /** Adds a mail in place of what is there, in one step: a disk that is full loses neither. */
  add(mail: Mail): void {
    const { box, sender, id, hash, origin, expiresMs, envelope } = mail
    const old = this.find(mail)
    const size = envelope.length + MAIL_ROW_BYTES
    this.#file.run(SQL.insert, box, sender, id, hash, origin, size, expiresMs, envelope)
    if (old !== undefined) this.#grow(old, { mails: -1, bytes: -old.size })
    this.#grow({ box, sender, origin }, { mails: 1, bytes: size })
  }

  /** The living of one box after a number, one by one, so that who has enough reads no more. */
  *page(box: string, after: number, nowMs: number) {
    for (const row of this.#file.each(SQL.page, box, after, nowMs)) {
      yield { number: row.n as number, envelope: row.envelope as Uint8Array }
    }
  }

  /** Whether there was such a mail in that box. */
  remove(box: string, hash: Uint8Array): boolean {
    return this.#forget(this.#file.all(SQL.removeHash, box, hash)) > 0
  }

  drop(number: number): void {
    this.#forget(this.#file.all(SQL.removeNumber, number))
  }

  /** Deletes what has expired; says how many that were. */
  sweep(nowMs: number): number {
    return this.#forget(this.#file.all(SQL.sweep, nowMs))
  }

  close(): void {
    this.#file.close()
  }

  #forget(rows: readonly Row[]): number {
    for (const row of rows) {
      const place = placeOf(row)
      this.#grow(place, { mails: -1, bytes: -place.size })
    }
    return rows.length
  }

  #grow(on: Readonly<Record<MailAccount, string>>, by: MailSum): void {
    this.#all = plus(this.#all, by)
    for (const account of ACCOUNTS) {
      const sum = plus(this.of(account, on[account]), by)
      if (sum.mails === 0) this.#sums[account].delete(on[account])
      else this.#sums[account].set(on[account], sum)
    }
  }
}

function plus(a: MailSum, b: MailSum): MailSum {
  return { mails: a.mails + b.mails, bytes: a.bytes + b.bytes }
}

/** STRICT tables hold what their columns say; the casts only tell the compiler. */
function sumOf(row: Row): OriginSum {
  return { id: row.id as string, mails: row.mails as number, bytes: row.bytes as number }
}

function placeOf(row: Row): MailPlace {
  return {
    number: row.n as number,
    box: row.box as string,
    sender: row.sender as string,
    hash: row.hash as Uint8Array,
    origin: row.origin as string,
    size: row.size as number,
    expiresMs: row.expires as number,
  }
}
