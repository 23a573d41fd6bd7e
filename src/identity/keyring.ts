/**
 * The node's key on disk: `identity.key`, mode 0600.
 *
 * The file holds one line: the base64 form of libp2p's private-key protobuf (08 01 12 40, the
 * 32-byte seed, the 32-byte public key), so that other libp2p tools can read it.
 */

import { equalBytes, type Random } from '../base/index.ts'
import { IdentityError } from './errors.ts'
import { createKeyFile, readKeyFile } from './key-file.ts'
import { type LocalSigner, SEED_BYTES, type Signer, signerFromSeed } from './signed.ts'

const HEAD = Uint8Array.of(0x08, 0x01, 0x12, 0x40)

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
  const text = await readKeyFile(file)
  return text === undefined ? undefined : parseKeys(text, file)
}

/** New keys that are nowhere on disk. */
export function generateKeys(random: Random): LocalKeys {
  return keysFromSeed(random.bytes(SEED_BYTES))
}

/** Resolves with `undefined` when another process was faster: then its keys are there to load. */
async function createKeys(file: string, random: Random): Promise<LocalKeys | undefined> {
  const keys = generateKeys(random)
  const whole = Buffer.concat([HEAD, keys.raw]).toString('base64')
  return (await createKeyFile(file, whole, random)) ? keys : undefined
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
