/**
 * The file `calls.sqlite`: the calls of peers that must not run twice, over node:sqlite.
 *
 *   call   (peer, key) · digest · started · state · text
 *   about  since · opened · clean
 *
 * WAL with synchronous NORMAL: a process that dies loses nothing, a machine that does may lose the
 * last writes. So the file says when it was opened and whether it was closed: where the machine was
 * started anew in between, nothing of before is said for sure. The same for a file that is new.
 */

import { renameSync, rmSync } from 'node:fs'
import { uptime } from 'node:os'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { CodedError } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { McpError } from './errors.ts'

const FORMAT = 1
const BUSY_MS = 1_000
const LOG_PAGES = 1_000
const LOG_BYTES_MAX = 8 * 1024 * 1024

export type JournalState = 'running' | 'done' | 'large' | 'lost' | 'withdrawn'

export interface JournalRow {
  readonly peer: PeerId
  readonly key: string
  readonly digest: string
  readonly startedMs: number
  readonly state: JournalState
  readonly text: string
}

export interface JournalStore {
  /** What is known, oldest first, and since when everything is. */
  load(nowMs: number): { readonly sinceMs: number; readonly rows: readonly JournalRow[] }
  put(row: JournalRow): void
  end(row: JournalRow): void
  delete(peer: PeerId, key: string): void
  /** A call that was begun then is known no more. */
  forgotten(startedMs: number): void
  close(): void
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS call (
    peer TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, started INTEGER NOT NULL,
    state TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (peer, key)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS about (
    id INTEGER PRIMARY KEY CHECK (id = 1), since INTEGER NOT NULL, opened INTEGER NOT NULL,
    clean INTEGER NOT NULL
  ) STRICT;
  PRAGMA user_version = ${FORMAT};
`

const SQL = {
  rows: 'SELECT * FROM call ORDER BY started',
  put: 'INSERT OR REPLACE INTO call VALUES (?, ?, ?, ?, ?, ?)',
  end: 'UPDATE call SET state = ?, text = ? WHERE peer = ? AND key = ?',
  delete: 'DELETE FROM call WHERE peer = ? AND key = ?',
  about: 'SELECT since, opened, clean FROM about',
  open: 'INSERT OR REPLACE INTO about VALUES (1, ?, ?, 0)',
  since: 'UPDATE about SET since = MAX(since, ?)',
  clean: 'UPDATE about SET clean = 1',
} as const

type Row = Readonly<Record<string, unknown>>

/** The journal of calls in one SQLite file. */
export class SqliteJournal implements JournalStore {
  readonly #file: string
  readonly #database: DatabaseSync
  readonly #statements: Readonly<Record<keyof typeof SQL, StatementSync>>

  /** Opens or makes `file`; `:memory:` keeps everything in memory. */
  constructor(file: string) {
    this.#file = file
    this.#database = openOrMoveAway(file)
    const prepared = Object.entries(SQL).map(([name, sql]) => [name, this.#database.prepare(sql)])
    this.#statements = Object.fromEntries(prepared) as Record<keyof typeof SQL, StatementSync>
  }

  load(nowMs: number): { readonly sinceMs: number; readonly rows: readonly JournalRow[] } {
    return this.#guard(() => {
      const about = this.#statements.about.get()
      const sinceMs = sinceOf(about, nowMs)
      this.#statements.open.run(sinceMs, nowMs)
      // That it is open must be on the disk before anything that it might lose.
      this.#database.exec('PRAGMA wal_checkpoint(FULL)')
      return { sinceMs, rows: this.#statements.rows.all().map(rowOf) }
    })
  }

  put({ peer, key, digest, startedMs, state, text }: JournalRow): void {
    this.#guard(() => this.#statements.put.run(peer, key, digest, startedMs, state, text))
  }

  /** What cannot be written here is lost at the next start, which is no lie. */
  end({ peer, key, state, text }: JournalRow): void {
    this.#quietly(() => this.#statements.end.run(state, text, peer, key))
  }

  delete(peer: PeerId, key: string): void {
    this.#quietly(() => this.#statements.delete.run(peer, key))
  }

  forgotten(startedMs: number): void {
    this.#guard(() => this.#statements.since.run(startedMs))
  }

  close(): void {
    if (!this.#database.isOpen) return
    this.#quietly(() => this.#statements.clean.run())
    this.#database.close()
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw asJournalError(this.#file, error)
    }
  }

  #quietly(work: () => unknown): void {
    try {
      work()
    } catch {
      // The entry in the file then says less than is known, never more.
    }
  }
}

/** SQLite's codes for a file that is no database, or a broken one (sqlite.org/rescode.html). */
const BROKEN = new Set([11, 26])

/** Only what can never be read again is moved away: whatever else fails may have its calls. */
function openOrMoveAway(file: string): DatabaseSync {
  try {
    return open(file)
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : 0
    if (file === ':memory:' || !BROKEN.has(code)) throw asJournalError(file, error)
    renameSync(file, `${file}.broken`)
    for (const end of ['-wal', '-shm']) rmSync(`${file}${end}`, { force: true })
    return open(file)
  }
}

function open(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_MS })
  try {
    const found = Number(database.prepare('PRAGMA user_version').get()?.user_version)
    if (found > FORMAT) {
      throw McpError.JOURNAL_FAILED({ file, reason: `its format ${found} is newer than ${FORMAT}` })
    }
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${LOG_PAGES};
      PRAGMA journal_size_limit = ${LOG_BYTES_MAX};
    `)
    database.exec(SCHEMA)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function asJournalError(file: string, error: unknown): Error {
  if (error instanceof CodedError) return error as Error
  const reason = error instanceof Error ? error.message : String(error)
  return McpError.JOURNAL_FAILED({ file, reason }, error)
}

/** A machine that was started since the file was opened, and not closed, may have lost writes. */
function sinceOf(about: Row | undefined, nowMs: number): number {
  if (about === undefined) return nowMs
  const { since, opened, clean } = about as Record<string, number>
  const bootedMs = nowMs - uptime() * 1_000
  const mayHaveLost = clean === 0 && (opened ?? 0) < bootedMs
  return mayHaveLost ? nowMs : (since ?? nowMs)
}

/** STRICT tables hold what their columns say; the casts only tell the compiler. */
function rowOf(row: Row): JournalRow {
  const { peer, key, digest, started, state, text } = row
  return {
    peer: peerId(peer as string),
    key: key as string,
    digest: digest as string,
    startedMs: started as number,
    state: state as JournalState,
    text: text as string,
  }
}
