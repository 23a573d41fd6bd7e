/** OpenAI's chat completions, and Ollama's chat: what each wants and how it streams. */

import { isJsonObject, type Json, type JsonObject } from '../../../wire/index.ts'
import type { InferenceRequest } from './backend.ts'
import type { Chunk, Dialect } from './http-backend.ts'
import { eventsOf, objectsOf } from './http-lines.ts'

/** `POST /v1/chat/completions` with `stream`, answered by server-sent events. */
export const openai: Dialect = {
  kind: 'openai',
  // The usual form of such a URL ends in /v1; a bare host means the same.
  base: (url) => (new URL(url).pathname === '/' ? `${url}/v1` : url),
  listPath: '/models',
  chatPath: '/chat/completions',
  modelsIn: ({ data }) =>
    listOf(data).flatMap((one) => (isJsonObject(one) ? [one.id ?? null] : [])),
  bodyFor: ({ model, messages, tokensMax, temperature, stop }) => ({
    model,
    messages: said(messages),
    max_tokens: tokensMax,
    stream: true,
    ...(temperature !== undefined && { temperature }),
    ...(stop.length > 0 && { stop: [...stop] }),
  }),
  async *chunks(response) {
    for await (const event of eventsOf(response)) yield openaiChunk(event)
  },
}

/** `POST /api/chat`, answered by one JSON object on each line. */
export const ollama: Dialect = {
  kind: 'ollama',
  base: (url) => url,
  listPath: '/api/tags',
  chatPath: '/api/chat',
  modelsIn: ({ models }) =>
    listOf(models).flatMap((one) => (isJsonObject(one) ? [one.name ?? null] : [])),
  bodyFor: ({ model, messages, tokensMax, temperature, stop }) => ({
    model,
    messages: said(messages),
    stream: true,
    options: {
      num_predict: tokensMax,
      ...(temperature !== undefined && { temperature }),
      ...(stop.length > 0 && { stop: [...stop] }),
    },
  }),
  async *chunks(response) {
    for await (const line of objectsOf(response)) yield ollamaChunk(line)
  },
}

function openaiChunk(event: JsonObject): Chunk {
  if (isError(event.error)) return { error: shown(event.error) }
  const [choice] = listOf(event.choices)
  const { delta, finish_reason: finish } = isJsonObject(choice) ? choice : {}
  const text = isJsonObject(delta) ? delta.content : undefined
  const { usage } = event
  return {
    ...(typeof text === 'string' && { text }),
    ...(typeof finish === 'string' && { finish: finish.slice(0, 64) }),
    ...(isJsonObject(usage) && {
      tokens: { prompt: countOf(usage.prompt_tokens), answer: countOf(usage.completion_tokens) },
    }),
  }
}

function ollamaChunk(line: JsonObject): Chunk {
  if (isError(line.error)) return { error: shown(line.error) }
  const { message, done, done_reason: reason } = line
  const text = isJsonObject(message) ? message.content : undefined
  if (done !== true) return typeof text === 'string' ? { text } : {}
  return {
    ...(typeof text === 'string' && { text }),
    finish: typeof reason === 'string' ? reason.slice(0, 64) : 'stop',
    tokens: { prompt: countOf(line.prompt_eval_count), answer: countOf(line.eval_count) },
  }
}

function said(messages: InferenceRequest['messages']): JsonObject[] {
  return messages.map(({ role, content }) => ({ role, content }))
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

function countOf(value: Json | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : 0
}

/** Some servers say in each event that there is none. */
function isError(error: Json | undefined): error is Json {
  return error !== undefined && error !== null
}

function shown(error: Json): string {
  if (isJsonObject(error) && typeof error.message === 'string') return error.message.slice(0, 500)
  return (typeof error === 'string' ? error : JSON.stringify(error)).slice(0, 500)
}
