/**
 * What two node identities agree on without a word: X25519 over their Ed25519 keys.
 *
 * The Ed25519 seed gives the X25519 scalar (the lower half of its SHA-512, as signing uses it), and
 * a public key maps to the other curve by u = (1 + y) / (1 − y) (RFC 7748 §4.1). The secret is the
 * same for as long as both keys live, so whoever uses it derives keys of its own from it (HKDF) and
 * sees to it that no key meets a nonce twice.
 */

import { createHash, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import type { NodeKeys } from './keyring.ts'
import { type PeerId, publicKeyOf } from './peer.ts'
import { SEED_BYTES } from './signed.ts'

/**
 * The secret that this node shares with `peer`, 32 bytes; `undefined` for ids that carry no Ed25519
 * key, and for keys with which everybody would share the same secret.
 */
export type Agreement = (peer: PeerId) => Uint8Array | undefined

/** The agreement of whoever holds these keys; `undefined` when the secret is kept elsewhere. */
export function agreementOf({ raw }: NodeKeys): Agreement | undefined {
  if (raw === undefined) return undefined
  const scalar = createHash('sha512').update(raw.subarray(0, SEED_BYTES)).digest()
  const der = Buffer.concat([PKCS8_HEAD, scalar.subarray(0, SEED_BYTES)])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return (peer) => {
    const u = montgomeryOf(peer)
    if (u === undefined) return undefined
    try {
      const key = Buffer.concat([SPKI_HEAD, u])
      const publicKey = createPublicKey({ key, format: 'der', type: 'spki' })
      return diffieHellman({ privateKey, publicKey })
    } catch {
      // OpenSSL refuses the secret that is all zeros, which keys of small order lead to.
      return undefined
    }
  }
}

/** DER of an X25519 private and public key up to the key's own bytes (RFC 8410 §7, §4). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_HEAD = Buffer.from('302a300506032b656e032100', 'hex')

const { Fp } = ed25519.Point

/** Only y is needed, so the point is not decompressed: a tenth of the work. */
function montgomeryOf(peer: PeerId): Uint8Array | undefined {
  const key = publicKeyOf(peer)
  if (key === undefined) return undefined
  const bytes = Uint8Array.from(key)
  bytes[SEED_BYTES - 1] = (bytes[SEED_BYTES - 1] ?? 0) & 0x7f
  try {
    const y = Fp.fromBytes(bytes)
    return Fp.toBytes(Fp.mul(Fp.add(Fp.ONE, y), Fp.inv(Fp.sub(Fp.ONE, y))))
  } catch {
    // Not the number of a point, or y = 1, which has no image.
    return undefined
  }
}
