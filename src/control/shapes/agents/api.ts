/** Agents by their Ethereum address: the shapes and the rows of the table in `control/api.ts`. */

import { z } from 'zod'

const BODY_BYTES_MAX = 4_096
/** What is wrong with an address the node says, which knows. */
const params = z.strictObject({
  address: z.string().min(1).max(64).describe('0x and 40 hex digits, as EIP-55 has them or lower'),
})

export const agentInfo = z.object({
  address: z.string(),
  peer: z.string(),
  name: z.string().describe('What it calls itself; nothing proves it'),
  connectedSince: z.number().describe('When it started, in milliseconds since the Unix epoch'),
  lastSeen: z.number(),
  status: z
    .object({
      peers: z.number(),
      messagesSent: z.number(),
      messagesReceived: z.number(),
      uptimeSeconds: z.number(),
      memoryBytes: z.number(),
      dhtSize: z.number(),
    })
    .exactOptional()
    .describe('How it is, by its own word; absent where it keeps that to itself'),
  openpond: z
    .enum(['signed', 'unsigned'])
    .exactOptional()
    .describe(
      'Of OpenPond: its Ethereum key has signed that it is at this peer, or only that peer says so',
    ),
})

export const foundAgent = z.object({
  address: z.string(),
  peer: z.string(),
  version: z.number().describe('Of the binding that both keys signed'),
  expires: z.number().describe('When that binding ends, in milliseconds since the Unix epoch'),
  preKeys: z.number().describe('How many keys it can be written to with now'),
  addresses: z.array(z.string()).readonly(),
})

export const agentOperations = {
  agents: {
    method: 'GET',
    bodyBytesMax: BODY_BYTES_MAX,
    path: '/v1/agents',
    summary: 'The agents that are here, by their own word of the last two minutes',
    response: z.array(agentInfo).readonly(),
  },
  agentFind: {
    method: 'GET',
    bodyBytesMax: BODY_BYTES_MAX,
    path: '/v1/agents/:address',
    summary: 'Which peer speaks for an Ethereum address, by a record that both signed',
    params,
    response: foundAgent,
  },
} as const
