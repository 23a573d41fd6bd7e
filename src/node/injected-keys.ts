/**
 * Keys whose secret somebody else keeps. Asked once for a signature before the node starts, so that
 * an agent with another key is found out here and not at the first handshake.
 */

import { type Clock, type Random, race } from '../base/index.ts'
import {
  type NodeKeys,
  type PeerId,
  peerIdFromPublicKey,
  signedBytes,
  verifySignature,
} from '../identity/index.ts'
import type { InjectedSigner } from './injected.ts'
import { UseError } from './use-errors.ts'

const PUBLIC_KEY_BYTES = 32
/** A person may have to touch a token. */
const SIGN_TIMEOUT_MS = 30_000
/** Signed bytes of this domain prove nothing anywhere else. */
const DOMAIN = 'p2p-foundation signer check 1'

/** Throws `NODE_INJECTED_INVALID` unless the signer holds the key that it shows. */
export async function keysOfSigner(
  given: InjectedSigner,
  { random, clock }: { readonly random: Random; readonly clock: Clock },
): Promise<NodeKeys> {
  const { publicKey } = given
  const peer = peerOf(publicKey)
  const signer = { peer, publicKey, sign: (bytes: Uint8Array) => given.sign(bytes) }
  const bytes = signedBytes(DOMAIN, [random.bytes(PUBLIC_KEY_BYTES)])
  using deadline = clock.deadline(SIGN_TIMEOUT_MS)
  const sign = async () => signer.sign(bytes)
  const signature: unknown = await race(sign(), deadline.signal).catch((cause: unknown) => {
    throw invalid(cause instanceof Error ? cause.message : 'a refusal', cause)
  })
  if (signature instanceof Uint8Array && verifySignature(peer, bytes, signature)) return { signer }
  throw invalid('a signature that its public key does not verify')
}

function peerOf(publicKey: unknown): PeerId {
  if (publicKey instanceof Uint8Array && publicKey.length === PUBLIC_KEY_BYTES) {
    try {
      return peerIdFromPublicKey(publicKey)
    } catch (cause) {
      throw invalid('a public key that can sign nothing', cause)
    }
  }
  const size = publicKey instanceof Uint8Array ? `${publicKey.length} bytes` : typeof publicKey
  throw invalid(`a public key of ${size}`)
}

function invalid(found: string, cause?: unknown) {
  const wanted = 'the 32 bytes of an Ed25519 public key and a sign() that signs with its other half'
  return UseError.INJECTED_INVALID({ what: 'signer', found, wanted }, cause)
}
