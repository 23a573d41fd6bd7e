/** A message of ours before anything is done about it: what is refused, and how it is said. */

import { fromHex } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { SendOptions } from './agent-face.ts'
import type { Draft as EnvelopeDraft, Recipient } from './envelope-codec.ts'
import { MessageError } from './message-errors.ts'
import { MESSAGE_TOPIC } from './message-topic.ts'
import type { Draft, OutboxLimits } from './outbox-store.ts'
import { BODY_BYTES_MAX, LIFE_MS_MAX } from './protocol.ts'

/** Throws for a body or an option that no message can have. */
export function checkSaid(
  body: Uint8Array,
  { replyTo, expiresMs = 1 }: Pick<SendOptions, 'replyTo' | 'expiresMs'>,
): void {
  if (body.length > BODY_BYTES_MAX) {
    const [size, limit] = [body.length, BODY_BYTES_MAX]
    throw MessageError.MESSAGE_TOO_LARGE({ size, limit, how: 'at all' })
  }
  if (!(Number.isSafeInteger(expiresMs) && expiresMs >= 1 && expiresMs <= LIFE_MS_MAX)) {
    const wanted = `a whole number from 1 to ${LIFE_MS_MAX}`
    throw MessageError.MESSAGE_OPTION({ option: 'expiresMs', found: String(expiresMs), wanted })
  }
  if (replyTo !== undefined && !/^[0-9a-f]{32}$/.test(replyTo)) {
    const [found, wanted] = [replyTo.slice(0, 64), 'the id of a message, 32 hex digits']
    throw MessageError.MESSAGE_OPTION({ option: 'replyTo', found, wanted })
  }
}

/** Throws where so many messages are open that there is no room for one more. */
export function checkRoom(
  { body }: Pick<Draft, 'body'>,
  { messages, bytes }: { readonly messages: number; readonly bytes: number },
  { outboxMessagesMax, outboxBytesMax }: OutboxLimits,
): void {
  if (messages >= outboxMessagesMax) {
    throw MessageError.OUTBOX_FULL({ limit: `${messages} messages` })
  }
  // Sealed, it is kept a second time.
  if (bytes + 2 * body.length > outboxBytesMax) {
    throw MessageError.OUTBOX_FULL({ limit: `${bytes} bytes` })
  }
}

/** As it is said to everybody, in the clear. */
export function inTheClear(said: Draft, peer: PeerId): EnvelopeDraft {
  return asSaid(said, { peer, to: { topic: MESSAGE_TOPIC } })
}

/** What an envelope says of a message of ours, by `peer`. */
export function asSaid(
  said: Draft,
  { peer, to }: { readonly peer: PeerId; readonly to: Recipient },
): EnvelopeDraft {
  const { id, replyTo, sentAt, expiresAt, conversation, contentType, body } = said
  return {
    from: { peer },
    to,
    id: fromHex(id),
    sentAtMs: sentAt,
    expiresAtMs: expiresAt,
    kind: 'message',
    ...(conversation !== undefined && { conversation }),
    ...(replyTo !== undefined && { replyTo: fromHex(replyTo) }),
    ...(contentType !== undefined && { contentType }),
    body,
  }
}
