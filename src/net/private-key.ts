/**
 * The node's key as libp2p wants it. Where the secret is kept elsewhere, libp2p gets a key that can
 * sign and says nothing else: Noise and signed records need no more, QUIC's TLS does.
 */

import { privateKeyFromRaw, publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey, Ed25519PublicKey, PrivateKey } from '@libp2p/interface'
import type { NodeKeys } from '../identity/index.ts'
import type { Facility } from './facility.ts'

/** Said of QUIC when the secret is not in this process. */
export const QUIC_NEEDS_KEY: Facility = {
  state: 'unavailable',
  reason: 'the key is kept elsewhere, and the certificate of QUIC needs it in this process',
  remedy: 'use TCP, or a key file in the data folder in place of the injected signer',
}

export function privateKeyOf({ raw, signer }: NodeKeys): PrivateKey {
  if (raw !== undefined) return privateKeyFromRaw(raw)
  const publicKey = publicKeyFromRaw(signer.publicKey) as Ed25519PublicKey
  const key: Ed25519PrivateKey = {
    type: 'Ed25519',
    publicKey,
    raw: new Uint8Array(),
    equals: (other?: { publicKey?: Ed25519PublicKey }) => {
      return other?.publicKey !== undefined && publicKey.equals(other.publicKey)
    },
    sign: (data) => signer.sign(data.subarray()),
  }
  return key
}
