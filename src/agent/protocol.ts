/**
 * What two agents agree on before they speak: sizes, times, names and the numbers that stand for
 * words. Every limit here is checked before the thing it limits is kept.
 */

/** What one message may carry, in every way it may travel; `docs/contract.md` promises it. */
export const BODY_BYTES_MAX = 512 * 1024
/** What sealing adds to a body: the ephemeral key, the message's number and the tag. */
export const SEAL_BYTES = 32 + 4 + 16
/** A sealed body at its largest, and all other fields at theirs with room to spare. */
export const ENVELOPE_BYTES_MAX = BODY_BYTES_MAX + SEAL_BYTES + 2 * 1024

export const MESSAGE_ID_BYTES = 16
export const PRE_KEY_ID_BYTES = 8
export const NETWORK_CHARS_MAX = 64
export const CONVERSATION_CHARS_MAX = 64
export const CONTENT_TYPE_CHARS_MAX = 128
export const TOPIC_CHARS_MAX = 64

/** Clocks differ; a message from further ahead would outlive its time. */
export const AHEAD_MS_MAX = 60_000
const DAY_MS = 86_400_000
/** A message lives no longer, on its way or kept for somebody. */
export const LIFE_MS_MAX = 7 * DAY_MS

/** A new pre-key is made so often. */
export const PRE_KEY_EVERY_MS = DAY_MS
/**
 * So long may a pre-key be sealed against: its day, and one more for those who hold the record of
 * the last one.
 */
export const PRE_KEY_LIFE_MS = 2 * DAY_MS
/** When nobody seals against it any more, its last message lives so long, and clocks differ. */
export const PRE_KEY_KEPT_MS = LIFE_MS_MAX + DAY_MS
/** A record of an agent lists at most so many. */
export const PRE_KEYS_PUBLISHED_MAX = 4

/** What an envelope is; its number on the wire is its place here, from 1. */
export const KINDS = ['message', 'receipt'] as const
export type Kind = (typeof KINDS)[number]

/** One receipt confirms at most so many messages of one sender. */
export const RECEIPT_MESSAGES_MAX = 16

/** What a receipt says of a message; its number on the wire is its place here, from 1. */
export const RECEIPT_STATES = ['delivered', 'read'] as const
export type ReceiptState = (typeof RECEIPT_STATES)[number]
