/**
 * A file of messages over node:sqlite: opened strictly and for its owner alone, statements prepared
 * once, failures coded.
 *
 * WAL with synchronous NORMAL: a process that dies loses nothing. A machine that loses its power
 * may lose the last commits, and nothing else: what was queued a moment ago is gone, and so is what
 * came a moment ago, though a receipt was signed and its sender keeps it no more. FULL would wait
 * for the disk at each commit (record 0067 has figures).
 *
 * What is written `soon` goes in one transaction with all else of this turn of the event loop, as a
 * transaction costs several times what a row does. Whoever reads sees it already; `written` says
 * when it is in the file, and nobody outside is told of it before.
 */

import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import { basename } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { CodedError } from '../base/index.ts'
import { MessageError } from './message-errors.ts'

const IN_MEMORY = ':memory:'
const OWNER_ONLY = 0o600
const BUSY_MS = 1_000
const LOG_PAGES = 1_000
const LOG_BYTES_MAX = 8 * 1024 * 1024
/** So many writes do not wait for the turn to end. */
const SOON_MAX = 512

/** STRICT tables hold what their columns say; who reads a row says which type that is. */
export type Row = Readonly<Record<string, unknown>>

/** What a file holds. */
export interface FileForm {
  readonly schema: string
  /** Of this file; a newer one is not touched. */
  readonly format: number
}

/** A write that waits for the others of its turn; its values are read when it is made. */
export interface Write {
  readonly sql: string
  readonly values: SQLInputValue[]
}

/** The writes of one turn. */
interface Batch {
  readonly writes: Write[]
  readonly end: PromiseWithResolvers<void>
}

export class MessageFile {
  readonly #file: string
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  #batch: Batch | undefined
  #turn = 0
  #failures = 0

  /** Opens or makes `file`; `:memory:` keeps everything in memory. */
  constructor(file: string, form: FileForm) {
    this.#file = file
    try {
      this.#database = open(file, form)
    } catch (error) {
      throw explained(file, error)
    }
  }

  /** What the statement did is not told: FTS5 leaves row numbers that no number can hold. */
  run(sql: string, ...values: readonly SQLInputValue[]): void {
    this.flush()
    this.#guard(() => this.#run(sql, values))
  }

  /** Runs it with all else of this turn, in this order; returns it, to be changed until then. */
  soon(sql: string, ...values: SQLInputValue[]): Write {
    if (this.#batch === undefined) {
      this.#batch = { writes: [], end: Promise.withResolvers() }
      // Who waits asks for `written`; a failure of what nobody waits for is met at the next.
      this.#batch.end.promise.catch(() => undefined)
      setImmediate(() => this.#flushQuietly())
    }
    const write = { sql, values }
    this.#batch.writes.push(write)
    // Not at once: what belongs together is said in one step.
    if (this.#batch.writes.length === SOON_MAX) queueMicrotask(() => this.#flushQuietly())
    return write
  }

  /** Which writes go together: those that come while this stays the same. */
  get turn(): number {
    return this.#turn
  }

  /** Resolves when all that was to be written soon is in the file; rejects with why it is not. */
  get written(): Promise<void> {
    return this.#batch?.end.promise ?? Promise.resolve()
  }

  /** Writes what waits; all of it, or nothing. */
  flush(): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    this.#turn += 1
    try {
      this.#guard(() => this.#together(batch.writes))
      batch.end.resolve()
    } catch (error) {
      this.#failures += 1
      batch.end.reject(error)
      throw error
    }
  }

  /** How often it did not take what it was given: what was believed to be in it may not be. */
  get failures(): number {
    return this.#failures
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    this.flush()
    return this.#guard(() => this.#prepared(sql).all(...values))
  }

  /** The rows one by one, so that who has enough reads no more. */
  each(sql: string, ...values: readonly SQLInputValue[]): Iterable<Row> {
    this.flush()
    return this.#guard(() => this.#prepared(sql).iterate(...values)) as Iterable<Row>
  }

  one(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    this.flush()
    return this.inFile(sql, ...values)
  }

  /** As the file is now, without what is written soon. */
  inFile(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#prepared(sql).get(...values))
  }

  /** All of it, or nothing. */
  together<T>(work: () => T): T {
    this.run('BEGIN IMMEDIATE')
    try {
      const done = work()
      this.run('COMMIT')
      return done
    } catch (error) {
      this.run('ROLLBACK')
      throw error
    }
  }

  get isOpen(): boolean {
    return this.#database.isOpen
  }

  close(): void {
    if (!this.isOpen) return
    this.#flushQuietly()
    this.#statements.clear()
    this.#database.close()
  }

  #run(sql: string, values: readonly SQLInputValue[]): void {
    const statement = this.#prepared(sql)
    statement.setReadBigInts(true)
    statement.run(...values)
  }

  #together(writes: readonly Write[]): void {
    this.#run('BEGIN IMMEDIATE', [])
    try {
      for (const { sql, values } of writes) this.#run(sql, values)
      this.#run('COMMIT', [])
    } catch (error) {
      if (this.#database.isTransaction) this.#run('ROLLBACK', [])
      throw error
    }
  }

  /** Whoever waits for `written` is told; nobody else has an answer to give. */
  #flushQuietly(): void {
    try {
      this.flush()
    } catch {}
  }

  #prepared(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      // Peers are told why their message is not taken, and not where our files lie.
      throw explained(basename(this.#file), error)
    }
  }
}

function open(file: string, { schema, format }: FileForm): DatabaseSync {
  if (file !== IN_MEMORY) closeToOthers(file)
  const database = new DatabaseSync(file, { timeout: BUSY_MS })
  try {
    const found = Number(database.prepare('PRAGMA user_version').get()?.user_version)
    if (found > format) {
      const reason = `its format ${found} is newer than ${format}`
      throw MessageError.MESSAGES_FILE({ file, reason })
    }
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${LOG_PAGES};
      PRAGMA journal_size_limit = ${LOG_BYTES_MAX};
    `)
    database.exec(`${schema}; PRAGMA user_version = ${format};`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** What others wrote is for nobody else here; SQLite gives its log the mode of the file. */
function closeToOthers(file: string): void {
  if (!existsSync(file)) closeSync(openSync(file, 'a', OWNER_ONLY))
  for (const part of ['', '-wal', '-shm']) {
    if (existsSync(file + part)) chmodSync(file + part, OWNER_ONLY)
  }
}

function explained(file: string, error: unknown): Error {
  if (error instanceof CodedError) return error as Error
  const reason = error instanceof Error ? error.message : String(error)
  return MessageError.MESSAGES_FILE({ file, reason }, error)
}
