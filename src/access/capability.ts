/**
 * Capability tokens: who may call which tool of whose service, how, how often and until when.
 *
 * The node that serves signs the first block for one peer. Whoever holds a token may hand on less
 * of it without asking: it signs a further block for the next peer. The node that serves sees and
 * checks every block, so the chain says through whose hands the right came. Only the last audience
 * can use a token: it must be the peer at the other end of the connection.
 *
 *   signed    "p2p-foundation capability 1" ‖ network ‖ digest of the block before ‖ payload,
 *             each with its length in front (`identity/signed.ts`); of the first block, no digest
 *   digest    SHA-256 of what is signed; a block's id is its first 16 bytes, in hex
 */

import { createHash } from 'node:crypto'
import { type Random, toHex } from '../base/index.ts'
import { type PeerId, type Signer, signedBytes, verifySignature } from '../identity/index.ts'
import { type Claims, type Narrowing, narrowed } from './capability-claims.ts'
import {
  decodeFirst,
  decodeNext,
  decodeToken,
  encodeFirst,
  encodeNext,
  encodeToken,
  NONCE_BYTES,
  type SealedBlock,
} from './capability-codec.ts'
import { AccessError } from './errors.ts'

const DOMAIN = 'p2p-foundation capability 1'
const ID_BYTES = 16

/** One block of a token whose signature holds. */
export interface CapabilityBlock {
  readonly id: string
  readonly signer: PeerId
  readonly audience: PeerId
  /** What this block says of the number of calls; null where it says nothing. */
  readonly callsMax: number | null
}

/** A token whose signatures hold and that widens nothing; time, count and who shows it are not. */
export interface Capability {
  /** The id of the first block, which is the id of the grant. */
  readonly id: string
  readonly issuer: PeerId
  readonly blocks: readonly CapabilityBlock[]
  /** Through whose hands it went: the issuer first, who may use it last. */
  readonly chain: readonly PeerId[]
  readonly audience: PeerId
  /** What is left after all blocks. */
  readonly rights: Claims
}

interface MakeDeps {
  readonly signer: Signer
  readonly network: string
  readonly random: Random
}

/** Makes a token of one block, signed by the node that serves. */
export async function issueCapability(
  claims: Claims & { readonly audience: PeerId },
  { signer, network, random }: MakeDeps,
): Promise<string> {
  const nonce = random.bytes(NONCE_BYTES)
  const payload = encodeFirst({ ...claims, issuer: signer.peer, nonce })
  return encodeToken([await seal(payload, NO_DIGEST, { signer, network })])
}

/** Hands on less of a token, offline; `signer` must be who may use it. */
export async function attenuateCapability(
  token: string,
  by: Narrowing & { readonly audience: PeerId },
  { signer, network, random }: MakeDeps,
): Promise<string> {
  const held = openCapability(token, network)
  if (held.audience !== signer.peer) {
    throw AccessError.GRANT_AUDIENCE({ peer: signer.peer, audience: held.audience })
  }
  narrowed(held.rights, by, held.blocks.length)
  const payload = encodeNext({ ...by, nonce: random.bytes(NONCE_BYTES) })
  const blocks = decodeToken(token)
  const last = blocks.reduce<Uint8Array>(
    (digest, block) => digestOf(block.payload, digest, network),
    NO_DIGEST,
  )
  return encodeToken([...blocks, await seal(payload, last, { signer, network })])
}

/**
 * Reads a token and checks every signature, and that no block widens what it was given. Throws
 * `ACCESS_GRANT_INVALID`, `ACCESS_GRANT_FORGED` or `ACCESS_GRANT_WIDENED`.
 */
export function openCapability(token: string, network: string): Capability {
  const [head, ...others] = decodeToken(token)
  if (head === undefined) throw AccessError.GRANT_INVALID({ found: 'no block' })
  const { issuer, audience, nonce: _, ...claims } = decodeFirst(head.payload)
  let rights: Claims = claims
  const first = check(head, { index: 0, signer: issuer, before: NO_DIGEST, network })
  let { digest } = first
  const blocks = [{ ...first.block, audience, callsMax: claims.callsMax }]
  let last = audience
  for (const [i, sealed] of others.entries()) {
    const index = i + 1
    const next = decodeNext(sealed.payload)
    const checked = check(sealed, { index, signer: last, before: digest, network })
    rights = narrowed(rights, next, index)
    blocks.push({ ...checked.block, audience: next.audience, callsMax: next.callsMax ?? null })
    digest = checked.digest
    last = next.audience
  }
  const chain = [issuer, ...blocks.map((block) => block.audience)]
  return { id: first.block.id, issuer, blocks, chain, audience: last, rights }
}

/** Who issued it, as it says itself: no signature is looked at. */
export function issuerOf(token: string): PeerId {
  const [head] = decodeToken(token)
  if (head === undefined) throw AccessError.GRANT_INVALID({ found: 'no block' })
  return decodeFirst(head.payload).issuer
}

const NO_DIGEST = new Uint8Array()

interface Place {
  readonly index: number
  readonly signer: PeerId
  readonly before: Uint8Array
  readonly network: string
}

function check({ payload, signature }: SealedBlock, { index, signer, before, network }: Place) {
  const bytes = signedBytes(DOMAIN, [network, before, payload])
  if (!verifySignature(signer, bytes, signature)) {
    throw AccessError.GRANT_FORGED({ block: index, signer })
  }
  const digest = sha256(bytes)
  return { digest, block: { id: toHex(digest.subarray(0, ID_BYTES)), signer } }
}

async function seal(
  payload: Uint8Array,
  before: Uint8Array,
  { signer, network }: Pick<MakeDeps, 'signer' | 'network'>,
): Promise<SealedBlock> {
  const bytes = signedBytes(DOMAIN, [network, before, payload])
  return { payload, signature: await signer.sign(bytes) }
}

function digestOf(payload: Uint8Array, before: Uint8Array, network: string): Uint8Array {
  return sha256(signedBytes(DOMAIN, [network, before, payload]))
}

function sha256(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(createHash('sha256').update(bytes).digest())
}
