/**
 * The file `records.sqlite`: its tables, the statements over them, and how it is opened or taken
 * over from an older format.
 *
 *   record    key · bytes · publisher · distance · received · expires · sender · site
 *   provider  (key, peer) · expires · site
 *
 * WAL with synchronous NORMAL: what is lost in a crash is the last writes, never the file.
 */

import { DatabaseSync } from 'node:sqlite'
import { DhtError } from './errors.ts'

const FORMAT = 2
const BUSY_MS = 1_000
/** Pages of 4 KiB after which the log is folded into the file, and what it may keep on disk. */
const LOG_PAGES = 1_000
const LOG_BYTES_MAX = 8 * 1024 * 1024

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS record (
    key BLOB PRIMARY KEY, bytes BLOB NOT NULL, size INTEGER NOT NULL, publisher TEXT NOT NULL,
    distance BLOB NOT NULL, received INTEGER NOT NULL, expires INTEGER NOT NULL,
    sender TEXT NOT NULL, site TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS record_distance ON record (distance, publisher);
  CREATE INDEX IF NOT EXISTS record_expires ON record (expires);
  CREATE TABLE IF NOT EXISTS provider (
    key BLOB NOT NULL, peer TEXT NOT NULL, expires INTEGER NOT NULL, site TEXT,
    PRIMARY KEY (key, peer)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS provider_expires ON provider (expires);
  PRAGMA user_version = ${FORMAT};
`

/** Format 1 did not say who brought a record: it is then counted as its publisher's own. */
const FROM_FORMAT_1 = `
  BEGIN;
  ALTER TABLE record ADD COLUMN sender TEXT NOT NULL DEFAULT '';
  ALTER TABLE record ADD COLUMN site TEXT;
  UPDATE record SET sender = publisher;
  ALTER TABLE provider ADD COLUMN site TEXT;
  DROP INDEX record_publisher;
  DROP INDEX provider_peer;
  PRAGMA user_version = ${FORMAT};
  COMMIT;
`

export const SQL = {
  get: 'SELECT * FROM record WHERE key = ?',
  put: 'INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  delete: 'DELETE FROM record WHERE key = ?',
  farthest: `SELECT key, distance FROM record WHERE publisher <> ?
             ORDER BY distance DESC LIMIT 1`,
  sweepRecords: `DELETE FROM record WHERE expires <= ?
                 RETURNING publisher, sender, site, size`,
  providers: 'SELECT key, peer, expires, site FROM provider WHERE key = ?',
  putProvider: 'INSERT OR REPLACE INTO provider VALUES (?, ?, ?, ?)',
  deleteProvider: 'DELETE FROM provider WHERE key = ? AND peer = ? RETURNING peer, site',
  dropProvider: `DELETE FROM provider WHERE (key, peer) IN
                 (SELECT key, peer FROM provider ORDER BY expires LIMIT 1) RETURNING peer, site`,
  dropProviderOf: `DELETE FROM provider WHERE (key, peer) IN
                   (SELECT key, peer FROM provider WHERE key = ? ORDER BY expires LIMIT 1)
                   RETURNING peer, site`,
  sweepProviders: 'DELETE FROM provider WHERE expires <= ? RETURNING peer, site',
} as const

/** Asked once, when the file is opened. */
export const SUM_ALL = 'SELECT COUNT(*) AS records, COALESCE(SUM(size), 0) AS bytes FROM record'
export const PROVIDERS_ALL = 'SELECT COUNT(*) AS records, 0 AS bytes FROM provider'

/** Opens or makes the file; throws what SQLite does, and ours for what it would not notice. */
export function openDatabase(file: string): DatabaseSync {
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
    if (found === 1) database.exec(FROM_FORMAT_1)
    database.exec(SCHEMA)
    const check = database.prepare('PRAGMA quick_check(1)').get()?.quick_check
    if (check !== 'ok') throw DhtError.STORE_BROKEN({ file, reason: String(check) })
    return database
  } catch (error) {
    database.close()
    throw error
  }
}
