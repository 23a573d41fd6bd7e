/** Names that peers give themselves: the shapes and the rows of the table in `control/api.ts`. */

import { z } from 'zod'

const failure = z.object({ peer: z.string(), code: z.string() })
/** What is wrong with a name the node says, which knows. */
const params = z.strictObject({ name: z.string().min(1).max(64) })
const BODY_BYTES_MAX = 4_096

export const claimReport = z.object({
  name: z.string(),
  peer: z.string(),
  stored: z.array(z.string()).readonly(),
  failed: z.array(failure).readonly(),
  wanted: z.number(),
})

export const nameReport = z.object({
  name: z.string(),
  claims: z
    .array(z.object({ peer: z.string() }))
    .readonly()
    .describe('Peers that call themselves so by a record that they signed; none is verified'),
  more: z.boolean().describe('There are more claims than were looked at'),
  answered: z.array(z.string()).readonly(),
  failed: z.array(failure).readonly(),
  complete: z.boolean(),
})

export const nameOperations = {
  nameClaim: {
    method: 'PUT',
    bodyBytesMax: BODY_BYTES_MAX,
    path: '/v1/names/:name',
    summary: 'Claim a name for this node, as others may as well, for as long as it runs',
    params,
    response: claimReport,
  },
  nameFind: {
    method: 'GET',
    bodyBytesMax: BODY_BYTES_MAX,
    path: '/v1/names/:name',
    summary: 'Find who claims a name; which of them is meant, only a peer id says',
    params,
    response: nameReport,
  },
} as const
