/** The catalog over the API: what is withheld from assistants, and what a person decides on it. */

import { z } from 'zod'

const BODY_BYTES_MAX = 65_536
const get = { method: 'GET', bodyBytesMax: BODY_BYTES_MAX } as const
const post = { method: 'POST', bodyBytesMax: BODY_BYTES_MAX } as const

const name = z.string().min(1).max(128).describe('The unique name that the catalog gave the tool')

const hash = z
  .string()
  .max(64)
  .describe('Changes whenever anything of the tool does, as in the lists of tools')

const catalogTool = z.object({
  name: z.string(),
  service: z.string(),
  tool: z.string(),
  peer: z.string(),
  description: z.string(),
})

export const catalogOperations = {
  catalogRead: {
    ...post,
    path: '/v1/catalog/read',
    summary: 'Read a part of a result above one frame, which a call by unique name answered with',
    body: z.strictObject({ uri: z.string().min(1).max(128) }),
    response: z.object({ uri: z.string(), mimeType: z.string(), text: z.string() }),
  },
  catalogWithheld: {
    ...get,
    path: '/v1/catalog/withheld',
    summary: 'Tools of peers that assistants are not shown, and why',
    response: z
      .array(
        catalogTool.extend({
          why: z.enum(['new', 'changed']),
          hash,
          inputSchema: z.record(z.string(), z.unknown()),
        }),
      )
      .readonly(),
  },
  catalogApprove: {
    ...post,
    path: '/v1/catalog/approve',
    summary: 'Take what a tool of a peer says of itself now, or only what was read of it',
    body: z.strictObject({ name, hash: hash.optional() }),
    response: catalogTool,
  },
  catalogPin: {
    ...post,
    path: '/v1/catalog/pin',
    summary: 'Have a tool in every list that assistants are given, or no longer',
    body: z.strictObject({ name, pinned: z.boolean() }),
    response: catalogTool,
  },
} as const
