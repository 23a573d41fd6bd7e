/** The `[mcp]` section of the configuration. Every knob has a default, a bound and a reason. */

import { z } from 'zod'

export const mcpConfig = z.strictObject({
  concurrentMax: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe('Requests of other peers in work at once, over all services; more are refused'),
  requestTimeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(30_000)
    .describe('How long one request may take, served or sent, with every try it needs'),
  attemptsMax: z.int().min(1).max(16).default(3).describe('Peers to try before giving up'),
  attemptTimeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(10_000)
    .describe('How long one peer may take, connecting included'),
  sessionsMax: z
    .int()
    .min(1)
    .max(1_024)
    .default(32)
    .describe('Streams of other peers that one service has at once; each costs a child process'),
  sessionIdleMs: z
    .int()
    .min(1_000)
    .max(24 * 3_600_000)
    .default(600_000)
    .describe('After how long without a message such a stream is ended'),
  serviceStartTimeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(60_000)
    .describe('How long a service may take to start; `npx` may have to download it first'),
  lookupTimeoutMs: z
    .int()
    .min(100)
    .max(60_000)
    .default(5_000)
    .describe('How long finding who offers a tool may take; what is known by then is used'),
  descriptorRenewMs: z
    .int()
    .min(10_000)
    .max(3_000_000)
    .default(1_200_000)
    .describe('How often our services are announced anew: well within the life of a DHT record'),
})

export type McpConfig = z.infer<typeof mcpConfig>
