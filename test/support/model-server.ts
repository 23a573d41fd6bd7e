/**
 * A server of models that is our own: it speaks OpenAI's chat completions and Ollama's chat as far
 * as their documents describe them, and answers with its question, word by word. What a real server
 * does otherwise is not seen by tests against it; those against real models are in test/inference.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ModelServer extends AsyncDisposable {
  readonly url: string
  /** What was asked, in order: path, key and body. */
  readonly asked: { readonly path: string; readonly key: string | undefined; body: unknown }[]
  /** Requests whose client left before the answer was whole. */
  readonly left: () => number
}

/** `hang` answers nothing after its first word; `word` stands before what it repeats. */
export async function modelServer(
  options: { readonly hang?: boolean; readonly word?: string; readonly models?: string[] } = {},
): Promise<ModelServer> {
  const { hang = false, word = 'echo', models = ['parrot'] } = options
  const asked: ModelServer['asked'] = []
  let left = 0
  const server = createServer((request, response) => {
    void serve(request, response).catch(() => response.destroy())
  })
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    const body = await bodyOf(request)
    asked.push({ path, key: request.headers.authorization, body })
    response.on('close', () => {
      if (!response.writableEnded) left += 1
    })
    if (path === '/v1/models') return json(response, { data: models.map((id) => ({ id })) })
    if (path === '/api/tags') return json(response, { models: models.map((name) => ({ name })) })
    const openai = path === '/v1/chat/completions'
    if (!openai && path !== '/api/chat') {
      response.statusCode = 404
      return json(response, { error: 'no such path' })
    }
    const { messages } = body as { messages: { content: string }[] }
    const words = [word, ...(messages.at(-1)?.content ?? '').split(' ')]
    for (const [i, one] of words.entries()) {
      const text = i === 0 ? one : ` ${one}`
      response.write(openai ? event({ choices: [{ delta: { content: text } }] }) : line(text))
      if (hang) return undefined
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    if (openai) {
      response.write(event({ choices: [{ delta: {}, finish_reason: 'stop' }] }))
      return response.end('data: [DONE]\n\n')
    }
    const counts = { prompt_eval_count: 3, eval_count: words.length }
    return response.end(`${JSON.stringify({ done: true, done_reason: 'stop', ...counts })}\n`)
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    left: () => left,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const part of request) text += String(part)
  return text === '' ? undefined : JSON.parse(text)
}

function json(response: ServerResponse, value: unknown) {
  response.setHeader('content-type', 'application/json')
  return response.end(JSON.stringify(value))
}

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

function line(content: string): string {
  return `${JSON.stringify({ message: { role: 'assistant', content }, done: false })}\n`
}
