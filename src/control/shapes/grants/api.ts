/** Grants over the API: who may call what, and what peers called. */

import { z } from 'zod'

const BODY_BYTES_MAX = 1_048_576
const SECONDS_MAX = 366 * 86_400
const CALLS_MAX = 1_000_000_000
const ARGS_MAX = 16
const TEXT_MAX = 512
const TOKEN_MAX = 4_096
const AUDIT_MAX = 10_000
/** Peers that one service names. */
const ALLOWED_MAX = 1_000

const get = { method: 'GET', bodyBytesMax: BODY_BYTES_MAX } as const
const post = { method: 'POST', bodyBytesMax: BODY_BYTES_MAX } as const
const remove = { method: 'DELETE', bodyBytesMax: BODY_BYTES_MAX } as const

const scalar = z.union([z.string().max(TEXT_MAX), z.int(), z.boolean()])

const argRule = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('equals'), value: scalar }),
  z.strictObject({ kind: z.literal('oneof'), values: z.array(scalar).min(1).max(32).readonly() }),
  z.strictObject({ kind: z.literal('prefix'), path: z.string().min(1).max(TEXT_MAX) }),
  z.strictObject({ kind: z.literal('max'), limit: z.int() }),
])

const argName = z.string().regex(/^(?!(?:__proto__|constructor|prototype)$)[A-Za-z0-9_.$-]{1,64}$/)
const args = z
  .record(argName, argRule)
  .refine((rules) => Object.keys(rules).length <= ARGS_MAX, `at most ${ARGS_MAX} arguments`)
  .describe('Rules by the name of a top-level argument')

const service = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
const toolName = z.string().regex(/^(?:\*|[A-Za-z0-9_./-]{1,128})$/)
const to = z.string().min(1).max(128).describe('The peer that may, as a peer id in base58')
const expiresInSeconds = z.int().min(1).max(SECONDS_MAX)
const callsMax = z.int().min(1).max(CALLS_MAX)
const token = z.string().min(1).max(TOKEN_MAX)
const id = z.string().regex(/^[0-9a-f]{32}$/)

/** Tokens that one call shows besides those that the node holds. */
export const tokens = z.array(token).max(4).readonly()

/** Who may use a service without a grant, or that a grant is needed. */
export const allow = z.union([
  z.enum(['public', 'granted']),
  z.array(z.string().max(128)).max(ALLOWED_MAX).readonly(),
])

/** Who may use a service, and which of its tools others may. */
export const exposure = z.strictObject({
  allow,
  tools: z.record(z.string().max(128), allow).exactOptional(),
})

const claims = z.object({
  service: z.string(),
  tool: z.string(),
  args: z.record(z.string(), argRule),
  notBefore: z.number().describe('Unix seconds'),
  expires: z.number().describe('Unix seconds'),
  callsMax: z.number().nullable(),
})

const issuedGrant = z.object({
  id: z.string(),
  to: z.string(),
  rights: claims,
  issuedMs: z.number(),
  state: z.enum(['active', 'early', 'expired', 'revoked', 'used up']),
  calls: z.number().describe('Made with it so far, by all who hold a part of it'),
})

const heldGrant = z.object({
  id: z.string(),
  grant: z.string(),
  issuer: z.string(),
  chain: z.array(z.string()).readonly(),
  rights: claims,
  state: z.enum(['active', 'early', 'expired']),
})

const auditEntry = z.object({
  atMs: z.number(),
  peer: z.string(),
  service: z.string().nullable(),
  tool: z.string(),
  grant: z.string().nullable(),
  chain: z.array(z.string()).readonly(),
  outcome: z.string().describe('ok, error, refused, deadline or failed'),
  code: z.string().nullable().describe('Why it was refused'),
  ms: z.number(),
})

/** Rows of the table of operations. */
export const grantOperations = {
  grants: {
    ...get,
    path: '/v1/grants',
    summary: 'The grants that this node gave, and those that it holds',
    response: z.object({
      issued: z.array(issuedGrant).readonly(),
      held: z.array(heldGrant).readonly(),
    }),
  },
  grant: {
    ...post,
    path: '/v1/grants',
    summary: 'Let a peer call tools of a service; answers with the token to give to it',
    body: z.strictObject({
      service,
      tool: toolName.exactOptional(),
      to,
      args: args.exactOptional(),
      expiresInSeconds: expiresInSeconds.exactOptional(),
      callsMax: callsMax.exactOptional(),
    }),
    response: issuedGrant.extend({ token: z.string() }),
  },
  grantAccept: {
    ...post,
    path: '/v1/grants/held',
    summary: 'Keep a token of another node, to be shown in calls to it',
    body: z.strictObject({ token }),
    response: heldGrant,
  },
  grantDelegate: {
    ...post,
    path: '/v1/grants/delegate',
    summary: 'Hand on less of a token that this node may use',
    body: z.strictObject({
      from: token.describe('The id of a token that this node holds, or the token'),
      to,
      tool: toolName.exactOptional(),
      args: args.exactOptional(),
      expiresInSeconds: expiresInSeconds.exactOptional(),
      callsMax: callsMax.exactOptional(),
    }),
    response: z.object({ token: z.string() }),
  },
  grantRevoke: {
    ...remove,
    path: '/v1/grants/:id',
    summary: 'End a grant of this node with all that was handed on of it, or drop a held token',
    params: z.strictObject({ id }),
    response: z.object({ done: z.literal(true) }),
  },
  audit: {
    ...get,
    path: '/v1/audit',
    summary: 'The last calls of peers to tools of this node, the newest first',
    query: z.strictObject({
      limit: z.coerce.number().int().min(1).max(AUDIT_MAX).default(100),
    }),
    response: z.array(auditEntry).readonly(),
  },
} as const
