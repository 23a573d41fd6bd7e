/**
 * Where the private halves of pre-keys are kept: `pre-keys.cbor` in the data folder, mode 0600,
 * replaced as a whole. Deterministic CBOR: [1, [[id, secret, expires at], …]].
 *
 * What was in the file before is gone from it, not from every disk: a drive that writes elsewhere
 * may keep the old blocks for a while. The data folder belongs on an encrypted volume.
 */

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { type Random, writeWhole } from '../base/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { EnvelopeError } from './envelope-errors.ts'
import { X25519_BYTES } from './hpke.ts'
import { type KeptPreKey, PRE_KEYS_KEPT_MAX, type PreKeyStore } from './pre-keys.ts'
import { PRE_KEY_ID_BYTES } from './protocol.ts'

const VERSION = 1
const FILE_BYTES_MAX = 4_096
/** No symbolic link in place of the file, and no waiting for the writer of a pipe. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** The store over one file; a folder without it has no pre-keys yet. */
export function preKeysFile(file: string, random: Random): PreKeyStore {
  return {
    load: async () => {
      const bytes = await readSecret(file)
      return bytes === undefined ? [] : parse(bytes, file)
    },
    save: async (keys) => {
      const rows = keys.map(({ id, secret, expiresAtMs }) => [id, secret, expiresAtMs])
      try {
        await writeWhole(file, encodeCbor([VERSION, rows]), { random })
      } catch (cause) {
        throw EnvelopeError.PRE_KEYS_FILE({ file, reason: reasonOf(cause) }, cause)
      }
    },
  }
}

async function readSecret(file: string): Promise<Uint8Array | undefined> {
  try {
    await using handle = await open(file, READ_FLAGS)
    const stat = await handle.stat()
    if (!stat.isFile()) throw unusable(file, 'it is no regular file')
    if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
      throw unusable(file, `others can read it; run: chmod 600 ${file}`)
    }
    if (stat.size > FILE_BYTES_MAX) throw unusable(file, `it has ${stat.size} bytes`)
    return await handle.readFile()
  } catch (error) {
    if (!isSystemError(error)) throw error
    if (error.code === 'ENOENT') return undefined
    throw unusable(file, error.code, error)
  }
}

function parse(bytes: Uint8Array, file: string): readonly KeptPreKey[] {
  let value: Cbor
  try {
    value = decodeCbor(bytes, 'pre-keys', FILE_BYTES_MAX)
  } catch (cause) {
    throw unusable(file, 'it holds no pre-keys', cause)
  }
  const [version, rows] = Array.isArray(value) ? (value as readonly Cbor[]) : []
  if (version === VERSION && Array.isArray(rows) && rows.length <= PRE_KEYS_KEPT_MAX) {
    return (rows as readonly Cbor[]).map((row) => rowOf(row, file))
  }
  throw unusable(file, 'it holds no pre-keys of this version')
}

function rowOf(value: Cbor, file: string): KeptPreKey {
  const [id, secret, expiresAtMs] = Array.isArray(value) ? (value as readonly Cbor[]) : []
  if (
    id instanceof Uint8Array &&
    id.length === PRE_KEY_ID_BYTES &&
    secret instanceof Uint8Array &&
    secret.length === X25519_BYTES &&
    typeof expiresAtMs === 'number'
  ) {
    return { id, secret, expiresAtMs }
  }
  throw unusable(file, 'one of its pre-keys is damaged')
}

function unusable(file: string, reason: string, cause?: unknown) {
  return EnvelopeError.PRE_KEYS_FILE({ file, reason }, cause)
}

function reasonOf(error: unknown): string {
  return isSystemError(error) ? error.code : String(error)
}

function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
