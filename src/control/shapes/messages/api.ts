/** Messages between agents: the shapes and the rows of the table in `control/api.ts`. */

import { z } from 'zod'

/** A body of 512 KiB as JSON in which every character may be escaped, and what stands around it. */
const SENT_BYTES_MAX = 1_048_576
const BODY_BYTES_MAX = 4_096
const TIMEOUT_MS_MAX = 3_600_000
const WAIT_MS_MAX = 60_000
const EXPIRES_MS_MAX = 604_800_000
const PAGE_MAX = 200

const id = z.string().regex(/^[0-9a-f]{32}$/)
const conversation = z.string().min(1).max(64)
const cursor = z.number().describe('Grows with each message')

/** How far a message of ours has come. */
export const delivery = z.object({
  id: z.string(),
  to: z.string(),
  state: z.string().describe('queued, sent, stored, delivered, read, expired or failed'),
  reason: z.string().optional(),
  at: z.number().describe('When it came to this state, in milliseconds since the Unix epoch'),
})

/** What somebody sent to this agent. */
export const message = z.object({
  id: z.string(),
  from: z.string().describe('The Ethereum address of its author, or the peer id of one without'),
  peer: z.string(),
  to: z.string(),
  data: z.unknown(),
  encoding: z.literal('base64').optional().describe('Where the data is neither JSON nor text'),
  conversation: z.string().optional(),
  replyTo: z.string().optional(),
  sentAt: z.number(),
  receivedAt: z.number(),
  broadcast: z.boolean(),
  route: z
    .string()
    .exactOptional()
    .describe('direct, gossip, mailbox or self; openpond: in the clear, and of no network'),
  cursor,
})

export const messageOperations = {
  messageSend: {
    method: 'POST',
    bodyBytesMax: SENT_BYTES_MAX,
    path: '/v1/messages',
    summary: 'Send a message to an agent, sealed for it, or to everybody',
    body: z.strictObject({
      to: z.string().min(1).max(128).describe('An Ethereum address, a peer id, or * for everybody'),
      data: z.unknown().describe('Any JSON, up to 512 KiB'),
      conversation: conversation.exactOptional(),
      replyTo: id.exactOptional().describe('The id of the message that this one answers'),
      expiresMs: z.int().min(1_000).max(EXPIRES_MS_MAX).exactOptional(),
      form: z
        .literal('openpond')
        .exactOptional()
        .describe("As OpenPond's nodes have it: in the clear, and nobody confirms it"),
      timeoutMs: z.int().min(1).max(TIMEOUT_MS_MAX).exactOptional(),
    }),
    response: delivery,
  },
  messages: {
    method: 'GET',
    bodyBytesMax: BODY_BYTES_MAX,
    path: '/v1/messages',
    summary: 'Messages to this agent, the newest first',
    query: z.strictObject({
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(50),
      cursor: z.coerce.number().int().min(0).exactOptional().describe('Where a page goes on'),
      conversation: conversation.exactOptional(),
      text: z.string().min(1).max(256).exactOptional().describe('Words that begin words of it'),
    }),
    response: z.object({ messages: z.array(message).readonly(), cursor: cursor.optional() }),
  },
  messageNext: {
    method: 'POST',
    bodyBytesMax: BODY_BYTES_MAX,
    path: '/v1/messages/next',
    summary: 'Wait for the next message to this agent, which is read then',
    body: z.strictObject({
      after: z.int().min(0).exactOptional().describe('The cursor of the last one that is known'),
      timeoutMs: z.int().min(1).max(WAIT_MS_MAX).default(30_000),
      unreadUpTo: z
        .int()
        .min(0)
        .exactOptional()
        .describe('With `after`: up to this cursor, only what nobody has read'),
      conversation: conversation.exactOptional(),
    }),
    response: z.object({ message: message.nullable().describe('Null where none came in time') }),
  },
} as const
