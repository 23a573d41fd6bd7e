/** The `[agent]` section of the configuration. Every knob has a default, a bound and a reason. */

import { z } from 'zod'
import { NAME_CHARS_MAX } from './notice.ts'
import { LIFE_MS_MAX } from './protocol.ts'

const MIB = 1_024 * 1_024

/** How much a node says of itself on the topic `node-status`. */
export const STATUS_PRIVACY = ['full', 'brief', 'none'] as const

export const agentConfig = z.strictObject({
  enabled: z
    .boolean()
    .default(false)
    .describe(
      'Speak for an Ethereum address, which others then find this node by. ' +
        'The command line turns it on where PRIVATE_KEY is set',
    ),
  ethKey: z
    .string()
    .max(1_024)
    .regex(/^(?:env|file):.+$/s, { error: 'wanted env:NAME or file:PATH' })
    .default('env:PRIVATE_KEY')
    .describe(
      'Where the Ethereum key is; eth.key in the data folder where the variable is not set',
    ),
  name: z
    .string()
    .max(NAME_CHARS_MAX)
    .regex(/^[^\p{Cc}\p{Cf}]*$/u, { error: 'wanted a name without control characters' })
    .default('')
    .describe('What this agent calls itself; others are told, and nothing proves it'),
  announce: z
    .boolean()
    .default(true)
    .describe('Tell on the topic agent-announcements that this agent is here, and when it leaves'),
  statusIntervalMs: z
    .int()
    .min(10_000)
    .max(100_000)
    .default(60_000)
    .describe(
      'How often this node says that it is here, and how it is; others forget it in 2 minutes',
    ),
  statusPrivacy: z
    .enum(STATUS_PRIVACY)
    .default('full')
    .describe('full: with counts, memory and uptime; brief: that it is here; none: no status'),
  requireRegistered: z
    .boolean()
    .default(false)
    .describe('Drop messages of senders without an entry in the agent registry'),
  registryCacheMs: z
    .int()
    .min(1_000)
    .max(86_400_000)
    .default(300_000)
    .describe('How old an answer of the registry may be before it is asked for anew'),
  openpondCompat: z
    .boolean()
    .default(false)
    .describe(
      "Take messages in the form of OpenPond's own nodes, and let them be sent: " +
        'in the clear, without receipts, and good in any network for an hour',
    ),
  senderPerSecond: z
    .int()
    .min(1)
    .max(10_000)
    .default(50)
    .describe(
      'Messages of one sender that are taken, ten seconds of them at once; ten times the receipts',
    ),
  messageExpiryMs: z
    .int()
    .min(1_000)
    .max(LIFE_MS_MAX)
    .default(86_400_000)
    .describe('How long a message is tried and kept for its recipient, unless it says so itself'),
  inboxMessagesMax: z
    .int()
    .min(16)
    .max(1_000_000)
    .default(50_000)
    .describe('Messages kept, a quarter of them of one sender; what was read makes room'),
  inboxBytesMax: z
    .int()
    .min(4 * MIB)
    .max(65_536 * MIB)
    .default(256 * MIB)
    .describe('Bytes of messages kept, a quarter of them of one sender'),
  seenMax: z
    .int()
    .min(64)
    .max(10_000_000)
    .default(400_000)
    .describe('Messages remembered until they expire, so that none is taken twice; then none is'),
  outboxMessagesMax: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe('Messages of our own that wait for a receipt'),
  outboxBytesMax: z
    .int()
    .min(2 * MIB)
    .max(65_536 * MIB)
    .default(256 * MIB)
    .describe('Bytes of messages of our own that wait for a receipt, sealed and as they are'),
  mailbox: z
    .boolean()
    .default(true)
    .describe(
      'Keep sealed messages for agents that are away, where this node serves the DHT; ' +
        'it need not be an agent itself',
    ),
  mailboxMessagesMax: z
    .int()
    .min(16)
    .max(1_000_000)
    .default(20_000)
    .describe('Messages kept for others, a sixteenth for one recipient and of one sender'),
  mailboxBytesMax: z
    .int()
    .min(MIB)
    .max(65_536 * MIB)
    .default(128 * MIB)
    .describe('Bytes kept for others, a sixteenth for one recipient and of one sender'),
})

export type AgentConfig = z.infer<typeof agentConfig>
