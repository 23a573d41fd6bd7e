/**
 * A model in this process, behind an optional package: loaded with the first call, then kept. A
 * model that cannot be loaded is tried again with the next call: the package may be there by then.
 */

import { WorkQueue } from '../../../base/index.ts'
import type { Facility } from '../../shapes.ts'
import { ToolsError } from '../../tools-errors.ts'
import { isCoded } from '../coded.ts'
import type { Backend, InferenceAnswer, InferenceRequest, RunOptions } from './backend.ts'

const WAITING_MAX = 16

/** A model that is in memory. */
export interface LoadedModel {
  run(request: InferenceRequest, options: RunOptions): Promise<InferenceAnswer>
  close(): Promise<void>
}

export interface PluginConfig {
  readonly name: string
  readonly kind: 'onnx' | 'llama'
  readonly model: string
  readonly parallel: number
}

const NOT_LOADED: Facility = {
  state: 'off',
  reason: 'the model is loaded with the first call',
}

export class PluginBackend implements Backend {
  readonly name: string
  readonly kind: string
  readonly models: readonly string[]
  readonly takes: 'messages' | 'tensors'
  readonly #load: () => Promise<LoadedModel>
  readonly #queue: WorkQueue
  #loaded: Promise<LoadedModel> | undefined
  #state: Facility = NOT_LOADED
  #closed = false

  constructor({ name, kind, model, parallel }: PluginConfig, load: () => Promise<LoadedModel>) {
    this.name = name
    this.kind = kind
    this.models = [model]
    this.takes = kind === 'onnx' ? 'tensors' : 'messages'
    this.#load = load
    const queue = `inference on ${name}`
    this.#queue = new WorkQueue({ name: queue, concurrentMax: parallel, waitingMax: WAITING_MAX })
  }

  get state(): Facility {
    return this.#state
  }

  /** Loading costs seconds and gigabytes: only who calls it wants that. */
  async look(): Promise<void> {}

  run(request: InferenceRequest, options: RunOptions): Promise<InferenceAnswer> {
    return this.#queue.run(async () => {
      options.signal.throwIfAborted()
      const model = await this.#model()
      try {
        return await model.run(request, options)
      } catch (error) {
        options.signal.throwIfAborted()
        if (isCoded(error)) throw error
        const reason = String(error instanceof Error ? error.message : error).slice(0, 700)
        throw ToolsError.INFERENCE_FAILED({ backend: this.name, reason }, error)
      }
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const loaded = this.#loaded
    this.#loaded = undefined
    const model = await loaded?.catch(() => undefined)
    await model?.close()
  }

  async #model(): Promise<LoadedModel> {
    if (this.#closed) {
      const facts = { backend: this.name, reason: 'the node is stopping', remedy: 'Start it again' }
      throw ToolsError.INFERENCE_UNAVAILABLE(facts)
    }
    this.#loaded ??= this.#load()
    const loading = this.#loaded
    try {
      const model = await loading
      this.#state = { state: 'active' }
      return model
    } catch (cause) {
      if (this.#loaded === loading) this.#loaded = undefined
      const known = isCoded(cause) ? (cause.facts as Partial<Why>) : {}
      const reason = known.reason ?? String(cause instanceof Error ? cause.message : cause)
      const remedy = known.remedy ?? `Check [mcp.inference.${this.name}] file`
      this.#state = { state: 'unavailable', reason: reason.slice(0, 500), remedy }
      if (isCoded(cause)) throw cause
      const facts = { backend: this.name, reason: reason.slice(0, 500), remedy }
      throw ToolsError.INFERENCE_UNAVAILABLE(facts, cause)
    }
  }
}

interface Why {
  readonly reason: string
  readonly remedy: string
}
