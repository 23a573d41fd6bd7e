/**
 * How a node proves that it is the one a client looks for, before the client says anything.
 *
 * A crash leaves `node.json` behind, and whoever takes that port next would be handed the token.
 * So a client first asks `GET /proof?nonce=…` and gets, in hex,
 *
 *   HMAC-SHA-256(key: the token, "p2p-foundation api proof 1\n" nonce "\n" port "\n" peer id)
 *
 * (RFC 2104). The nonce is new each time, so an answer cannot be kept; the port is the one at which
 * the node was asked, so a program that holds the old port cannot pass on the answer of the node
 * that has moved to another. The token has 256 random bits, so an answer does not help to guess
 * it.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'

/** What is proven: this nonce, asked at this port, of this peer. */
export interface ProofClaim {
  readonly nonce: string
  readonly port: number
  readonly peerId: string
}

/** 24 bytes as base64url; a node takes from 16 to 48. */
export const NONCE_BYTES = 24

export function proofOf(token: string, { nonce, port, peerId }: ProofClaim): string {
  const said = `p2p-foundation api proof 1\n${nonce}\n${port}\n${peerId}`
  return createHmac('sha256', token).update(said).digest('hex')
}

export function isProof(proof: string, token: string, claim: ProofClaim): boolean {
  const wanted = Buffer.from(proofOf(token, claim))
  const found = Buffer.from(proof)
  return found.length === wanted.length && timingSafeEqual(found, wanted)
}
