/** A file of ours replaced as a whole: written beside, forced to disk, renamed over. */

import { open, rename, unlink } from 'node:fs/promises'
import { toHex } from './bytes.ts'
import { type Random, secureRandom } from './random.ts'

export interface WriteWholeOptions {
  /** Of the new file, whatever the process masks; its owner alone may read it unless given. */
  readonly mode?: number
  /** Names the draft, so that two who write at once do not meet in one. */
  readonly random?: Random
}

const OWNER_ONLY = 0o600
const DRAFT_BYTES = 6

/**
 * Readers see the old content or the new, never a part, also after a crash. Rejects with the
 * error of the system, and leaves the old file as it was and no draft.
 */
export async function writeWhole(
  file: string,
  content: string | Uint8Array,
  { mode = OWNER_ONLY, random = secureRandom }: WriteWholeOptions = {},
): Promise<void> {
  const draft = `${file}.${toHex(random.bytes(DRAFT_BYTES))}.tmp`
  const handle = await open(draft, 'wx', mode)
  try {
    try {
      await handle.chmod(mode)
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, file)
  } catch (error) {
    await unlink(draft).catch(() => undefined)
    throw error
  }
}
