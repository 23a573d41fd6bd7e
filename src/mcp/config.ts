/** The `[mcp]` section of the configuration. Every knob has a default, a bound and a reason. */

import { z } from 'zod'

export const mcpConfig = z.strictObject({
  concurrentMax: z
    .int()
    .min(1)
    .max(10_000)
    .default(100)
    .describe(
      'Requests of other peers in work at once, over all services; more wait for a fair share',
    ),
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
  journalKeepMs: z
    .int()
    .min(1_000)
    .max(86_400_000)
    .default(3_600_000)
    .describe('How long the outcome of a keyed call of a peer is kept, so that it runs once'),
  outcomeWaitMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(10_000)
    .describe('How long a peer that fell silent in a call is asked what became of it; 0: not'),
  relayCalls: z
    .boolean()
    .default(true)
    .describe(
      'Whether connected peers carry signed calls for each other where no direct path is, ' +
        'in small numbers',
    ),
  announceServices: z
    .boolean()
    .default(true)
    .describe('Whether our services are told over a topic, and those of others heard there'),
  resultStoreBytes: z
    .int()
    .min(0)
    .max(1024 ** 4)
    .default(1024 ** 3)
    .describe('Results of peers above one frame, on disk for minutes; 0: they are refused'),
  resultBytesMax: z
    .int()
    .min(1_024)
    .max(400 * 1024 ** 2)
    .default(128 * 1024 ** 2)
    .describe('How long a result may be that our own call reads into memory'),
  approve: z
    .enum(['first-use', 'ask'])
    .default('first-use')
    .describe('Whose definition of a remote tool counts: the first that was seen, or none unasked'),
  gatewayToolsMax: z
    .int()
    .min(0)
    .max(4_096)
    .default(64)
    .describe('Tools that assistants are listed; with more there are, peers’ are found by words'),
  toolsFolder: z
    .string()
    .max(4_096)
    .default('')
    .describe(
      'Modules of tools that the node loads and offers, in its own process; a relative path lies ' +
        'in the data folder, empty: none',
    ),
  descriptorRenewMs: z
    .int()
    .min(10_000)
    .max(3_000_000)
    .default(1_200_000)
    .describe('How often our services are announced anew: well within the life of a DHT record'),
})

export type McpConfig = z.infer<typeof mcpConfig>
