/** What can run a model, as the tools of inference see it. */

import type { Facility } from '../../shapes.ts'

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

/** Numbers for a model that is no language model, by the name of its input. */
export interface Tensor {
  readonly type: 'float32' | 'float64' | 'int32' | 'int64' | 'bool'
  readonly dims: readonly number[]
  readonly data: readonly number[]
}

export interface InferenceRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly tensors: Readonly<Record<string, Tensor>>
  readonly tokensMax: number
  readonly temperature: number | undefined
  readonly stop: readonly string[]
}

export interface InferenceAnswer {
  /** Of a language model. */
  readonly text?: string
  /** Of any other. */
  readonly tensors?: Readonly<Record<string, Tensor>>
  /** Why it ended, in the back end's words, such as `stop` or `length`. */
  readonly finish: string
  readonly tokens?: { readonly prompt: number; readonly answer: number }
}

export interface RunOptions {
  readonly signal: AbortSignal
  /** Is told each piece of text as it comes. */
  readonly onText: (piece: string) => void
}

export interface Backend {
  readonly name: string
  readonly kind: string
  /** Known so far; may grow when the back end is asked. */
  readonly models: readonly string[]
  /** How it was when it was used or looked at last. */
  readonly state: Facility
  /** Whether it takes tensors; the others take messages. */
  readonly takes: 'messages' | 'tensors'
  /** Looks whether it is there and what models it has; never throws. */
  look(signal: AbortSignal): Promise<void>
  run(request: InferenceRequest, options: RunOptions): Promise<InferenceAnswer>
  /** Lets go of what it holds. */
  close(): Promise<void>
}

/** As much text as one answer may have, whatever the caller asks for. */
export const ANSWER_CHARS_MAX = 1_048_576
/** As many numbers as a request or an answer may have. */
export const NUMBERS_MAX = 1_048_576
