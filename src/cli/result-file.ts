/**
 * The result of a call, written down as it comes and never held as a whole: beside its place until
 * all of it is there and has the hash that it should, then in its place, for its owner's eyes only.
 */

import { createHash } from 'node:crypto'
import { access, link, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { hasCode, newId, secureRandom } from '../base/index.ts'
import { CliError } from './errors.ts'
import type { Output } from './output.ts'

/** What the node says of the result, and its bytes. */
export interface IncomingResult {
  readonly head: {
    readonly peer: string
    readonly bytes: number
    readonly sha256: string
    readonly isError: boolean
  }
  readonly parts: AsyncIterable<Uint8Array>
}

/** Enough of the end to see how the result of a tool that failed ends. */
const TAIL_BYTES = 64

/** Throws where there is something that would be written over. */
export async function checkPlace(path: string, force: boolean): Promise<void> {
  if (force || !(await exists(path))) return
  throw CliError.OUTPUT_EXISTS({ file: path })
}

/** Writes the result to a file; resolves with whether the tool said that it failed. */
export async function writeResult(
  path: string,
  incoming: IncomingResult,
  { force, signal }: { readonly force: boolean; readonly signal: AbortSignal },
): Promise<boolean> {
  const name = `.${basename(path)}.${newId(secureRandom).slice(0, 8)}.part`
  const beside = join(dirname(path), name)
  try {
    const file = await open(beside, 'wx', 0o600).catch((cause: unknown) => unwritable(path, cause))
    let failed = false
    try {
      failed = await checked(incoming, async (part) => {
        signal.throwIfAborted()
        await file.writeFile(part).catch((cause: unknown) => unwritable(path, cause))
      })
      await file.sync()
    } finally {
      await file.close()
    }
    await put(beside, path, force)
    return failed
  } finally {
    await rm(beside, { force: true })
  }
}

/** Writes the result to standard output, as fast as it is read. */
export function printResult(out: Output, incoming: IncomingResult): Promise<boolean> {
  return checked(incoming, (part) => out.raw(part))
}

async function checked(
  { head, parts }: IncomingResult,
  take: (part: Uint8Array) => Promise<void>,
): Promise<boolean> {
  const hash = createHash('sha256')
  let bytes = 0
  let tail = Buffer.alloc(0)
  for await (const part of parts) {
    bytes += part.length
    hash.update(part)
    tail = Buffer.concat([tail, part.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES)
    await take(part)
  }
  if (bytes !== head.bytes || hash.digest('hex') !== head.sha256) {
    throw CliError.OUTPUT_BROKEN({ bytes, wanted: head.bytes })
  }
  // A server that somebody else wrote says it at the end of a result that nobody has read yet.
  return head.isError || /[,{]\s*"isError"\s*:\s*true\s*\}$/.test(tail.toString('latin1'))
}

/** In its place at once; what came there meanwhile is written over only where that is wanted. */
async function put(beside: string, path: string, force: boolean): Promise<void> {
  try {
    if (force) await rename(beside, path)
    else await link(beside, path)
  } catch (cause) {
    if (hasSystemCode(cause, 'EEXIST')) throw CliError.OUTPUT_EXISTS({ file: path }, cause)
    // Some file systems have no second name for a file.
    if (force || !hasSystemCode(cause, 'EPERM', 'ENOTSUP', 'ENOSYS')) unwritable(path, cause)
    await checkPlace(path, false)
    await rename(beside, path).catch((error: unknown) => unwritable(path, error))
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}

function unwritable(file: string, cause: unknown): never {
  if (hasCode(cause, 'CLI_OUTPUT_EXISTS')) throw cause
  const found = cause instanceof Error ? cause.message : 'an unknown reason'
  throw CliError.OUTPUT_UNWRITABLE({ file, found }, cause)
}

function hasSystemCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
