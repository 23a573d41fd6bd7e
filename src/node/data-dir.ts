/**
 * The data folder of one node: its lock, its token for local programs, and `node.json`.
 *
 * The lock is an exclusive transaction on `lock.sqlite`, held open for as long as the node runs.
 * It is a lock of the operating system, so it ends with the process however that ends, which a
 * file with a process id in it would not. Nothing else may ever open that file: on POSIX, closing
 * any handle on it would drop the lock.
 */

import { constants } from 'node:fs'
import { mkdir, open, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Random, type WriteWholeOptions, writeWhole } from '../base/index.ts'
import { NodeError } from './errors.ts'
import { RUN_FILE, type RunFile, readRunFile } from './run-file.ts'

/** The node's private key in the data folder. */
export const KEY_FILE = 'identity.key'
/** The token for local programs in the data folder, 32 random bytes as base64url. */
export const TOKEN_FILE = 'api.token'
const LOCK_FILE = 'lock.sqlite'
const TOKEN_BYTES = 32
const TOKEN_TEXT = /^[A-Za-z0-9_-]{43}$/
const FOLDER_MODE = 0o700

/** Result codes of SQLite that say why a lock could not be had (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5
const SQLITE_FULL = 13

/** An open data folder, held by this process alone until it is closed. */
export class DataDir {
  readonly path: string
  /** The bearer token that local programs show to the control API. */
  readonly apiToken: string
  readonly #lock: DatabaseSync
  readonly #random: Random

  constructor(path: string, parts: { apiToken: string; lock: DatabaseSync; random: Random }) {
    this.path = path
    this.apiToken = parts.apiToken
    this.#lock = parts.lock
    this.#random = parts.random
  }

  get keyFile(): string {
    return join(this.path, KEY_FILE)
  }

  get tokenFile(): string {
    return join(this.path, TOKEN_FILE)
  }

  /** Tells local programs where this node is reached. */
  async announce(run: RunFile): Promise<void> {
    const file = join(this.path, RUN_FILE)
    await writeFile(file, `${JSON.stringify(run)}\n`, { random: this.#random })
  }

  /** Takes `node.json` away and lets the next node in; safe to call twice. */
  async close(): Promise<void> {
    if (!this.#lock.isOpen) return
    await unlink(join(this.path, RUN_FILE)).catch(() => undefined)
    this.#lock.close()
  }
}

/** Makes the folder where there is none, takes its lock, and reads or makes its token. */
export async function openDataDir(path: string, random: Random): Promise<DataDir> {
  try {
    await mkdir(path, { recursive: true, mode: FOLDER_MODE })
  } catch (error) {
    throw storageFailure(path, error)
  }
  const lock = await takeLock(path)
  try {
    const apiToken = await readOrCreateToken(join(path, TOKEN_FILE), random)
    return new DataDir(path, { apiToken, lock, random })
  } catch (error) {
    lock.close()
    throw error
  }
}

/** The token in the folder at `path`, or `undefined` where there is none. */
export async function readApiToken(path: string): Promise<string | undefined> {
  const file = join(path, TOKEN_FILE)
  try {
    await using handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW)
    const { mode } = await handle.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw NodeError.TOKEN_EXPOSED({ file, mode: (mode & 0o777).toString(8) })
    }
    const text = (await handle.readFile('utf8')).trim()
    if (TOKEN_TEXT.test(text)) return text
    throw NodeError.TOKEN_MALFORMED({ file, reason: 'it holds no token of ours' })
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    if (code === 'ENOENT') return undefined
    throw NodeError.TOKEN_MALFORMED({ file, reason: `it cannot be read: ${code}` }, error)
  }
}

async function takeLock(path: string): Promise<DatabaseSync> {
  const file = join(path, LOCK_FILE)
  let lock: DatabaseSync | undefined
  try {
    lock = new DatabaseSync(file, { timeout: 0 })
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return lock
  } catch (error) {
    lock?.close()
    const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
    if (code === SQLITE_BUSY) throw await alreadyRunning(path, error)
    if (code === SQLITE_FULL) throw NodeError.DISK_FULL({ path: file }, error)
    throw await unlockable(file, error)
  }
}

async function alreadyRunning(path: string, cause: unknown) {
  const run = await readRunFile(path).catch(() => undefined)
  const facts = { dataDir: path, pid: run?.pid ?? null, api: run?.api ?? null }
  return NodeError.ALREADY_RUNNING(facts, cause)
}

/** SQLite says only that it cannot open the file; a plain open tells why. */
async function unlockable(file: string, cause: unknown) {
  try {
    await using _ = await open(file, 'a')
  } catch (error) {
    return storageFailure(file, error)
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return NodeError.DATA_UNWRITABLE({ path: file, reason }, cause)
}

async function readOrCreateToken(file: string, random: Random): Promise<string> {
  const known = await readApiToken(join(file, '..'))
  if (known !== undefined) return known
  const token = Buffer.from(random.bytes(TOKEN_BYTES)).toString('base64url')
  await writeFile(file, `${token}\n`, { random })
  return token
}

/** Replaces a file of the folder as a whole; a failure says what it is to a person. */
export async function writeFile(
  file: string,
  text: string,
  options: WriteWholeOptions,
): Promise<void> {
  try {
    await writeWhole(file, text, options)
  } catch (error) {
    throw storageFailure(file, error)
  }
}

/** What a failed write is to a person: a full disk, or a place that cannot be written. */
function storageFailure(path: string, error: unknown) {
  const code = systemCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return NodeError.DISK_FULL({ path }, error)
  return NodeError.DATA_UNWRITABLE({ path, reason: code ?? String(error) }, error)
}

function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return undefined
  return String(error.code)
}
