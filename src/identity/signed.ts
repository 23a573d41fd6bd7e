/**
 * Signatures under a domain.
 *
 * What is signed is never bare data: it is the domain string and every field, each with its length
 * in front (32 bits, big endian), so that bytes signed for one purpose prove nothing for another
 * and no field can lend bytes to its neighbour. Ed25519, RFC 8032.
 */

import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { systemClock, TtlMap, utf8 } from '../base/index.ts'
import { Writer } from '../wire/index.ts'
import { type PeerId, peerIdFromPublicKey, publicKeyOf } from './peer.ts'

/** Every Ed25519 signature has this length. */
export const SIGNATURE_BYTES = 64
export const SEED_BYTES = 32
const LENGTH_BYTES = 4

/** A field of what is signed: bytes, text as UTF-8, or a whole number as 64 bits, big endian. */
export type SignedField = Uint8Array | string | number

/** Whoever holds a node's key. The key itself stays behind this interface. */
export interface Signer {
  readonly peer: PeerId
  /** The raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Signs `bytes` as they are; callers frame them with `signedBytes` first. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** A signer whose key is in this process: it signs at once. */
export interface LocalSigner extends Signer {
  sign(bytes: Uint8Array): Uint8Array
}

/** The bytes that a signature in `domain` covers. */
export function signedBytes(domain: string, fields: readonly SignedField[]): Uint8Array {
  const parts = [domain, ...fields].map(fieldBytes)
  const size = parts.reduce((sum, bytes) => sum + LENGTH_BYTES + bytes.length, 0)
  const framed = new Uint8Array(size)
  const lengths = new DataView(framed.buffer)
  let at = 0
  for (const bytes of parts) {
    lengths.setUint32(at, bytes.length)
    framed.set(bytes, at + LENGTH_BYTES)
    at += LENGTH_BYTES + bytes.length
  }
  return framed
}

/** Whether `peer` signed `bytes`. Peers whose id does not carry an Ed25519 key never did. */
export function verifySignature(peer: PeerId, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false
  const key = verifyingKey(peer)
  return key !== undefined && verify(null, bytes, key, signature)
}

/** A signer over a 32-byte Ed25519 seed. */
export function signerFromSeed(seed: Uint8Array): LocalSigner {
  const pkcs8 = Buffer.concat([PKCS8_HEAD, seed])
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const publicKey = Uint8Array.from(spki.subarray(SPKI_HEAD.length))
  return {
    peer: peerIdFromPublicKey(publicKey),
    publicKey,
    sign: (bytes) => sign(null, bytes, key),
  }
}

/** DER of an Ed25519 private and public key up to the key's own bytes (RFC 8410 §7, §4). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex')

/** Importing a key costs a third of a verification, so keys of busy peers are kept. */
const keys = new TtlMap<PeerId, KeyObject>({
  entriesMax: 1_024,
  ttlMs: 3_600_000,
  clock: systemClock,
})

function verifyingKey(peer: PeerId): KeyObject | undefined {
  const known = keys.get(peer)
  if (known !== undefined) return known
  const raw = publicKeyOf(peer)
  if (raw === undefined) return undefined
  const key = createPublicKey({
    key: Buffer.concat([SPKI_HEAD, raw]),
    format: 'der',
    type: 'spki',
  })
  keys.set(peer, key)
  return key
}

function fieldBytes(field: SignedField): Uint8Array {
  if (typeof field === 'string') return utf8(field)
  return typeof field === 'number' ? new Writer(8).u64(field).end() : field
}
