/**
 * The file of `-e`: its text, closed to others where it holds the private key.
 *
 * A copy of `.env.example` can be read by everybody on the machine until its owner thinks of it. So
 * the file of whoever runs this is closed and a warning says so; what belongs to somebody else, who
 * could open it again, is refused as a key file would be.
 */

import { constants, type Stats } from 'node:fs'
import { chmod, stat } from 'node:fs/promises'
import { readBounded } from '../base/index.ts'
import { StdioError } from './stdio-errors.ts'
import { environmentWith } from './stdio-options.ts'

const BYTES_MAX = 65_536
const OTHERS = 0o077
const OWNER_ONLY = 0o600

export interface EnvFile {
  readonly text?: string
  /** What whoever started the process should know. */
  readonly warning?: string
}

/** `user` runs this process; undefined where files have no such owner. */
export async function readEnvFile(file: string, user = process.getuid?.()): Promise<EnvFile> {
  const unreadable = (reason: string, cause?: unknown) => {
    return StdioError.STDIO_ENV_FILE_UNREADABLE({ file, reason }, cause)
  }
  let text: string | undefined
  let stats: Stats
  try {
    text = await readBounded(file, { bytesMax: BYTES_MAX, flags: constants.O_RDONLY })
    if (text === undefined) throw unreadable('there is none')
    stats = await stat(file)
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) throw error
    throw unreadable(String(error.code), error)
  }
  if (text.length > BYTES_MAX) throw unreadable(`more than ${BYTES_MAX} bytes`)
  const hasKey = (environmentWith(text, {}).PRIVATE_KEY ?? '') !== ''
  if (!hasKey || user === undefined || (stats.mode & OTHERS) === 0) return { text }
  const mode = (stats.mode & 0o777).toString(8)
  const exposed = (cause?: unknown) => StdioError.STDIO_ENV_FILE_EXPOSED({ file, mode }, cause)
  if (stats.uid !== user) throw exposed()
  await chmod(file, OWNER_ONLY).catch((cause: unknown) => {
    throw exposed(cause)
  })
  const warning = `${file} holds PRIVATE_KEY and had mode ${mode}, so others could read it: 600 now`
  return { text, warning }
}
