/**
 * The store on disk: `records.sqlite` over node:sqlite, or `:memory:`.
 *
 *   record    key · bytes · publisher · distance · received · expires
 *   provider  (key, peer) · expires
 *
 * WAL with synchronous NORMAL: a crash of the machine may lose the last writes, never the file,
 * and what is lost comes back when its publisher renews it. Every call is one short statement, for
 * node:sqlite holds up the event loop meanwhile. A full disk fails the call and not the node.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { type PeerId, peerId } from '../identity/index.ts'
import { DhtError } from './errors.ts'
import type { DhtKey } from './key.ts'
import type { RecordStorage, StoredProvider, StoredRecord, Usage } from './storage.ts'

const FORMAT = 1
const BUSY_MS = 1_000
/** Pages of 4 KiB after which the log is folded into the file, and what it may keep on disk. */
const LOG_PAGES = 1_000
const LOG_BYTES_MAX = 8 * 1024 * 1024

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS record (
    key BLOB PRIMARY KEY, bytes BLOB NOT NULL, size INTEGER NOT NULL, publisher TEXT NOT NULL,
    distance BLOB NOT NULL, received INTEGER NOT NULL, expires INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS record_publisher ON record (publisher, size);
  CREATE INDEX IF NOT EXISTS record_distance ON record (distance, publisher);
  CREATE INDEX IF NOT EXISTS record_expires ON record (expires);
  CREATE TABLE IF NOT EXISTS provider (
    key BLOB NOT NULL, peer TEXT NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (key, peer)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS provider_peer ON provider (peer);
  CREATE INDEX IF NOT EXISTS provider_expires ON provider (expires);
  PRAGMA user_version = ${FORMAT};
`

const SQL = {
  get: 'SELECT * FROM record WHERE key = ?',
  put: 'INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?)',
  delete: 'DELETE FROM record WHERE key = ?',
  usage: 'SELECT COUNT(*) AS records, COALESCE(SUM(size), 0) AS bytes FROM record',
  usageOf: `SELECT COUNT(*) AS records, COALESCE(SUM(size), 0) AS bytes FROM record
            WHERE publisher = ?`,
  farthest: `SELECT key, distance FROM record WHERE publisher <> ?
             ORDER BY distance DESC LIMIT 1`,
  sweepRecords: 'DELETE FROM record WHERE expires <= ?',
  providers: 'SELECT key, peer, expires FROM provider WHERE key = ?',
  putProvider: 'INSERT OR REPLACE INTO provider VALUES (?, ?, ?)',
  deleteProvider: 'DELETE FROM provider WHERE key = ? AND peer = ?',
  providerCount: 'SELECT COUNT(*) AS records FROM provider',
  providerCountOf: 'SELECT COUNT(*) AS records FROM provider WHERE peer = ?',
  dropProvider: `DELETE FROM provider WHERE (key, peer) IN
                 (SELECT key, peer FROM provider ORDER BY expires LIMIT 1)`,
  dropProviderOf: `DELETE FROM provider WHERE (key, peer) IN
                   (SELECT key, peer FROM provider WHERE key = ? ORDER BY expires LIMIT 1)`,
  sweepProviders: 'DELETE FROM provider WHERE expires <= ?',
} as const

type Query = keyof typeof SQL
type Row = Readonly<Record<string, unknown>>

export class SqliteStore implements RecordStorage {
  readonly #file: string
  readonly #database: DatabaseSync
  readonly #statements: Readonly<Record<Query, StatementSync>>
  /** Sums over all rows, kept here because counting them takes longer than any other call. */
  #usage: Usage
  #providers: number
  #failure: string | null = null

  /** Opens or makes `file`; `:memory:` keeps everything in memory. */
  constructor(file: string) {
    this.#file = file
    this.#database = this.#guard(() => openDatabase(file))
    try {
      this.#statements = this.#guard(() => prepareAll(this.#database))
      this.#usage = this.#sum('usage')
      this.#providers = this.#sum('providerCount').records
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  get failure(): string | null {
    return this.#failure
  }

  get(key: DhtKey): StoredRecord | undefined {
    const row = this.#one('get', key)
    return row === undefined ? undefined : recordOf(row)
  }

  put(record: StoredRecord): void {
    const { key, bytes, publisher, distance, receivedMs, expiresMs } = record
    const old = this.get(key)
    this.#run('put', key, bytes, bytes.length, publisher, distance, receivedMs, expiresMs)
    this.#grow(old === undefined ? 1 : 0, bytes.length - (old?.bytes.length ?? 0))
  }

  delete(key: DhtKey): void {
    const old = this.get(key)
    if (old === undefined) return
    this.#run('delete', key)
    this.#grow(-1, -old.bytes.length)
  }

  usage(publisher?: PeerId): Usage {
    return publisher === undefined ? this.#usage : this.#sum('usageOf', publisher)
  }

  farthest(except: PeerId): Pick<StoredRecord, 'key' | 'distance'> | undefined {
    const row = this.#one('farthest', except)
    if (row === undefined) return undefined
    return { key: bytesOf(row, 'key') as DhtKey, distance: bytesOf(row, 'distance') }
  }

  providers(key: DhtKey): readonly StoredProvider[] {
    return this.#guard(() => this.#statements.providers.all(key)).map((row) => ({
      key,
      peer: peerId(textOf(row, 'peer')),
      expiresMs: numberOf(row, 'expires'),
    }))
  }

  putProvider({ key, peer, expiresMs }: StoredProvider): void {
    const before = this.providers(key).some((known) => known.peer === peer)
    this.#run('putProvider', key, peer, expiresMs)
    if (!before) this.#providers += 1
  }

  deleteProvider(key: DhtKey, peer: PeerId): void {
    this.#providers -= this.#run('deleteProvider', key, peer)
  }

  providerCount(peer?: PeerId): number {
    return peer === undefined ? this.#providers : this.#sum('providerCountOf', peer).records
  }

  dropProvider(key?: DhtKey): void {
    this.#providers -=
      key === undefined ? this.#run('dropProvider') : this.#run('dropProviderOf', key)
  }

  sweep(nowMs: number): void {
    if (this.#run('sweepRecords', nowMs) > 0) this.#usage = this.#sum('usage')
    this.#providers -= this.#run('sweepProviders', nowMs)
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  #grow(records: number, bytes: number): void {
    this.#usage = { records: this.#usage.records + records, bytes: this.#usage.bytes + bytes }
  }

  #one(query: Query, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#statements[query].get(...values))
  }

  /** How many rows the statement changed. */
  #run(query: Query, ...values: SQLInputValue[]): number {
    try {
      const changes = Number(this.#guard(() => this.#statements[query].run(...values)).changes)
      if (changes > 0) this.#failure = null
      return changes
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error)
      throw error
    }
  }

  #sum(query: Query, ...values: SQLInputValue[]): Usage {
    const row = this.#one(query, ...values) ?? {}
    return { records: Number(row.records ?? 0), bytes: Number(row.bytes ?? 0) }
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /** SQLite's result codes, without their extension (sqlite.org/rescode.html). */
  #explain(error: unknown): unknown {
    if (!(error instanceof Error) || !('errcode' in error)) return error
    const facts = { file: this.#file, reason: error.message }
    switch (Number(error.errcode) & 0xff) {
      case 13:
        return DhtError.STORE_FULL(facts, error)
      case 11:
      case 26:
        return DhtError.STORE_BROKEN(facts, error)
      default:
        return DhtError.STORE_FAILED(facts, error)
    }
  }
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_MS })
  try {
    const found = Number(database.prepare('PRAGMA user_version').get()?.user_version)
    if (found > FORMAT) throw DhtError.STORE_TOO_NEW({ file, found, wanted: FORMAT })
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA wal_autocheckpoint = ${LOG_PAGES};
      PRAGMA journal_size_limit = ${LOG_BYTES_MAX};
    `)
    database.exec(SCHEMA)
    const check = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (check !== 'ok') throw DhtError.STORE_BROKEN({ file, reason: String(check) })
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function prepareAll(database: DatabaseSync): Readonly<Record<Query, StatementSync>> {
  const prepared = Object.entries(SQL).map(([query, sql]) => [query, database.prepare(sql)])
  return Object.fromEntries(prepared) as Record<Query, StatementSync>
}

function recordOf(row: Row): StoredRecord {
  return {
    key: bytesOf(row, 'key') as DhtKey,
    bytes: bytesOf(row, 'bytes'),
    publisher: peerId(textOf(row, 'publisher')),
    distance: bytesOf(row, 'distance'),
    receivedMs: numberOf(row, 'received'),
    expiresMs: numberOf(row, 'expires'),
  }
}

/** STRICT tables hold what their columns say; the casts only tell the compiler. */
function bytesOf(row: Row, column: string): Uint8Array {
  return row[column] as Uint8Array
}

function textOf(row: Row, column: string): string {
  return row[column] as string
}

function numberOf(row: Row, column: string): number {
  return row[column] as number
}
