/** A small file of ours, which another program may have made large. */

import { type FileHandle, open } from 'node:fs/promises'

/**
 * The text of the file, of which no more than one byte above `bytesMax` is read, so that a longer
 * one shows; `undefined` when there is none.
 */
export async function readBounded(
  file: string,
  { bytesMax, flags }: { readonly bytesMax: number; readonly flags: number },
): Promise<string | undefined> {
  try {
    await using handle = await open(file, flags)
    return await textOf(handle, bytesMax)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

async function textOf(handle: FileHandle, bytesMax: number): Promise<string> {
  const buffer = Buffer.alloc(bytesMax + 1)
  let size = 0
  for (;;) {
    const { bytesRead } = await handle.read(buffer, size)
    size += bytesRead
    if (bytesRead === 0 || size > bytesMax) break
  }
  return buffer.toString('utf8', 0, size)
}
