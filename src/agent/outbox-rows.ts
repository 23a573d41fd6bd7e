/** Rows of `outbox.sqlite`: what they say of a message, its words, and its envelope. */

import { peerId } from '../identity/index.ts'
import type { DeliveryState } from './delivery.ts'
import type { Row } from './message-file.ts'
import type { Draft, OutgoingState, Sealed } from './outbox-store.ts'

const HASH_BYTES = 32

/** What is known of a message without its body. */
export function stateOf(row: Row): OutgoingState {
  const reason = row.reason as string | null
  const peer = row.peer as string | null
  const hashes = row.hashes as Uint8Array
  return {
    delivery: {
      id: row.id as string,
      to: row.recipient as string,
      state: row.state as DeliveryState,
      ...(reason !== null && { reason }),
      at: row.at as number,
    },
    expiresAt: row.expires as number,
    tries: row.tries as number,
    dueMs: row.due as number,
    peer: peer === null ? undefined : peerId(peer),
    hashes: Array.from({ length: hashes.length / HASH_BYTES }, (_, i) =>
      hashes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
    ),
  }
}

export function draftOf(row: Row): Draft {
  const contentType = row.type as string | null
  const conversation = row.conversation as string | null
  const replyTo = row.reply_to as string | null
  return {
    id: row.id as string,
    to: row.recipient as string,
    body: row.body as Uint8Array,
    ...(contentType !== null && { contentType }),
    ...(conversation !== null && { conversation }),
    ...(replyTo !== null && { replyTo }),
    sentAt: row.sent as number,
    expiresAt: row.expires as number,
  }
}

export function sealedOf(row: Row): Sealed | undefined {
  const { hashes } = stateOf(row)
  const bytes = row.envelope as Uint8Array | null
  const hash = hashes.at(-1)
  if (bytes === null || hash === undefined) return undefined
  return { peer: peerId(row.peer as string), bytes, hash, freshUntilMs: row.fresh as number }
}
