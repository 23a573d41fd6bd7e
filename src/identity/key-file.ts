/**
 * Files with a secret in them: one line, mode 0600, whole or not there.
 *
 * A file that others can read is refused, for its secret is out. A new one is written beside its
 * place and linked into it: a crash leaves a whole key or none, and who comes second takes the
 * first one's.
 */

import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Random, toHex } from '../base/index.ts'
import { IdentityError } from './errors.ts'

const MODE = 0o600
const FILE_BYTES_MAX = 1_024
/** No symbolic link in place of the file, and no waiting for the writer of a pipe. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The text of a key file that nobody else can read; `undefined` where there is none. */
export async function readKeyFile(file: string): Promise<string | undefined> {
  try {
    await using handle = await open(file, READ_FLAGS)
    const stat = await handle.stat()
    if (!stat.isFile()) {
      throw IdentityError.KEY_FILE_UNREADABLE({ file, reason: 'not a regular file' })
    }
    const { mode, size } = stat
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw IdentityError.KEY_FILE_EXPOSED({ file, mode: (mode & 0o777).toString(8) })
    }
    if (size > FILE_BYTES_MAX) throw IdentityError.KEY_FILE_MALFORMED({ file })
    return await handle.readFile('utf8')
  } catch (error) {
    if (!isSystemError(error)) throw error
    if (error.code === 'ENOENT') return undefined
    throw IdentityError.KEY_FILE_UNREADABLE({ file, reason: error.code }, error)
  }
}

/** Whether this process made the file; false when another was faster: then its key is there. */
export async function createKeyFile(file: string, text: string, random: Random): Promise<boolean> {
  const draft = `${file}.${toHex(random.bytes(6))}.tmp`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    {
      await using handle = await open(draft, 'wx', MODE)
      await handle.writeFile(`${text}\n`)
      await handle.sync()
    }
    await link(draft, file)
  } catch (error) {
    if (!isSystemError(error)) throw error
    if (error.code === 'EEXIST' && error.syscall === 'link') return false
    throw IdentityError.KEY_FILE_UNWRITABLE({ file, reason: error.code }, error)
  } finally {
    await unlink(draft).catch(() => undefined)
  }
  return true
}

function isSystemError(error: unknown): error is Error & { code: string; syscall: unknown } {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
