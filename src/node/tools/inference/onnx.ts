/** Models of any kind by onnxruntime-node: named tensors in, named tensors out. */

import { ToolsError } from '../../tools-errors.ts'
import { type InferenceAnswer, NUMBERS_MAX, type Tensor } from './backend.ts'
import { loadPlugin } from './plugin.ts'
import type { LoadedModel } from './plugin-backend.ts'

/** What we use of the package (onnxruntime-common 1.30). */
interface Onnx {
  readonly InferenceSession: {
    create(file: string, options: object): Promise<Session>
  }
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OnnxTensor
}

interface Session {
  readonly inputNames: readonly string[]
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>
  release(): Promise<void>
}

/** A tensor as the runtime has it. */
export interface OnnxTensor {
  readonly type: string
  readonly dims: readonly number[]
  readonly data: ArrayLike<number | bigint>
}

/** One thread a call: the node has other work to do. */
const OPTIONS = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1 }

export async function loadOnnx(name: string, file: string): Promise<LoadedModel> {
  const loaded = (await loadPlugin('onnxruntime-node', name)) as Onnx & { default?: Onnx }
  const onnx = loaded.default ?? loaded
  const session = await onnx.InferenceSession.create(file, OPTIONS)
  return {
    async run({ tensors }): Promise<InferenceAnswer> {
      const missing = session.inputNames.filter((input) => !Object.hasOwn(tensors, input))
      if (missing.length > 0) {
        const wanted = `one for each of ${session.inputNames.join(', ')}`
        const facts = { argument: 'tensors', found: `without ${missing.join(', ')}`, wanted }
        throw ToolsError.TOOL_ARGUMENT({ tool: 'run_inference', ...facts })
      }
      const feeds = Object.fromEntries(
        session.inputNames.map((input) => [input, toOnnx(onnx, tensors[input], input)]),
      )
      // The runtime cannot be interrupted: a call that is given up ends by itself.
      const outputs = Object.entries(await session.run(feeds))
      const count = outputs.reduce((sum, [, { data }]) => sum + data.length, 0)
      if (count > NUMBERS_MAX) {
        throw ToolsError.INFERENCE_TOO_LONG({ backend: name, limit: NUMBERS_MAX })
      }
      const answer = outputs.map(([output, tensor]) => [output, fromOnnx(name, tensor)] as const)
      return { tensors: Object.fromEntries(answer), finish: 'done' }
    },
    close: () => session.release(),
  }
}

function toOnnx(onnx: Onnx, tensor: Tensor | undefined, input: string): OnnxTensor {
  const { type, dims, data } = tensor ?? { type: 'float32', dims: [0], data: [] }
  const size = dims.reduce((product, dim) => product * dim, 1)
  if (size !== data.length) {
    const found = `${data.length} numbers for dims ${dims.join(' × ')}`
    const facts = { argument: `tensors.${input}`, found, wanted: `${size} numbers` }
    throw ToolsError.TOOL_ARGUMENT({ tool: 'run_inference', ...facts })
  }
  return new onnx.Tensor(type, TYPED[type](data), dims)
}

/** What JSON cannot hold is a failure, and not another number. */
export function fromOnnx(backend: string, { type, dims, data }: OnnxTensor): Tensor {
  if (!isKnown(type)) {
    const reason = `it answered with a tensor of ${type}, which this tool does not hand on`
    throw ToolsError.INFERENCE_FAILED({ backend, reason })
  }
  const numbers = Array.from(data, Number)
  const isExact = type === 'int64' ? Number.isSafeInteger : Number.isFinite
  const odd = numbers.find((number) => !isExact(number))
  if (odd !== undefined) {
    const reason = `it answered with ${odd} in a tensor of ${type}, which JSON cannot hold exactly`
    throw ToolsError.INFERENCE_FAILED({ backend, reason })
  }
  return { type, dims: dims.map(Number), data: numbers }
}

const TYPED: Readonly<Record<Tensor['type'], (data: readonly number[]) => object>> = {
  float32: (data) => Float32Array.from(data),
  float64: (data) => Float64Array.from(data),
  int32: (data) => Int32Array.from(data),
  int64: (data) => BigInt64Array.from(data.map((one) => BigInt(Math.trunc(one)))),
  bool: (data) => Uint8Array.from(data.map((one) => Number(one !== 0))),
}

function isKnown(type: string): type is Tensor['type'] {
  return Object.hasOwn(TYPED, type)
}
