/**
 * The node's key on disk: `identity.key`, mode 0600.
 *
 * The file holds one line: the base64 form of libp2p's private-key protobuf (08 01 12 40, the
 * 32-byte seed, the 32-byte public key), so that other libp2p tools can read it. It is written
 * to a temporary file and linked into place: a crash leaves a whole key or none.
 */

import { constants } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { equalBytes, type Random, toHex } from '../base/index.ts'
import { IdentityError } from './errors.ts'
import { type LocalSigner, SEED_BYTES, type Signer, signerFromSeed } from './signed.ts'

const MODE = 0o600
const HEAD = Uint8Array.of(0x08, 0x01, 0x12, 0x40)
const FILE_BYTES_MAX = 1_024
/** No symbolic link in place of the file, and no waiting for the writer of a pipe. */
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Who a node is, and its secret unless somebody else keeps that. */
export interface NodeKeys {
  readonly signer: Signer
  /** The 64 bytes that libp2p calls a raw Ed25519 private key: seed, then public key. */
  readonly raw?: Uint8Array
}

/** Keys whose secret is in this process. */
export interface LocalKeys extends NodeKeys {
  readonly signer: LocalSigner
  readonly raw: Uint8Array
}

/** Reads the key in `file`; makes one where there is none. */
export async function loadOrCreateKeys(file: string, random: Random): Promise<LocalKeys> {
  return (
    (await loadKeys(file)) ?? (await createKeys(file, random)) ?? loadOrCreateKeys(file, random)
  )
}

/** Reads the key in `file`, or resolves with `undefined` where there is none. */
export async function loadKeys(file: string): Promise<LocalKeys | undefined> {
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
    return parseKeys(await handle.readFile('utf8'), file)
  } catch (error) {
    if (!isSystemError(error)) throw error
    if (error.code === 'ENOENT') return undefined
    throw IdentityError.KEY_FILE_UNREADABLE({ file, reason: error.code }, error)
  }
}

/** New keys that are nowhere on disk. */
export function generateKeys(random: Random): LocalKeys {
  return keysFromSeed(random.bytes(SEED_BYTES))
}

/** Resolves with `undefined` when another process was faster: then its keys are there to load. */
async function createKeys(file: string, random: Random): Promise<LocalKeys | undefined> {
  const keys = generateKeys(random)
  const whole = Buffer.concat([HEAD, keys.raw]).toString('base64')
  const draft = `${file}.${toHex(random.bytes(6))}.tmp`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    {
      await using handle = await open(draft, 'wx', MODE)
      await handle.writeFile(`${whole}\n`)
      await handle.sync()
    }
    await link(draft, file)
  } catch (error) {
    if (!isSystemError(error)) throw error
    if (error.code === 'EEXIST' && error.syscall === 'link') return undefined
    throw IdentityError.KEY_FILE_UNWRITABLE({ file, reason: error.code }, error)
  } finally {
    await unlink(draft).catch(() => undefined)
  }
  return keys
}

function parseKeys(text: string, file: string): LocalKeys {
  const bytes = Buffer.from(text.trim(), 'base64')
  const whole = HEAD.length + 2 * SEED_BYTES
  if (bytes.length !== whole || bytes.toString('base64') !== text.trim()) {
    throw IdentityError.KEY_FILE_MALFORMED({ file })
  }
  const keys = keysFromSeed(bytes.subarray(HEAD.length, HEAD.length + SEED_BYTES))
  if (!equalBytes(bytes, Buffer.concat([HEAD, keys.raw]))) {
    throw IdentityError.KEY_FILE_MALFORMED({ file })
  }
  return keys
}

function keysFromSeed(seed: Uint8Array): LocalKeys {
  const signer = signerFromSeed(seed)
  return { signer, raw: Uint8Array.from([...seed, ...signer.publicKey]) }
}

function isSystemError(error: unknown): error is Error & { code: string; syscall: unknown } {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
