import { z } from 'zod'

/** How calls between peers are bounded, as one who asks and as one who is asked. */
export const rpcConfig = z.strictObject({
  callTimeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(10_000)
    .describe('How long a call may take, with opening the stream and waiting for its turn'),
  serveTimeoutMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(10_000)
    .describe('How long we work on the call of a peer before it is told that time is over'),
  inFlightPerPeerMax: z
    .int()
    .min(1)
    .max(64)
    .default(64)
    .describe('Unanswered calls with one peer, each way'),
  waitingPerPeerMax: z
    .int()
    .min(0)
    .max(10_000)
    .default(256)
    .describe('Calls to one peer that wait for their turn; more are refused as busy'),
  servingMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_024)
    .describe('Calls of all peers that we work on at once; more are refused as busy'),
  peersMax: z
    .int()
    .min(1)
    .max(100_000)
    .default(1_000)
    .describe('Peers that we keep a stream to; the one unused longest makes room'),
  idleMs: z
    .int()
    .min(1_000)
    .max(3_600_000)
    .default(300_000)
    .describe('A stream without calls is closed after this'),
})

export type RpcConfig = z.infer<typeof rpcConfig>
