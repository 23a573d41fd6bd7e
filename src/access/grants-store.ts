/**
 * The file `grants.sqlite`: what this node granted, what it revoked, how many calls were made, what
 * it was granted by others, and the last calls of peers. Made when there is something to keep.
 *
 *   issued   id · token · issued · revoked
 *   block    id · root · calls: each block of a token that was used, bounded for each grant
 *   revoked  id · at: blocks that others signed
 *   held     id · token
 *   audit    n · entry as JSON, the newest so many
 *
 * WAL with synchronous NORMAL: counts survive the end of the process; a crash of the machine may
 * give the last ones back.
 */

import { existsSync } from 'node:fs'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { AccessError } from './errors.ts'

export const ISSUED_MAX = 1_024
export const HELD_MAX = 1_024
export const REVOKED_MAX = 4_096
/** Blocks of one grant whose calls are counted. */
export const BLOCKS_COUNTED_MAX = 64
export const AUDIT_MAX = 10_000
const FORMAT = 1
const BUSY_MS = 1_000
const IN_MEMORY = ':memory:'

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  CREATE TABLE IF NOT EXISTS issued (
    id TEXT PRIMARY KEY, token TEXT NOT NULL, issued INTEGER NOT NULL, revoked INTEGER
  ) STRICT;
  CREATE TABLE IF NOT EXISTS block (
    id TEXT PRIMARY KEY, root TEXT NOT NULL, calls INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS block_root ON block (root);
  CREATE TABLE IF NOT EXISTS revoked (id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS held (id TEXT PRIMARY KEY, token TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS audit (n INTEGER PRIMARY KEY, entry TEXT NOT NULL) STRICT;
  PRAGMA user_version = ${FORMAT};
`

export interface IssuedRow {
  readonly id: string
  readonly token: string
  readonly issued: number
  readonly revoked: number | null
}

type Row = Readonly<Record<string, unknown>>

/** Everything of grants that outlives the process, in one file. */
export class GrantStore {
  readonly #file: string
  readonly #statements = new Map<string, StatementSync>()
  #database: DatabaseSync | undefined

  /** `:memory:` keeps everything for as long as the node runs. */
  constructor(file: string) {
    this.#file = file
  }

  addIssued({ id, token, issued }: Omit<IssuedRow, 'revoked'>): void {
    this.#checkRoom('issued', 'grant', ISSUED_MAX)
    this.#run('INSERT INTO issued VALUES (?, ?, ?, NULL)', id, token, issued)
  }

  issued(): readonly IssuedRow[] {
    return this.#rows('SELECT * FROM issued ORDER BY issued') as unknown as IssuedRow[]
  }

  issuedBy(id: string): IssuedRow | undefined {
    return this.#rows('SELECT * FROM issued WHERE id = ?', id)[0] as unknown as IssuedRow
  }

  /** False when no grant and no block that was ever used has this id. */
  revoke(id: string, atMs: number): boolean {
    if (this.issuedBy(id) !== undefined) {
      this.#run('UPDATE issued SET revoked = COALESCE(revoked, ?) WHERE id = ?', atMs, id)
      return true
    }
    if (this.#rows('SELECT 1 FROM block WHERE id = ?', id).length === 0) return false
    this.#checkRoom('revoked', 'revocation', REVOKED_MAX)
    this.#run('INSERT OR IGNORE INTO revoked VALUES (?, ?)', id, atMs)
    return true
  }

  /** The first of these blocks that was revoked on its own. */
  revokedOf(ids: readonly string[]): string | undefined {
    return ids.find((id) => this.#rows('SELECT 1 FROM revoked WHERE id = ?', id).length > 0)
  }

  callsOf(id: string): number {
    return Number(this.#rows('SELECT calls FROM block WHERE id = ?', id)[0]?.calls ?? 0)
  }

  /** How many blocks of one grant are counted. */
  countedOf(root: string): number {
    return Number(this.#rows('SELECT COUNT(*) AS n FROM block WHERE root = ?', root)[0]?.n ?? 0)
  }

  /** One more call with each of these blocks, all or none. */
  count(root: string, ids: readonly string[]): void {
    this.#together(() => {
      for (const id of ids) {
        this.#run(
          `INSERT INTO block VALUES (?, ?, 1) ON CONFLICT (id) DO UPDATE SET calls = calls + 1`,
          id,
          root,
        )
      }
    })
  }

  addHeld(id: string, token: string): void {
    this.#checkRoom('held', 'token', HELD_MAX)
    this.#run('INSERT OR REPLACE INTO held VALUES (?, ?)', id, token)
  }

  held(): readonly string[] {
    return this.#rows('SELECT token FROM held').map(({ token }) => String(token))
  }

  dropHeld(id: string): boolean {
    return this.#rows('DELETE FROM held WHERE id = ? RETURNING id', id).length > 0
  }

  /** Forgets a grant with all that was counted of it. */
  dropIssued(id: string): void {
    this.#together(() => {
      const ofRoot = 'SELECT id FROM block WHERE root = ?'
      this.#run(`DELETE FROM revoked WHERE id IN (${ofRoot})`, id)
      this.#run('DELETE FROM block WHERE root = ?', id)
      this.#run('DELETE FROM issued WHERE id = ?', id)
    })
  }

  appendAudit(entries: readonly string[]): void {
    this.#together(() => {
      for (const entry of entries) this.#run('INSERT INTO audit (entry) VALUES (?)', entry)
      this.#run('DELETE FROM audit WHERE n <= (SELECT MAX(n) FROM audit) - ?', AUDIT_MAX)
    })
  }

  /** The newest first. */
  audit(limit: number): readonly string[] {
    const rows = this.#rows('SELECT entry FROM audit ORDER BY n DESC LIMIT ?', limit)
    return rows.map(({ entry }) => String(entry))
  }

  close(): void {
    if (this.#database?.isOpen === true) this.#database.close()
    this.#database = undefined
    this.#statements.clear()
  }

  #checkRoom(table: 'issued' | 'held' | 'revoked', what: string, limit: number): void {
    const rows = Number(this.#rows(`SELECT COUNT(*) AS n FROM ${table}`)[0]?.n ?? 0)
    if (rows >= limit) throw AccessError.GRANTS_FULL({ what, limit })
  }

  #together(work: () => void): void {
    this.#run('BEGIN IMMEDIATE')
    try {
      work()
      this.#run('COMMIT')
    } catch (error) {
      this.#run('ROLLBACK')
      throw error
    }
  }

  #run(sql: string, ...values: SQLInputValue[]): void {
    this.#guard(() => this.#prepared(sql).run(...values))
  }

  /** What nobody wrote is not there: no file is made for a question. */
  #rows(sql: string, ...values: SQLInputValue[]): readonly Row[] {
    const isMade = this.#file === IN_MEMORY || this.#database !== undefined
    if (!isMade && !existsSync(this.#file)) return []
    return this.#guard(() => this.#prepared(sql).all(...values))
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    this.#database ??= openDatabase(this.#file)
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof Error) || !('errcode' in error)) throw error
      throw AccessError.GRANTS_FILE({ file: this.#file, reason: error.message }, error)
    }
  }
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_MS })
  try {
    const found = Number(database.prepare('PRAGMA user_version').get()?.user_version)
    if (found > FORMAT) {
      throw AccessError.GRANTS_FILE({ file, reason: `it has the newer format ${found}` })
    }
    database.exec(SCHEMA)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}
