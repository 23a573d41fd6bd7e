/**
 * The smallest real models, made here byte by byte so that nothing is downloaded: one in ONNX that
 * multiplies and adds, and a language model of one layer in GGUF. Their weights mean nothing; that
 * the runtimes load and run them is what is shown.
 */

/** ONNX is protobuf (onnx.proto): y = x × w + b, for x of any number of rows and two columns. */
export function onnxModel(): Uint8Array {
  const node = (op: string, inputs: readonly string[], output: string) =>
    message([...inputs.map((name) => text(1, name)), text(2, output), text(4, op)])
  const weights = message([
    varint(1, 2),
    varint(1, 1),
    varint(2, FLOAT),
    text(8, 'w'),
    bytes(9, floats([2, 3])),
  ])
  const bias = message([varint(1, 1), varint(2, FLOAT), text(8, 'b'), bytes(9, floats([0.5]))])
  const shape = (columns: number) =>
    message([bytes(1, message([text(2, 'rows')])), bytes(1, message([varint(1, columns)]))])
  const value = (name: string, columns: number) => {
    const tensor = message([varint(1, FLOAT), bytes(2, shape(columns))])
    return message([text(1, name), bytes(2, message([bytes(1, tensor)]))])
  }
  const graph = message([
    bytes(1, node('MatMul', ['x', 'w'], 'm')),
    bytes(1, node('Add', ['m', 'b'], 'y')),
    text(2, 'linear'),
    bytes(5, weights),
    bytes(5, bias),
    bytes(11, value('x', 2)),
    bytes(12, value('y', 1)),
  ])
  const opset = message([varint(2, 13)])
  return message([varint(1, 8), bytes(7, graph), bytes(8, opset)])
}

/** TensorProto.DataType.FLOAT. */
const FLOAT = 1

/**
 * GGUF version 3 (ggml's docs/gguf.md): the architecture "llama" with one layer of 32 numbers, two
 * heads, and a vocabulary of bytes. The weights are drawn from a small generator with a fixed seed.
 */
export function ggufModel(): Uint8Array {
  const tokens = ['<unk>', '<s>', '</s>', ...byteTokens()]
  const types = tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : 6))
  const meta: readonly Uint8Array[] = [
    pair('general.architecture', STRING, string('llama')),
    pair('general.name', STRING, string('tiny')),
    pair('llama.context_length', U32, u32(256)),
    pair('llama.embedding_length', U32, u32(WIDTH)),
    pair('llama.block_count', U32, u32(1)),
    pair('llama.feed_forward_length', U32, u32(2 * WIDTH)),
    pair('llama.attention.head_count', U32, u32(2)),
    pair('llama.attention.head_count_kv', U32, u32(2)),
    pair('llama.rope.dimension_count', U32, u32(WIDTH / 2)),
    pair('llama.attention.layer_norm_rms_epsilon', F32, f32(1e-5)),
    pair('llama.vocab_size', U32, u32(tokens.length)),
    pair('tokenizer.ggml.model', STRING, string('llama')),
    pair('tokenizer.ggml.tokens', ARRAY, array(STRING, tokens.map(string))),
    pair(
      'tokenizer.ggml.scores',
      ARRAY,
      array(
        F32,
        tokens.map(() => f32(0)),
      ),
    ),
    pair('tokenizer.ggml.token_type', ARRAY, array(I32, types.map(u32))),
    pair('tokenizer.ggml.bos_token_id', U32, u32(1)),
    pair('tokenizer.ggml.eos_token_id', U32, u32(2)),
    pair('tokenizer.ggml.unknown_token_id', U32, u32(0)),
  ]
  const tensors = tensorsFor(tokens.length)
  let offset = 0
  const infos = tensors.map(({ name, dims }) => {
    const info = join([
      string(name),
      u32(dims.length),
      ...dims.map((dim) => u64(dim)),
      u32(0),
      u64(offset),
    ])
    offset += aligned(4 * product(dims))
    return info
  })
  const head = join([
    utf8('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(meta.length),
    ...meta,
    ...infos,
  ])
  const random = generator(42)
  const data = tensors.map(({ name, dims }) => {
    const isNorm = name.includes('norm')
    const values = Array.from({ length: product(dims) }, () => (isNorm ? 1 : random() - 0.5))
    return padded(floats(values))
  })
  return join([padded(head), ...data])
}

const WIDTH = 32
const ALIGNMENT = 32
/** Types of values (gguf_metadata_value_type). */
const [U32, I32, F32, STRING, ARRAY] = [4, 5, 6, 8, 9] as const

function tensorsFor(vocabulary: number) {
  const square = [WIDTH, WIDTH]
  return [
    { name: 'token_embd.weight', dims: [WIDTH, vocabulary] },
    { name: 'output_norm.weight', dims: [WIDTH] },
    { name: 'output.weight', dims: [WIDTH, vocabulary] },
    { name: 'blk.0.attn_norm.weight', dims: [WIDTH] },
    { name: 'blk.0.attn_q.weight', dims: square },
    { name: 'blk.0.attn_k.weight', dims: square },
    { name: 'blk.0.attn_v.weight', dims: square },
    { name: 'blk.0.attn_output.weight', dims: square },
    { name: 'blk.0.ffn_norm.weight', dims: [WIDTH] },
    { name: 'blk.0.ffn_gate.weight', dims: [WIDTH, 2 * WIDTH] },
    { name: 'blk.0.ffn_up.weight', dims: [WIDTH, 2 * WIDTH] },
    { name: 'blk.0.ffn_down.weight', dims: [2 * WIDTH, WIDTH] },
  ]
}

function byteTokens(): string[] {
  const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, '0')
  return Array.from({ length: 256 }, (_, byte) => `<0x${hex(byte)}>`)
}

function pair(key: string, type: number, value: Uint8Array): Uint8Array {
  return join([string(key), u32(type), value])
}

function array(type: number, items: readonly Uint8Array[]): Uint8Array {
  return join([u32(type), u64(items.length), ...items])
}

function string(value: string): Uint8Array {
  return join([u64(utf8(value).length), utf8(value)])
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer)
}

function u64(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
}

function f32(value: number): Uint8Array {
  return floats([value])
}

function floats(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}

function utf8(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

function product(dims: readonly number[]): number {
  return dims.reduce((all, dim) => all * dim, 1)
}

function aligned(size: number): number {
  return Math.ceil(size / ALIGNMENT) * ALIGNMENT
}

function padded(part: Uint8Array): Uint8Array {
  const whole = new Uint8Array(aligned(part.length))
  whole.set(part)
  return whole
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

/** Park and Miller's generator: the same numbers everywhere. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** Protobuf: a message is its fields, each a key and a value. */
function message(fields: readonly Uint8Array[]): Uint8Array {
  return join(fields)
}

function varint(field: number, value: number): Uint8Array {
  return Uint8Array.from([...plain(field << 3), ...plain(value)])
}

function bytes(field: number, value: Uint8Array): Uint8Array {
  return join([Uint8Array.from([...plain((field << 3) | 2), ...plain(value.length)]), value])
}

function text(field: number, value: string): Uint8Array {
  return bytes(field, utf8(value))
}

function plain(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...plain(value >>> 7)]
}
