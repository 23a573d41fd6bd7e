/** What `run_inference` takes and answers with; `forward_to_peer` takes the same for a peer. */

import { z } from 'zod'
import { ToolsError } from '../tools-errors.ts'
import { type InferenceRequest, NUMBERS_MAX } from './inference/backend.ts'

const TEXT_CHARS_MAX = 1_048_576
const MESSAGES_MAX = 256
const TENSORS_MAX = 32
const DIMS_MAX = 8

export const tensor = z.strictObject({
  type: z.enum(['float32', 'float64', 'int32', 'int64', 'bool']).default('float32'),
  dims: z.array(z.int().min(0).max(NUMBERS_MAX)).max(DIMS_MAX),
  data: z.array(z.number()).max(NUMBERS_MAX).describe('All numbers, the last dimension first'),
})

/** The fields of both tools. */
export const inferenceFields = {
  model: z.string().min(1).max(256).optional().describe('A model of the list; any, if left out'),
  prompt: z.string().min(1).max(TEXT_CHARS_MAX).optional().describe('One turn of the user'),
  messages: z
    .array(
      z.strictObject({
        role: z.enum(['system', 'user', 'assistant']),
        content: z.string().max(TEXT_CHARS_MAX),
      }),
    )
    .min(1)
    .max(MESSAGES_MAX)
    .optional()
    .describe('A conversation, in place of prompt'),
  tensors: z
    .record(z.string().min(1).max(256), tensor)
    .optional()
    .describe('Inputs by name, for a model that takes numbers, in place of prompt'),
  max_tokens: z.int().min(1).max(131_072).default(512).describe('The length of the answer'),
  temperature: z.number().min(0).max(2).optional().describe('How freely it chooses'),
  stop: z.array(z.string().min(1).max(256)).max(8).default([]).describe('Texts that end it'),
}

/** A whole request, as either tool reads it. */
export interface InferenceArgs {
  readonly model?: string | undefined
  readonly prompt?: string | undefined
  readonly messages?: InferenceRequest['messages'] | undefined
  readonly tensors?: InferenceRequest['tensors'] | undefined
  readonly max_tokens: number
  readonly temperature?: number | undefined
  readonly stop: readonly string[]
}

/** What ran and what it said. */
export const inferenceOutput = z.object({
  model: z.string(),
  backend: z.string(),
  text: z.string().optional(),
  tensors: z.record(z.string(), tensor).optional(),
  finish: z.string(),
  tokens: z.object({ prompt: z.int(), answer: z.int() }).optional(),
  ms: z.number(),
})

/** Throws unless there is exactly one kind of input, and no more of it than fits. */
export function checkInference(tool: string, args: InferenceArgs): void {
  const { prompt, messages, tensors } = args
  const given = [prompt, messages, tensors].filter((one) => one !== undefined).length
  const wrong = (argument: string, found: string, wanted: string) => {
    throw ToolsError.TOOL_ARGUMENT({ tool, argument, found, wanted })
  }
  if (given !== 1) {
    wrong('the input', `${given} of prompt, messages and tensors`, 'exactly one of them')
  }
  const chars = (messages ?? []).reduce((sum, { content }) => sum + content.length, 0)
  if (chars > TEXT_CHARS_MAX) wrong('messages', `${chars} characters`, `at most ${TEXT_CHARS_MAX}`)
  const all = Object.values(tensors ?? {})
  if (all.length > TENSORS_MAX) wrong('tensors', `${all.length} of them`, `at most ${TENSORS_MAX}`)
  const numbers = all.reduce((sum, { data }) => sum + data.length, 0)
  if (numbers > NUMBERS_MAX) wrong('tensors', `${numbers} numbers`, `at most ${NUMBERS_MAX}`)
}

export function requestOf(args: InferenceArgs, model: string): InferenceRequest {
  const { prompt, messages, tensors = {}, max_tokens: tokensMax, temperature, stop } = args
  const asked = prompt === undefined ? [] : [{ role: 'user' as const, content: prompt }]
  return { model, messages: messages ?? asked, tensors, tokensMax, temperature, stop }
}
