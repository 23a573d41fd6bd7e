/** Language models in GGUF files by node-llama-cpp, in this process. */

import type { InferenceAnswer, InferenceRequest, RunOptions } from './backend.ts'
import { ANSWER_CHARS_MAX } from './backend.ts'
import { loadPlugin } from './plugin.ts'
import type { LoadedModel } from './plugin-backend.ts'

/** What we use of the package (node-llama-cpp 3.22). */
interface LlamaModule {
  getLlama(options: object): Promise<{
    loadModel(options: { modelPath: string }): Promise<LlamaModel>
  }>
  readonly LlamaCompletion: new (options: { contextSequence: Sequence }) => Completion
}

interface LlamaModel {
  createContext(options: { contextSize: number; sequences: number }): Promise<LlamaContext>
  dispose(): Promise<void>
}

interface LlamaContext {
  getSequence(): Sequence
  dispose(): Promise<void>
}

interface Sequence {
  readonly tokenMeter: { readonly usedInputTokens: number; readonly usedOutputTokens: number }
  dispose(): void
}

interface Completion {
  generateCompletionWithMeta(
    text: string,
    options: object,
  ): Promise<{ response: string; metadata: { stopReason: string } }>
  dispose(): void
}

interface LlamaConfig {
  readonly file: string
  readonly context: number
  readonly parallel: number
}

export async function loadLlama(
  name: string,
  { file, context: contextSize, parallel: sequences }: LlamaConfig,
): Promise<LoadedModel> {
  const llama = (await loadPlugin('node-llama-cpp', name)) as LlamaModule
  // Never build from source, never download: what is there is used, or it is unavailable.
  const quiet = { build: 'never', skipDownload: true, logLevel: 'error', gpu: false }
  const runtime = await llama.getLlama(quiet)
  const model = await runtime.loadModel({ modelPath: file })
  const context = await model.createContext({ contextSize, sequences })
  return {
    async run(request, options): Promise<InferenceAnswer> {
      const sequence = context.getSequence()
      const completion = new llama.LlamaCompletion({ contextSequence: sequence })
      try {
        return await complete({ completion, sequence }, request, options)
      } finally {
        completion.dispose()
        sequence.dispose()
      }
    },
    async close() {
      await context.dispose()
      await model.dispose()
    },
  }
}

async function complete(
  { completion, sequence }: { readonly completion: Completion; readonly sequence: Sequence },
  { messages, tokensMax, temperature, stop }: InferenceRequest,
  { signal, onText }: RunOptions,
): Promise<InferenceAnswer> {
  const prompt = promptOf(messages)
  const done = await completion.generateCompletionWithMeta(prompt, {
    maxTokens: tokensMax,
    signal,
    stopOnAbortSignal: false,
    onTextChunk: onText,
    ...(temperature !== undefined && { temperature }),
    ...(stop.length > 0 && { customStopTriggers: [...stop] }),
  })
  const isCut = done.response.length > ANSWER_CHARS_MAX
  const text = done.response.slice(0, ANSWER_CHARS_MAX)
  const { usedInputTokens, usedOutputTokens } = sequence.tokenMeter
  const tokens = { prompt: usedInputTokens, answer: usedOutputTokens }
  return { text, finish: isCut ? 'length' : done.metadata.stopReason, tokens }
}

/**
 * A single turn is completed as it is; a conversation is written as plain turns, because a file
 * need not say how its model was taught to hold one.
 */
function promptOf(messages: InferenceRequest['messages']): string {
  const [first] = messages
  if (messages.length === 1 && first?.role === 'user') return first.content
  const turns = messages.map(({ role, content }) => `${role}: ${content}`)
  return `${turns.join('\n')}\nassistant:`
}
