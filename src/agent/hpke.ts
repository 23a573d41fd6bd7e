/**
 * Hybrid public key encryption in base mode (RFC 9180 §5): whoever knows a public key seals,
 * whoever holds its private half opens; who sealed is for others to say.
 *
 * DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256 over node:crypto. The AEAD that messages use is
 * AES-256-GCM, which browsers have too; AES-128-GCM is what the RFC has vectors for, and differs in
 * a number, a name and a length. Decision record 66 says why this is no library.
 */

import {
  type CipherGCMTypes,
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from 'node:crypto'
import { assert, concatBytes, utf8 } from '../base/index.ts'

export const X25519_BYTES = 32
export const TAG_BYTES = 16
const NONCE_BYTES = 12
const HASH_BYTES = 32

/** One AEAD of RFC 9180 §7.3, and what of its key schedule never changes. */
export interface HpkeSuite {
  readonly cipher: CipherGCMTypes
  readonly keyBytes: number
  readonly id: Uint8Array
  readonly pskIdHash: Uint8Array
}

/** An X25519 key pair; the private half never leaves its `KeyObject`. */
export interface X25519Keys {
  readonly privateKey: KeyObject
  readonly publicKey: Uint8Array
}

/** What both ends derive, and number their messages under. */
export interface HpkeContext {
  readonly suite: HpkeSuite
  readonly key: Uint8Array
  readonly baseNonce: Uint8Array
}

const TAG = { authTagLength: TAG_BYTES }
const NOTHING = new Uint8Array()
const VERSION = utf8('HPKE-v1')
const KEM = concatBytes(utf8('KEM'), Uint8Array.of(0x00, 0x20))
const KDF_ID = Uint8Array.of(0x00, 0x01)
const BASE_MODE = Uint8Array.of(0x00)

export const AES_256_GCM = suiteOf('aes-256-gcm', 2, 32)
/** Of the vectors in RFC 9180 A.1. */
export const AES_128_GCM = suiteOf('aes-128-gcm', 1, 16)

/** The keys whose private half is these 32 bytes. */
export function x25519Keys(secret: Uint8Array): X25519Keys {
  const key = Buffer.concat([PKCS8_HEAD, secret])
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  // Ten times as fast as DER, and the same bytes.
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' })
  assert(x !== undefined, 'an X25519 key has its coordinate')
  return { privateKey, publicKey: Uint8Array.from(Buffer.from(x, 'base64url')) }
}

/**
 * `SetupBaseS` of §5.1.1, with an ephemeral key that nobody used before; `undefined` for a public
 * key with which everybody would share one secret.
 */
export function setupSender(
  publicKey: Uint8Array,
  info: Uint8Array,
  ephemeral: X25519Keys,
  suite = AES_256_GCM,
): HpkeContext | undefined {
  const enc = ephemeral.publicKey
  const secret = agreed(ephemeral.privateKey, publicKey)
  return secret && schedule(suite, sharedSecret(secret, enc, publicKey), info)
}

/** `SetupBaseR` of §5.1.1; `undefined` for an ephemeral key that nobody made in earnest. */
export function setupReceiver(
  enc: Uint8Array,
  info: Uint8Array,
  keys: X25519Keys,
  suite = AES_256_GCM,
): HpkeContext | undefined {
  const secret = agreed(keys.privateKey, enc)
  return secret && schedule(suite, sharedSecret(secret, enc, keys.publicKey), info)
}

/** `Seal` of §5.2 for the message of this number: what it hides, then the tag. */
export function sealAt(
  context: HpkeContext,
  sequence: number,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const { suite, key } = context
  const cipher = createCipheriv(suite.cipher, key, nonceAt(context, sequence), TAG)
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  const hidden = cipher.update(plaintext)
  cipher.final()
  return concatBytes(hidden, cipher.getAuthTag())
}

/** `Open` of §5.2; `undefined` when it was not sealed so. */
export function openAt(
  context: HpkeContext,
  sequence: number,
  aad: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const end = sealed.length - TAG_BYTES
  if (end < 0) return undefined
  const { suite, key } = context
  const decipher = createDecipheriv(suite.cipher, key, nonceAt(context, sequence), TAG)
  decipher.setAAD(aad, { plaintextLength: end })
  decipher.setAuthTag(sealed.subarray(end))
  const plaintext = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
    return plaintext
  } catch {
    return undefined
  }
}

/** DER of an X25519 private and public key up to the key's own bytes (RFC 8410 §7, §4). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex')

/** `undefined` where OpenSSL refuses the secret of all zeros, which keys of small order lead to. */
function agreed(privateKey: KeyObject, publicKey: Uint8Array): Uint8Array | undefined {
  if (publicKey.length !== X25519_BYTES) return undefined
  const key = Buffer.concat([SPKI_HEAD, publicKey])
  try {
    return diffieHellman({
      privateKey,
      publicKey: createPublicKey({ key, format: 'der', type: 'spki' }),
    })
  } catch {
    return undefined
  }
}

/** `ExtractAndExpand` of §4.1. */
function sharedSecret(dh: Uint8Array, enc: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const prk = extract(NOTHING, KEM, 'eae_prk', dh)
  return expand(prk, KEM, ['shared_secret', concatBytes(enc, publicKey)], HASH_BYTES)
}

/** `KeySchedule` of §5.1 without a pre-shared key. */
function schedule(suite: HpkeSuite, shared: Uint8Array, info: Uint8Array): HpkeContext {
  const infoHash = extract(NOTHING, suite.id, 'info_hash', info)
  const context = concatBytes(BASE_MODE, suite.pskIdHash, infoHash)
  const secret = extract(shared, suite.id, 'secret', NOTHING)
  return {
    suite,
    key: expand(secret, suite.id, ['key', context], suite.keyBytes),
    baseNonce: expand(secret, suite.id, ['base_nonce', context], NONCE_BYTES),
  }
}

/** `LabeledExtract` of §4. */
function extract(salt: Uint8Array, id: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return hmac(salt, VERSION, id, utf8(label), ikm)
}

/** `LabeledExpand` of §4; one block of HKDF is enough for whatever is asked here. */
function expand(
  prk: Uint8Array,
  id: Uint8Array,
  [label, info]: readonly [string, Uint8Array],
  size: number,
): Uint8Array {
  const length = Uint8Array.of(0, size)
  return hmac(prk, length, VERSION, id, utf8(label), info, Uint8Array.of(1)).subarray(0, size)
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

/** `ComputeNonce` of §5.2; our numbers have 32 bits. */
function nonceAt({ baseNonce }: HpkeContext, sequence: number): Uint8Array {
  const nonce = Buffer.from(baseNonce)
  const at = NONCE_BYTES - 4
  nonce.writeUInt32BE((nonce.readUInt32BE(at) ^ sequence) >>> 0, at)
  return nonce
}

function suiteOf(cipher: CipherGCMTypes, aead: number, keyBytes: number): HpkeSuite {
  const id = concatBytes(utf8('HPKE'), Uint8Array.of(0x00, 0x20), KDF_ID, Uint8Array.of(0, aead))
  return { cipher, keyBytes, id, pskIdHash: extract(NOTHING, id, 'psk_id_hash', NOTHING) }
}
