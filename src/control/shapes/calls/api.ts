/** How a call went, as the API says it: who was considered, who was tried, and why. */

import { z } from 'zod'
import type { Explanation } from '../../../mcp/index.ts'

/** One try of a call at one peer. */
export const attempt = z.object({
  peer: z.string(),
  path: z.string(),
  via: z.string().optional().describe('Who carried the call there, where the path is "relayed"'),
  ms: z.number(),
  code: z.string(),
})

/** How a call found its way. */
export const explanation = z.object({
  found: z.object({
    asked: z.number(),
    silent: z.number(),
    cached: z.boolean(),
    ms: z.number(),
  }),
  considered: z
    .array(
      z.object({
        peer: z.string(),
        service: z.string(),
        idempotent: z.boolean(),
        local: z.boolean(),
        connected: z.boolean(),
        latencyMs: z.number().nullable(),
        failures: z.number(),
        success: z.number().nullable().describe('Share of calls that it answered, from 0 to 1'),
        load: z.number().nullable().describe('As it last said, in percent'),
        inWork: z.number().describe('Calls of this node that it has in work'),
        grants: z.number().describe('Tokens that are shown to it'),
        missing: z
          .string()
          .nullable()
          .describe('The code with which a grant or approval was wanted'),
        behind: z.string().nullable().describe('What put it behind the one before it'),
      }),
    )
    .readonly()
    .describe('Best first'),
  tried: z.array(attempt.extend({ atMs: z.number() })).readonly(),
})

/** What a call that failed says of its way, where it was to be explained. */
export function explanationIn(facts: unknown): Explanation | undefined {
  const { data } = z.object({ explain: explanation }).safeParse(facts)
  return data?.explain as Explanation | undefined
}
