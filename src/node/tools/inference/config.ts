/** The `[mcp.inference.<name>]` sections: what this node can run models on. */

import { z } from 'zod'

const BACKENDS_MAX = 16
const MODELS_MAX = 64

const model = z.string().min(1).max(256)

const models = z
  .array(model)
  .max(MODELS_MAX)
  .default([])
  .describe('The models offered; empty: those that the server lists at start')

const url = z
  .url({ protocol: /^https?$/, error: 'wanted an http or https URL' })
  .max(2_048)
  .refine((text) => isBare(text), {
    error: 'wanted a URL without a name, password, query or fragment in it; a key goes into key',
  })

/** As `URL` reads it, which takes `HTTP:me:secret@host` as well. */
function isBare(text: string): boolean {
  const { username, password, search, hash } = URL.parse(text) ?? {}
  return [username, password, search, hash].every((part) => part === '')
}

/** Where a key is, never the key: configuration is printed and sent about. */
const key = z
  .string()
  .max(4_096)
  .regex(/^(?:env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$/, {
    error: 'wanted env:NAME of a variable or file:PATH; the key itself does not belong here',
  })
  .optional()

const parallel = z
  .int()
  .min(1)
  .max(64)
  .default(2)
  .describe('Requests in work at once; a few more wait, others are refused as busy')

const http = { url, key, models, parallel }
const local = {
  file: z.string().min(1).max(4_096).describe('The file of the model'),
  model: model.describe('The name that the model is offered under'),
  parallel,
}

export const backendConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('openai'), ...http }),
  z.strictObject({ kind: z.literal('ollama'), ...http }),
  z.strictObject({ kind: z.literal('onnx'), ...local }),
  z.strictObject({
    kind: z.literal('llama'),
    ...local,
    context: z.int().min(64).max(1_048_576).default(4_096).describe('Tokens that it can look at'),
  }),
])

export type BackendConfig = z.output<typeof backendConfig>

export const inferenceConfig = z
  .record(
    z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, {
      error: 'wanted up to 32 lower-case letters, digits and hyphens',
    }),
    backendConfig,
  )
  .refine((all) => Object.keys(all).length <= BACKENDS_MAX, {
    error: `wanted at most ${BACKENDS_MAX} of them`,
  })
  .default({})
  .describe('Back ends of run_inference by name: kind, and url or file')

export type InferenceConfig = z.output<typeof inferenceConfig>
