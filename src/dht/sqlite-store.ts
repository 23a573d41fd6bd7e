/**
 * The store on disk: `records.sqlite` over node:sqlite, or `:memory:`; its tables and statements
 * are in `sqlite-schema.ts`.
 *
 * A crash of the machine may lose the last writes, never the file, and what is lost comes back when
 * its publisher renews it. Every call is one short statement, for node:sqlite holds up the event
 * loop meanwhile. A full disk fails the call and not the node.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { type PeerId, peerId } from '../identity/index.ts'
import { DhtError } from './errors.ts'
import type { DhtKey } from './key.ts'
import { openDatabase, PROVIDERS_ALL, SQL, SUM_ALL } from './sqlite-schema.ts'
import type {
  Account,
  ProviderAccount,
  RecordStorage,
  StoredProvider,
  StoredRecord,
  Usage,
} from './storage.ts'
import { accountsOf, Tally } from './tally.ts'

type Query = keyof typeof SQL
type Row = Readonly<Record<string, unknown>>
type Sum = Usage & { readonly id: string }

export class SqliteStore implements RecordStorage {
  readonly #file: string
  readonly #database: DatabaseSync
  readonly #statements: Readonly<Record<Query, StatementSync>>
  readonly #tally = new Tally<Account>()
  readonly #providerTally = new Tally<ProviderAccount>()
  #failure: string | null = null

  /** Opens or makes `file`; `:memory:` keeps everything in memory. */
  constructor(file: string) {
    this.#file = file
    this.#database = this.#guard(() => openDatabase(file))
    try {
      this.#statements = this.#guard(() => prepareAll(this.#database))
      this.#guard(() => this.#count())
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
    const { key, bytes, publisher, distance, receivedMs, expiresMs, sender, site } = record
    const old = this.get(key)
    const size = bytes.length
    this.#run('put', key, bytes, size, publisher, distance, receivedMs, expiresMs, sender, site)
    if (old !== undefined) this.#tally.remove(accountsOf(old), old.bytes.length)
    this.#tally.add(accountsOf(record), size)
  }

  delete(key: DhtKey): void {
    const old = this.get(key)
    if (old === undefined) return
    this.#run('delete', key)
    this.#tally.remove(accountsOf(old), old.bytes.length)
  }

  usage(): Usage {
    return this.#tally.all
  }

  usageOf(account: Account, id: string): Usage {
    return this.#tally.of(account, id)
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
      site: textOrNull(row, 'site'),
      expiresMs: numberOf(row, 'expires'),
    }))
  }

  putProvider({ key, peer, site, expiresMs }: StoredProvider): void {
    const old = this.providers(key).find((known) => known.peer === peer)
    this.#run('putProvider', key, peer, expiresMs, site)
    if (old !== undefined) this.#providerTally.remove({ peer, site: old.site }, 0)
    this.#providerTally.add({ peer, site }, 0)
  }

  deleteProvider(key: DhtKey, peer: PeerId): void {
    this.#forget(this.#rows('deleteProvider', key, peer))
  }

  providerCount(): number {
    return this.#providerTally.all.records
  }

  providerCountOf(account: ProviderAccount, id: string): number {
    return this.#providerTally.of(account, id).records
  }

  dropProvider(key?: DhtKey): void {
    this.#forget(key === undefined ? this.#rows('dropProvider') : this.#rows('dropProviderOf', key))
  }

  sweep(nowMs: number): void {
    for (const row of this.#rows('sweepRecords', nowMs)) {
      const [publisher, sender] = [textOf(row, 'publisher'), textOf(row, 'sender')]
      this.#tally.remove(
        { publisher, sender, site: textOrNull(row, 'site') },
        numberOf(row, 'size'),
      )
    }
    this.#forget(this.#rows('sweepProviders', nowMs))
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close()
  }

  #forget(rows: readonly Row[]): void {
    for (const row of rows) {
      this.#providerTally.remove({ peer: textOf(row, 'peer'), site: textOrNull(row, 'site') }, 0)
    }
  }

  /** Sums what is in the file; from here on they are kept as rows come and go. */
  #count(): void {
    const database = this.#database
    const sums = (sql: string) => database.prepare(sql).all() as unknown as Sum[]
    for (const account of ['publisher', 'sender', 'site'] as const) {
      const sql = `SELECT ${account} AS id, COUNT(*) AS records, SUM(size) AS bytes FROM record
                   WHERE ${account} IS NOT NULL GROUP BY ${account}`
      for (const { id, ...sum } of sums(sql)) this.#tally.growOf(account, id, sum)
    }
    for (const account of ['peer', 'site'] as const) {
      const sql = `SELECT ${account} AS id, COUNT(*) AS records, 0 AS bytes FROM provider
                   WHERE ${account} IS NOT NULL GROUP BY ${account}`
      for (const { id, ...sum } of sums(sql)) this.#providerTally.growOf(account, id, sum)
    }
    for (const sum of sums(SUM_ALL)) this.#tally.grow(sum)
    for (const sum of sums(PROVIDERS_ALL)) this.#providerTally.grow(sum)
  }

  #one(query: Query, ...values: SQLInputValue[]): Row | undefined {
    return this.#guard(() => this.#statements[query].get(...values))
  }

  #run(query: Query, ...values: SQLInputValue[]): void {
    this.#noting(() => this.#statements[query].run(...values))
    this.#failure = null
  }

  /** The rows that the statement deleted. */
  #rows(query: Query, ...values: SQLInputValue[]): readonly Row[] {
    const rows = this.#noting(() => this.#statements[query].all(...values))
    if (rows.length > 0) this.#failure = null
    return rows
  }

  #noting<T>(work: () => T): T {
    try {
      return this.#guard(work)
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error)
      throw error
    }
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
    sender: peerId(textOf(row, 'sender')),
    site: textOrNull(row, 'site'),
  }
}

/** STRICT tables hold what their columns say; the casts only tell the compiler. */
function bytesOf(row: Row, column: string): Uint8Array {
  return row[column] as Uint8Array
}

function textOf(row: Row, column: string): string {
  return row[column] as string
}

function textOrNull(row: Row, column: string): string | null {
  return row[column] as string | null
}

function numberOf(row: Row, column: string): number {
  return row[column] as number
}
