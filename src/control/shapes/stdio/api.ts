/**
 * Commands of `p2p-node` as the agent document types them. What a later version says besides is
 * passed over; `id` comes back with the answer.
 */

import { z } from 'zod'

const PEERS_MAX = 64
const ADDRESS_MAX = 1_024
const TOPIC_MAX = 256
const WEEK_MS = 604_800_000

const id = z.union([z.string().max(128), z.number()]).exactOptional()
const port = z.int().min(0).max(65_535)
const topic = z.string().min(1).max(TOPIC_MAX)
const data = z.unknown().refine((value) => value !== undefined, { error: 'wanted any JSON value' })

const schemas = {
  connect: z.object({
    id,
    port: port.exactOptional(),
    bootstrapPeers: z
      .array(z.string().min(1).max(ADDRESS_MAX))
      .max(PEERS_MAX)
      .readonly()
      .exactOptional(),
  }),
  send: z.object({
    id,
    peerId: z.string().min(1).max(128),
    data,
    conversation: z.string().min(1).max(64).exactOptional(),
    replyTo: z.string().min(1).max(64).exactOptional(),
    expiresMs: z.int().min(1).max(WEEK_MS).exactOptional(),
    form: z.literal('openpond').exactOptional(),
  }),
  discover: z.object({ id, topic }),
  subscribe: z.object({ id, topic }),
  shutdown: z.object({ id }),
} as const

/** What only the second version has besides the operations of the API. */
export const extraSchemas = {
  publish: z.object({ topic, data }),
  cancel: z.object({ of: z.union([z.string().max(128), z.number()]) }),
} as const

/** The commands of the first version, in the order of the document. */
export const COMMANDS = Object.keys(schemas) as readonly CommandName[]

export type CommandName = keyof typeof schemas
/** One command, checked. */
export type CommandOf<Name extends CommandName> = z.output<(typeof schemas)[Name]>
export type ExtraName = keyof typeof extraSchemas

/** What is wrong with a value, in sentences; none where it fits. */
export type Checked<Value> = { readonly value: Value } | { readonly problems: readonly string[] }

export function checkCommand<Name extends CommandName>(
  name: Name,
  value: unknown,
): Checked<CommandOf<Name>> {
  return checkedBy(schemas[name] as unknown as z.ZodType<CommandOf<Name>>, value)
}

/** The value as the schema gives it, or all that is wrong with it. */
export function checkedBy<Value>(schema: z.ZodType<Value>, value: unknown): Checked<Value> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return { value: parsed.data }
  return {
    problems: parsed.error.issues.slice(0, PROBLEMS_MAX).map(({ path, message }) => {
      return path.length === 0 ? message : `${path.join('.')}: ${message}`
    }),
  }
}

const PROBLEMS_MAX = 8

export const idOf = (value: unknown): string | number | undefined => id.safeParse(value).data
