/**
 * `run_inference` against a server that nobody here wrote (aimock): it speaks the wire of OpenAI
 * and of Ollama and answers with what it was given, so what is shown is that we speak both.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testNode } from '../support/nodes.ts'
import { missing } from './installed.ts'

/** What we use of the package, which is there only where this ring runs. */
interface Aimock {
  readonly LLMock: new (options: {
    port: number
    chunkSize: number
  }) => {
    readonly url: string
    onMessage(part: string, answer: { content: string }): unknown
    start(): Promise<unknown>
    stop(): Promise<unknown>
  }
}

const AIMOCK: string = '@copilotkit/aimock'
const why = missing()
assert.equal(why, undefined)
const { LLMock } = (await import(AIMOCK)) as Aimock

const SAID = 'The sea is everything. It covers seven tenths of the terrestrial globe.'

for (const kind of ['openai', 'ollama'] as const) {
  test(`an independent server is spoken to as ${kind}, in one piece after the other`, async () => {
    const server = new LLMock({ port: 0, chunkSize: 8 })
    server.onMessage('the sea', { content: SAID })
    await server.start()
    try {
      const models = ['nautilus']
      const inference = { nemo: { kind, url: server.url, models } }
      await using one = await testNode({ mcp: { inference } })
      const args = { prompt: 'tell me of the sea', temperature: 0, max_tokens: 64 }
      const { structuredContent, content } = await one.node.tools.call('run_inference', args)
      const answer = structuredContent as
        | { text: string; finish: string; model: string }
        | undefined
      assert.equal(answer?.text, SAID, JSON.stringify(content))
      assert.equal(answer.finish, 'stop')
      assert.equal(answer.model, 'nautilus')

      const other = await one.node.tools.call('run_inference', { prompt: 'something else' })
      assert.equal(other.isError, true)
      assert.match(JSON.stringify(other.content), /NODE_INFERENCE_FAILED.*status 4\d\d/)
    } finally {
      await server.stop()
    }
  })
}
