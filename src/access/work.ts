/**
 * Proof of work: a nonce that makes SHA-256(bytes ‖ nonce) begin with so many zero bits.
 *
 *   offset  size  field
 *        0     N  bytes, whatever the work is for
 *        N     8  nonce, unsigned, big endian, at most 2⁵³ − 1
 *
 * Finding it takes 2^bits hashes on average, checking it takes one. It makes writing to the DHT in
 * bulk cost something; it does not stop whoever is willing to pay.
 */

import { createHash, type Hash, hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { AccessError } from './errors.ts'

/** About half a minute of one core; more would be a denial of service against ourselves. */
export const WORK_BITS_MAX = 24

/** Hashes between two looks at the signal and the event loop: one to two milliseconds. */
const HASHES_PER_TURN = 512

/** Searches from nonce 0 upwards, a few milliseconds at a time, until found or aborted. */
export async function solveWork(
  bytes: Uint8Array,
  bits: number,
  options: { readonly signal?: AbortSignal } = {},
): Promise<number> {
  checkBits(bits)
  const head = createHash('sha256').update(bytes)
  for (let nonce = 0; ; nonce += 1) {
    if (nonce % HASHES_PER_TURN === 0) {
      await setImmediate()
      options.signal?.throwIfAborted()
    }
    if (zeroBits(digest(head, nonce)) >= bits) return nonce
  }
}

/** Whether `nonce` is work of at least `bits` for `bytes`; any number may be asked about. */
export function hasWork(bytes: Uint8Array, nonce: number, bits: number): boolean {
  checkBits(bits)
  if (!Number.isSafeInteger(nonce) || nonce < 0) return false
  return zeroBits(hash('sha256', Buffer.concat([bytes, tailOf(nonce)]), 'buffer')) >= bits
}

function checkBits(bits: number): void {
  if (!Number.isInteger(bits) || bits < 0 || bits > WORK_BITS_MAX) {
    throw AccessError.WORK_BITS({ bits, limit: WORK_BITS_MAX })
  }
}

/** A copy of the hash carries on from what is the same for every nonce. */
function digest(head: Hash, nonce: number): Buffer {
  return head.copy().update(tailOf(nonce)).digest()
}

function tailOf(nonce: number): Buffer {
  const tail = Buffer.alloc(8)
  tail.writeBigUInt64BE(BigInt(nonce))
  return tail
}

/** Leading zero bits, counted in the first 32: more than any work we ask for. */
function zeroBits(digested: Buffer): number {
  return Math.clz32(digested.readUInt32BE(0))
}
