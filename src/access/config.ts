import { z } from 'zod'
import { hasCode } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'

const PEERS_MAX = 10_000
/** Below the cost of the dearest action, that action would never be admitted. */
const RATE_MIN = 5
const RATE_MAX = 1_000_000

const peers = z
  .array(z.string().transform(readPeer))
  .max(PEERS_MAX)
  .default(() => [])

const rate = z.int().min(RATE_MIN).max(RATE_MAX)

/** The `[security]` section of the configuration file, as far as it says who may do how much. */
export const accessConfig = z.strictObject({
  ratePerPeer: rate.default(100).describe('Cost units per second for one stranger'),
  rateGranted: rate.default(10_000).describe('Cost units per second for one granted peer'),
  rateTotal: rate.default(10_000).describe('Cost units per second for all peers together'),
  burstSeconds: z
    .int()
    .min(1)
    .max(60)
    .default(2)
    .describe('How many seconds of unused rate a peer may spend at once'),
  blocked: peers.describe('Peers that may do nothing; blocked wins over granted'),
  granted: peers.describe('Peers whose quota is rateGranted'),
})

export type AccessConfig = z.infer<typeof accessConfig>

function readPeer(text: string, context: z.RefinementCtx): PeerId {
  try {
    return peerId(text)
  } catch (error) {
    if (!hasCode(error, 'IDENTITY_PEER_ID_INVALID')) throw error
    context.addIssue({ code: 'custom', message: error.message })
    return z.NEVER
  }
}
