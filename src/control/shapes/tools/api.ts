/** Shapes of what is looked for among tools, and of what a service tells of itself. */

import { z } from 'zod'

const NAME_MAX = 256
const INVITATION_MAX = 1_400
const ARGUMENT = '[A-Za-z0-9_.-]{1,64}(?::[a-z]{1,8})?'

const name = z.string().min(1).max(NAME_MAX)
/** What whoever offers a blinded service gave out. */
export const invitationText = z.string().min(1).max(INVITATION_MAX)

/** What `GET /v1/tools` takes; `accepts` is a list such as `a:number,b`. */
export const toolsQuery = z.strictObject({
  tool: name.exactOptional(),
  service: name.exactOptional(),
  peer: z.string().min(1).max(128).exactOptional(),
  tag: name.exactOptional(),
  text: z.string().min(1).max(512).exactOptional(),
  accepts: z
    .string()
    .max(4_096)
    .regex(new RegExp(`^${ARGUMENT}(?:,${ARGUMENT}){0,31}$`))
    .exactOptional()
    .describe('Arguments, each with a type of JSON Schema where it matters: a:number,b'),
  invitation: invitationText.exactOptional(),
})

const tags = z.array(z.string().max(32)).max(16).readonly()
const visibility = z.enum(['public', 'peers', 'blinded'])

/** What others are told of a service that is exposed. */
export const publicity = z.strictObject({
  tags: tags.exactOptional(),
  visibility: visibility.exactOptional(),
  price: z.int().min(0).max(1_000_000_000).exactOptional(),
  secret: z.string().max(64).exactOptional(),
})

/** What a status says of it. */
export const told = {
  tags: tags.optional(),
  visibility: visibility.optional(),
  price: z.number().optional(),
  resources: z.array(z.string()).readonly().optional(),
  prompts: z.array(z.string()).readonly().optional(),
} as const

/** What an entry of a search says besides where the tool is. */
const toldOfTool = {
  tags: z.array(z.string()).readonly().optional(),
  price: z.number().optional(),
  load: z.number().optional().describe('How busy the peer said it was, in percent'),
  hash: z.string().optional().describe('Changes whenever anything of the tool does'),
} as const

export const toolEntry = z.object({
  service: z.string(),
  tool: z.string(),
  peer: z.string(),
  description: z.string(),
  idempotent: z.boolean(),
  ...toldOfTool,
})

/** The first line of an answer that is a result as it is. */
export const outputHead = z.object({
  peer: z.string(),
  bytes: z.int().min(0).describe('How long what follows this line is'),
  sha256: z.string().describe('Of what follows this line'),
  isError: z.boolean(),
})
export type OutputHead = z.infer<typeof outputHead>

export const invited = z.object({ invitation: z.string() })
