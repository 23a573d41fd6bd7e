/** The back ends of a configuration, and which of them a request goes to. */

import { ToolsError } from '../../tools-errors.ts'
import type { Backend } from './backend.ts'
import type { BackendConfig, InferenceConfig } from './config.ts'
import { ollama, openai } from './dialects.ts'
import { HttpBackend } from './http-backend.ts'
import type { Fetch } from './http-lines.ts'
import { loadLlama } from './llama.ts'
import { loadOnnx } from './onnx.ts'
import { PluginBackend } from './plugin-backend.ts'

export interface BackendsDeps {
  readonly fetch: Fetch
  /** Reads what `env:NAME` or `file:PATH` stands for; undefined where there is nothing. */
  readonly secret: (reference: string) => Promise<string | undefined>
}

/** What fetch would otherwise refuse, repeating it. */
const HEADER_TEXT = /^[\x21-\x7e]+$/

/** How long a start waits for servers to say what models they have. */
export const LOOK_MS = 2_000

export function makeBackends(config: InferenceConfig, deps: BackendsDeps): readonly Backend[] {
  return Object.entries(config).map(([name, one]) => makeBackend(name, one, deps))
}

function makeBackend(name: string, config: BackendConfig, deps: BackendsDeps): Backend {
  const { parallel } = config
  if (config.kind === 'onnx') {
    const { kind, model, file } = config
    return new PluginBackend({ name, kind, model, parallel }, () => loadOnnx(name, file))
  }
  if (config.kind === 'llama') {
    const { kind, model } = config
    return new PluginBackend({ name, kind, model, parallel }, () => loadLlama(name, config))
  }
  const { url, models, key: reference } = config
  const key = async () => {
    if (reference === undefined) return undefined
    const found = await deps.secret(reference)
    if (found !== undefined && HEADER_TEXT.test(found)) return found
    const isThere = found !== undefined && found !== ''
    const what = isThere ? 'has characters that no header can hold' : 'is not there'
    const reason = `its key ${what} (${reference})`
    const remedy = 'Set the variable or write the file that [mcp.inference] names as key'
    throw ToolsError.INFERENCE_UNAVAILABLE({ backend: name, reason, remedy })
  }
  const dialect = config.kind === 'openai' ? openai : ollama
  return new HttpBackend(dialect, { name, url, models, parallel }, { fetch: deps.fetch, key })
}

/** Every model that is known, each once. */
export function modelsOf(backends: readonly Backend[]): readonly string[] {
  return [...new Set(backends.flatMap(({ models }) => models))]
}

/** The back end and the model for a request; throws with what there is. */
export function choose(
  backends: readonly Backend[],
  wanted: {
    readonly model: string | undefined
    readonly backend: string | undefined
    readonly takes: Backend['takes']
  },
): { readonly backend: Backend; readonly model: string } {
  const { model, backend: name, takes } = wanted
  if (backends.length === 0) {
    const reason = 'no back end is configured'
    const remedy = 'Add a section [mcp.inference.<name>] with kind and url or file, and restart'
    throw ToolsError.INFERENCE_UNAVAILABLE({ backend: 'this node', reason, remedy })
  }
  const named = backends.filter((one) => (name ?? one.name) === one.name)
  if (named.length === 0) {
    const known = backends.map((one) => one.name).join(', ')
    throw argument('backend', `"${name}"`, `one of ${known}`)
  }
  const fitting = named.filter((one) => one.takes === takes)
  if (fitting.length === 0) {
    const other = takes === 'messages' ? 'tensors' : 'prompt or messages'
    throw argument(takes, 'what no back end here takes', other)
  }
  if (model === undefined) {
    const [first] = fitting.filter(({ models }) => models.length > 0)
    const [known] = first?.models ?? []
    if (first !== undefined && known !== undefined) return { backend: first, model: known }
    const [down] = fitting
    const { reason = 'it lists no models', remedy = 'Name the model' } = down?.state ?? {}
    throw ToolsError.INFERENCE_UNAVAILABLE({ backend: down?.name ?? '', reason, remedy })
  }
  const having = fitting.find(({ models }) => models.includes(model))
  if (having !== undefined) return { backend: having, model }
  // One whose list could not be had may have it all the same: it is asked.
  const unlisted = fitting.find(({ models }) => models.length === 0)
  if (unlisted !== undefined) return { backend: unlisted, model }
  throw ToolsError.INFERENCE_MODEL_UNKNOWN({ model, known: modelsOf(fitting).slice(0, 32) })
}

function argument(name: string, found: string, wanted: string) {
  return ToolsError.TOOL_ARGUMENT({ tool: 'run_inference', argument: name, found, wanted })
}
