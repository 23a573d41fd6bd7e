/** Texts as the arguments of standard tools have them. */

import { z } from 'zod'
import { fromUtf8, utf8 } from '../../base/index.ts'
import { peerId } from '../../identity/index.ts'

/** A peer id as text; anything else is refused with the arguments. */
export const peerText = z
  .string()
  .min(1)
  .max(128)
  .refine(isPeerId, { error: 'wanted a peer id, such as 12D3KooW…' })

export function byteLength(text: string): number {
  return utf8(text).length
}

/** Bytes as text where they are some, else in base64. */
export function shownBytes(bytes: Uint8Array): { value: string; encoding: 'utf8' | 'base64' } {
  try {
    return { value: fromUtf8(bytes), encoding: 'utf8' }
  } catch {
    return { value: Buffer.from(bytes).toString('base64'), encoding: 'base64' }
  }
}

function isPeerId(text: string): boolean {
  try {
    return peerId(text) === text
  } catch {
    return false
  }
}
