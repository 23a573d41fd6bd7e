/** Calls of a tool by name: the answer as one document, or as it comes. */

import { z } from 'zod'
import { callResult, json, NAME_MAX } from '../api.ts'
import { tokens } from '../grants/api.ts'
import { invitationText, outputHead } from '../tools/api.ts'

/** Arguments of a tool may be as large as an MCP frame. */
export const CALL_BODY_BYTES_MAX = 16_777_216
const TIMEOUT_MS_MAX = 3_600_000

const post = { method: 'POST', bodyBytesMax: CALL_BODY_BYTES_MAX } as const
const name = z.string().min(1).max(NAME_MAX)
const peer = z.string().min(1).max(128).describe('A peer id in base58')
const timeoutMs = z.int().min(1).max(TIMEOUT_MS_MAX)
const idempotencyKey = z.string().regex(/^[A-Za-z0-9_-]{16,64}$/)

const callBody = z.strictObject({
  tool: name,
  args: json.default({}),
  service: name.exactOptional(),
  peer: peer.exactOptional(),
  key: idempotencyKey.exactOptional().describe('The same each time this call is repeated'),
  hedge: z
    .union([z.literal(true), z.int().min(1).max(60_000)])
    .exactOptional()
    .describe('Ask a second peer after so many ms, or after thrice the usual time'),
  explain: z.boolean().exactOptional().describe('Say who was considered, and why'),
  timeoutMs: timeoutMs.exactOptional(),
  grants: tokens.exactOptional(),
  invitation: invitationText.exactOptional().describe('Of the blinded service to call'),
})

/** The rows of the table. */
export const callOperations = {
  call: {
    ...post,
    path: '/v1/call',
    summary: 'Call a tool on whichever peer offers it',
    body: callBody,
    response: callResult,
  },
  callOutput: {
    ...post,
    path: '/v1/call/output',
    summary:
      'The same, and the result as it is, however long: a line of JSON, then its bytes; ' +
      'who sends `TE: trailers` is told in `p2p-error` why they broke off',
    body: callBody,
    response: outputHead,
    contentTypes: ['application/octet-stream'],
  },
} as const
