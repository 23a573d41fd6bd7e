/**
 * `run_inference` with models in the process of the node: onnxruntime-node and node-llama-cpp, from
 * this folder's own package.json, on models that are made here. Called from another node.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { addressOf, testNode } from '../support/nodes.ts'
import { FOLDER, missing } from './installed.ts'
import { ggufModel, onnxModel } from './models.ts'

// The plug-ins lie in this folder: nodes look in the folder they run in.
assert.equal(missing(), undefined)
process.chdir(FOLDER)
const folder = await mkdtemp(join(tmpdir(), 'p2p-inference-'))
after(() => rm(folder, { recursive: true, force: true }))

const onnx = join(folder, 'linear.onnx')
const gguf = join(folder, 'tiny.gguf')
await writeFile(onnx, onnxModel())
await writeFile(gguf, ggufModel())

async function pair() {
  const inference = {
    numbers: { kind: 'onnx' as const, file: onnx, model: 'linear' },
    words: { kind: 'llama' as const, file: gguf, model: 'tiny', context: 128 },
    absent: { kind: 'onnx' as const, file: join(folder, 'none.onnx'), model: 'none' },
  }
  const far = await testNode({ mcp: { inference } })
  const near = await testNode({ bootstrap: { nodes: [addressOf(far, 'tcp')] } })
  await near.node.connect(addressOf(far, 'tcp'))
  const { token } = await far.node.grants.issue({ service: 'node', to: near.node.peerId })
  await near.node.grants.accept(token)
  const stop = async () => {
    await near[Symbol.asyncDispose]()
    await far[Symbol.asyncDispose]()
  }
  return { near: near.node, far: far.node, [Symbol.asyncDispose]: stop }
}

test('an ONNX model takes tensors and answers with tensors', { timeout: 120_000 }, async () => {
  await using net = await pair()
  const run = (args: object) => net.near.callPeer(net.far.peerId, 'run_inference', { ...args })
  const x = { type: 'float32', dims: [2, 2], data: [1, 1, 10, 0] }
  const { structuredContent, content } = await run({ model: 'linear', tensors: { x } })
  const { tensors } = structuredContent as { tensors?: unknown }
  assert.deepEqual(
    tensors,
    { y: { type: 'float32', dims: [2, 1], data: [5.5, 20.5] } },
    JSON.stringify(content),
  )

  const short = await run({ model: 'linear', tensors: { x: { ...x, data: [1] } } })
  assert.match(JSON.stringify(short.content), /NODE_TOOL_ARGUMENT.*1 numbers for dims 2 × 2/)
  const other = await run({ model: 'linear', tensors: { z: x } })
  assert.match(JSON.stringify(other.content), /without x/)
  const none = await run({ model: 'none', tensors: { x } })
  const refusal = JSON.stringify(none.content)
  assert.match(refusal, /NODE_INFERENCE_UNAVAILABLE.*"absent.*ask another peer/)
  // Where the files of a node are is for its owner.
  assert.ok(!refusal.includes(folder), refusal)
})

test('a GGUF model writes text, as long as it is told and no longer', {
  timeout: 120_000,
}, async () => {
  await using net = await pair()
  const pieces: string[] = []
  const options = { timeoutMs: 60_000, onprogress: ({ message = '' }) => pieces.push(message) }
  const args = { model: 'tiny', prompt: 'once upon a time', max_tokens: 12, temperature: 0 }
  const { structuredContent, content } = await net.near.callPeer(
    net.far.peerId,
    'run_inference',
    args,
    options,
  )
  assert.ok(structuredContent !== undefined, JSON.stringify(content))
  const answer = structuredContent as { text: string; finish: string; tokens: { answer: number } }
  assert.equal(typeof answer.text, 'string')
  assert.match(answer.finish, /^(maxTokens|eogToken)$/)
  assert.ok(answer.tokens.answer <= 13, `${answer.tokens.answer} tokens`)
  assert.equal(pieces.join(''), answer.text)
})
