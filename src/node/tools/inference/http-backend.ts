/**
 * Models behind a server that speaks HTTP: OpenAI's chat completions, which most servers have, and
 * Ollama's own. The URL is the operator's; a redirect is refused, so no server can send this node
 * somewhere else.
 */

import { type CodedError, WorkQueue } from '../../../base/index.ts'
import { cleanText } from '../../../mcp/index.ts'
import { isJsonObject, type Json, type JsonObject } from '../../../wire/index.ts'
import type { Facility } from '../../shapes.ts'
import { ToolsError } from '../../tools-errors.ts'
import { isCoded } from '../coded.ts'
import {
  ANSWER_CHARS_MAX,
  type Backend,
  type InferenceAnswer,
  type InferenceRequest,
  type RunOptions,
} from './backend.ts'
import { bodyOf, type Fetch, failureText } from './http-lines.ts'

const MODELS_MAX = 64
const MODEL_CHARS_MAX = 256
const WAITING_MAX = 16

/** What differs from one kind of server to the other. */
export interface Dialect {
  readonly kind: 'openai' | 'ollama'
  /** Behind the URL of the operator, in front of the other two. */
  readonly base: (url: string) => string
  readonly listPath: string
  readonly chatPath: string
  readonly modelsIn: (body: JsonObject) => readonly Json[]
  readonly bodyFor: (request: InferenceRequest) => JsonObject
  readonly chunks: (response: Response) => AsyncGenerator<Chunk>
}

/** One piece of an answer, as the server streams it. */
export interface Chunk {
  readonly text?: string
  readonly finish?: string
  readonly tokens?: { readonly prompt: number; readonly answer: number }
  /** The server's own word that it failed. */
  readonly error?: string
}

export interface HttpBackendConfig {
  readonly name: string
  readonly url: string
  readonly models: readonly string[]
  readonly parallel: number
}

export interface HttpBackendDeps {
  readonly fetch: Fetch
  /** The key to show, read anew for each request; undefined where none is configured. */
  readonly key: () => Promise<string | undefined>
}

const NOT_LOOKED: Facility = {
  state: 'unavailable',
  reason: 'it was not asked yet',
  remedy: 'Call run_inference',
}

export class HttpBackend implements Backend {
  readonly name: string
  readonly kind: string
  readonly takes = 'messages'
  readonly #dialect: Dialect
  readonly #deps: HttpBackendDeps
  readonly #base: string
  readonly #queue: WorkQueue
  readonly #isListed: boolean
  #models: readonly string[]
  #state: Facility = NOT_LOOKED

  constructor(dialect: Dialect, config: HttpBackendConfig, deps: HttpBackendDeps) {
    this.#dialect = dialect
    this.#deps = deps
    this.name = config.name
    this.kind = dialect.kind
    this.#base = dialect.base(config.url.replace(/\/+$/, ''))
    this.#models = config.models
    this.#isListed = config.models.length > 0
    const name = `inference on ${config.name}`
    this.#queue = new WorkQueue({ name, concurrentMax: config.parallel, waitingMax: WAITING_MAX })
  }

  get models(): readonly string[] {
    return this.#models
  }

  get state(): Facility {
    return this.#state
  }

  async look(signal: AbortSignal): Promise<void> {
    try {
      const response = await this.#ask(this.#dialect.listPath, { method: 'GET', signal })
      const found = this.#dialect.modelsIn(await bodyOf(response))
      if (!this.#isListed) this.#models = found.filter(isModelName).slice(0, MODELS_MAX)
    } catch (error) {
      this.#failed(error)
    }
  }

  run(request: InferenceRequest, options: RunOptions): Promise<InferenceAnswer> {
    return this.#queue.run(async () => {
      options.signal.throwIfAborted()
      try {
        return await this.#run(request, options)
      } catch (error) {
        options.signal.throwIfAborted()
        throw this.#failed(error)
      }
    })
  }

  async close(): Promise<void> {}

  async #run(request: InferenceRequest, options: RunOptions): Promise<InferenceAnswer> {
    const { signal } = options
    const body = JSON.stringify(this.#dialect.bodyFor(request))
    const init = { method: 'POST', signal, body, headers: { 'content-type': 'application/json' } }
    const response = await this.#ask(this.#dialect.chatPath, init)
    try {
      return await this.#read(response, options)
    } catch (error) {
      signal.throwIfAborted()
      if (isCoded(error) && error.code.startsWith('NODE_')) throw error
      throw this.#error(`its answer broke off or is none (${reasonOf(error)})`)
    }
  }

  async #read(response: Response, { onText }: RunOptions): Promise<InferenceAnswer> {
    let text = ''
    let finish: string | undefined
    let tokens: InferenceAnswer['tokens']
    for await (const chunk of this.#dialect.chunks(response)) {
      if (chunk.error !== undefined) throw this.#error(`the server says ${chunk.error}`)
      text += chunk.text ?? ''
      if (text.length > ANSWER_CHARS_MAX) {
        throw ToolsError.INFERENCE_TOO_LONG({ backend: this.name, limit: ANSWER_CHARS_MAX })
      }
      if (chunk.text !== undefined && chunk.text !== '') onText(chunk.text)
      finish = chunk.finish ?? finish
      tokens = chunk.tokens ?? tokens
    }
    // A body that ends before the server said why is one that was cut off.
    if (finish === undefined) throw this.#error('the answer was cut off')
    return { text, finish, ...(tokens && { tokens }) }
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    const key = await this.#deps.key()
    const headers = {
      ...(init.headers as Record<string, string> | undefined),
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    }
    const response = await this.#deps.fetch(`${this.#base}${path}`, {
      ...init,
      headers,
      redirect: 'error',
    })
    if (!response.ok) throw this.#error(await failureText(response, this.name))
    this.#state = { state: 'active' }
    return response
  }

  #error(reason: string) {
    return ToolsError.INFERENCE_FAILED({ backend: this.name, reason: cleanText(reason, 700) })
  }

  /** Who answers badly is there; who does not answer is unavailable. */
  #failed(error: unknown): CodedError {
    if (isCoded(error)) return error
    const reason = reasonOf(error)
    const remedy = `Start the server at ${this.#base}, or correct [mcp.inference.${this.name}] url`
    this.#state = { state: 'unavailable', reason, remedy }
    return ToolsError.INFERENCE_UNAVAILABLE({ backend: this.name, reason, remedy }, error)
  }
}

function isModelName(value: Json): value is string {
  return typeof value === 'string' && value !== '' && cleanText(value, MODEL_CHARS_MAX) === value
}

/** `fetch` hides what went wrong in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  const code = isJsonObject(cause) && typeof cause.code === 'string' ? `${cause.code}: ` : ''
  const inner = cause instanceof Error ? cause.message : error.message
  return `${code}${inner || error.message}`.slice(0, 500)
}
