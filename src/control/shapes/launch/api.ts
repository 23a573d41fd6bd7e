/**
 * What `p2p-node` says on its standard output, as the launcher reads it: the events of the agent
 * document, and the answers of the second version of the protocol. What a newer executable says
 * besides is passed on or passed over, never an error.
 */

import { z } from 'zod'

const id = z.union([z.string(), z.number()]).optional().describe('Of the command it answers')

/** One line, by its type. */
export const launchEvent = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('ready'),
    id,
    peerId: z.string(),
    ethAddress: z.string().nullable().optional(),
    listen: z.array(z.string()).readonly().default([]),
    api: z.string().optional().describe('Base URL of its HTTP API'),
  }),
  z.looseObject({
    type: z.literal('message'),
    from: z.string(),
    data: z.unknown(),
    messageId: z.string().optional(),
    topic: z.string().optional(),
  }),
  z.looseObject({
    type: z.literal('peer_discovered'),
    id,
    peerId: z.string(),
    topics: z.array(z.string()).readonly(),
  }),
  z.looseObject({
    type: z.literal('delivery'),
    id,
    messageId: z.string().optional(),
    to: z.string().optional(),
    state: z.string(),
    reason: z.string().nullish(),
    at: z.number().optional(),
  }),
  z.looseObject({
    type: z.literal('error'),
    id,
    code: z.string(),
    message: z.string(),
    retryable: z.boolean().optional(),
  }),
  z.looseObject({
    type: z.literal('log'),
    id,
    level: z.string(),
    namespace: z.string(),
    message: z.string(),
    meta: z.unknown().optional(),
  }),
  z.looseObject({ type: z.literal('result'), id, result: z.unknown() }),
])

/** Anything that the process says. */
export type LaunchEvent = z.output<typeof launchEvent>
/** The event of one type. */
export type LaunchEventOf<Type extends LaunchEvent['type']> = Extract<LaunchEvent, { type: Type }>
