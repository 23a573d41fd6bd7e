import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../../../test/support/expect.ts'
import type { InferenceRequest } from './backend.ts'
import { type BackendsDeps, choose, makeBackends, modelsOf } from './backends.ts'
import { inferenceConfig } from './config.ts'
import { linesOf } from './http-lines.ts'

const REQUEST: InferenceRequest = {
  model: 'm',
  messages: [{ role: 'user', content: 'hi' }],
  tensors: {},
  tokensMax: 16,
  temperature: 0.5,
  stop: ['END'],
}

interface Asked {
  readonly url: string
  readonly init: RequestInit
}

/** Back ends of a configuration over a server that answers with `parts`, one piece at a time. */
function setup(
  parts: readonly string[] | Error,
  { status = 200, key }: { status?: number; key?: string } = {},
  given: object = { one: { kind: 'openai', url: 'http://h:1/v1', models: ['m'] } },
) {
  const asked: Asked[] = []
  const deps: BackendsDeps = {
    secret: async () => key,
    fetch: async (url, init) => {
      asked.push({ url, init })
      if (parts instanceof Error) throw parts
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
          controller.close()
        },
      })
      return new Response(body, { status })
    },
  }
  const backends = makeBackends(inferenceConfig.parse(given), deps)
  const run = async () => {
    const pieces: string[] = []
    const [backend] = backends
    assert.ok(backend !== undefined)
    const options = {
      signal: new AbortController().signal,
      onText: (piece: string) => pieces.push(piece),
    }
    return { answer: await backend.run(REQUEST, options), pieces, backend }
  }
  return { asked, backends, run }
}

const event = (value: object) => `data: ${JSON.stringify(value)}\n\n`
const delta = (content: string) => event({ choices: [{ delta: { content } }] })
const finish = event({ choices: [{ delta: {}, finish_reason: 'stop' }] })
const OLLAMA = { one: { kind: 'ollama', url: 'http://h:1/', models: ['m'] } }

test('OpenAI: events come as text, piece by piece, and the request says what was asked', async () => {
  const usage = event({ choices: [], usage: { prompt_tokens: 2, completion_tokens: 3 } })
  const { asked, run } = setup([
    delta('Hel'),
    `: comment\n${delta('lo')}`,
    finish,
    usage,
    'data: [DONE]\n',
  ])
  const { answer, pieces } = await run()
  assert.deepEqual(answer, { text: 'Hello', finish: 'stop', tokens: { prompt: 2, answer: 3 } })
  assert.deepEqual(pieces, ['Hel', 'lo'])
  assert.equal(asked[0]?.url, 'http://h:1/v1/chat/completions')
  assert.equal(asked[0].init.redirect, 'error')
  const body = JSON.parse(asked[0].init.body as string) as object
  const messages = [{ role: 'user', content: 'hi' }]
  const wanted = {
    model: 'm',
    messages,
    max_tokens: 16,
    stream: true,
    temperature: 0.5,
    stop: ['END'],
  }
  assert.deepEqual(body, wanted)
})

test('Ollama: lines come as text, and the last one says why it ended', async () => {
  const line = (value: object) => `${JSON.stringify(value)}\n`
  const { asked, run } = setup(
    [
      line({ message: { content: 'a' }, done: false }),
      line({ message: { content: 'b' }, done: false }),
      line({ done: true, done_reason: 'length', eval_count: 2, prompt_eval_count: 1 }),
    ],
    {},
    OLLAMA,
  )
  const { answer } = await run()
  assert.deepEqual(answer, { text: 'ab', finish: 'length', tokens: { prompt: 1, answer: 2 } })
  assert.equal(asked[0]?.url, 'http://h:1/api/chat')
})

test('a key is shown as a bearer token and nowhere else; without it nothing is asked', async () => {
  const given = { one: { kind: 'openai', url: 'http://h:1', key: 'env:KEY', models: ['m'] } }
  const { asked, run } = setup([delta('x'), finish], { key: 'secret' }, given)
  await run()
  const headers = asked[0]?.init.headers as Record<string, string>
  assert.equal(headers.authorization, 'Bearer secret')
  const none = setup([], {}, given)
  await assert.rejects(none.run(), coded('NODE_INFERENCE_UNAVAILABLE'))
  assert.equal(none.asked.length, 0)
  assert.equal(inferenceConfig.safeParse({ one: { ...given.one, key: 'sk-123' } }).success, false)
})

test('a key that no header can hold, or that the server refuses, is named and never repeated', async () => {
  const given = { one: { kind: 'openai', url: 'http://h:1', key: 'env:KEY', models: ['m'] } }
  const { asked, run } = setup([], { key: 'sec\nret' }, given)
  await assert.rejects(run(), (error: Error) => {
    assert.match(error.message, /env:KEY/)
    return !/sec|ret\b/.test(error.message.replace('secret', ''))
  })
  assert.equal(asked.length, 0)
  for (const status of [401, 403]) {
    const refused = setup(['{"error":"bad key: s***t"}'], { status, key: 'secret' }, given)
    await assert.rejects(refused.run(), (error: Error) => {
      assert.match(error.message, new RegExp(`status ${status}.*\\[mcp\\.inference\\.one\\] key`))
      return !/s\*\*\*t/.test(error.message)
    })
  }
})

test('an error of null is none', async () => {
  const { run } = setup([event({ error: null, choices: [{ delta: { content: 'a' } }] }), finish])
  assert.equal((await run()).answer.text, 'a')
})

test('models whose names hide something are not listed', async () => {
  const data = [{ id: 'good' }, { id: 'go\u202eod' }, { id: 'x\u001b[2J' }]
  const given = { one: { kind: 'openai', url: 'http://h:1' } }
  const { backends } = setup([JSON.stringify({ data })], {}, given)
  await backends[0]?.look(new AbortController().signal)
  assert.deepEqual(modelsOf(backends), ['good'])
})

test('what a server says of its failure is cleaned before it is repeated', async () => {
  const { run } = setup([event({ error: { message: 'no\u001b[2J\u202eevil' } })])
  await assert.rejects(run(), /the server says no\[2Jevil/)
})

test('a line that comes byte by byte costs what it has bytes, not their square', async () => {
  let looked = 0
  const line = 'y'.repeat(20_000)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const char of `${line}\n`) controller.enqueue(new TextEncoder().encode(char))
      controller.close()
    },
  })
  const split = String.prototype.split
  const counted = function (this: string, ...args: unknown[]) {
    looked += this.length
    return Reflect.apply(split, this, args) as string[]
  }
  Object.defineProperty(String.prototype, 'split', { value: counted, configurable: true })
  try {
    const read: string[] = []
    for await (const one of linesOf(new Response(body))) read.push(one)
    assert.deepEqual(read, [line])
  } finally {
    Object.defineProperty(String.prototype, 'split', { value: split, configurable: true })
  }
  assert.ok(looked < 10 * line.length, `${looked} characters were looked at`)
})

test('an answer that is cut off, refused, no JSON or too long is no half answer', async () => {
  const failed = coded('NODE_INFERENCE_FAILED')
  await assert.rejects(setup([delta('half')]).run(), failed)
  await assert.rejects(
    setup(['{"error":"no"}'], { status: 400 }).run(),
    /status 400: \{"error":"no"\}/,
  )
  await assert.rejects(
    setup(['data: {"error":{"message":"out of memory"}}\n']).run(),
    /out of memory/,
  )
  await assert.rejects(setup(['data: [1]\n']).run(), failed)
  await assert.rejects(setup(['data: {\n']).run(), failed)
  const long = setup(Array.from({ length: 33 }, () => delta('x'.repeat(32_768))))
  await assert.rejects(long.run(), coded('NODE_INFERENCE_TOO_LONG'))
  const endless = setup(Array.from({ length: 20 }, () => 'y'.repeat(65_536)))
  await assert.rejects(endless.run(), /more than 1048576 bytes/)
})

test('a server that is not there is unavailable, with reason and remedy', async () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const { backends, run } = setup(new TypeError('fetch failed', { cause }))
  await assert.rejects(run(), coded('NODE_INFERENCE_UNAVAILABLE'))
  const { state, reason = '', remedy = '' } = backends[0]?.state ?? {}
  assert.equal(state, 'unavailable')
  assert.match(reason, /ECONNREFUSED/)
  assert.match(remedy, /\[mcp\.inference\.one\] url/)
})

test('look() lists the models of a server, and keeps a list that was configured', async () => {
  const { signal } = new AbortController()
  const listed = setup(
    [JSON.stringify({ data: [{ id: 'a' }, { id: 7 }, { id: 'b' }] })],
    {},
    {
      one: { kind: 'openai', url: 'http://h:1' },
    },
  )
  await listed.backends[0]?.look(signal)
  assert.deepEqual(modelsOf(listed.backends), ['a', 'b'])
  assert.equal(listed.asked[0]?.url, 'http://h:1/v1/models')
  const fixed = setup([JSON.stringify({ models: [{ name: 'other' }] })], {}, OLLAMA)
  await fixed.backends[0]?.look(signal)
  assert.deepEqual(modelsOf(fixed.backends), ['m'])
  const gone = setup(new TypeError('no'))
  await gone.backends[0]?.look(signal)
  assert.equal(gone.backends[0]?.state.state, 'unavailable')
})

test('choose() finds who has the model, and says what there is', () => {
  const { backends } = setup(
    [],
    {},
    {
      a: { kind: 'openai', url: 'http://h:1', models: ['x', 'y'] },
      b: { kind: 'onnx', file: '/m.onnx', model: 'z' },
      c: { kind: 'ollama', url: 'http://h:2', models: ['w'] },
    },
  )
  const pick = (wanted: { model?: string; backend?: string; takes?: 'messages' | 'tensors' }) => {
    const { model, backend, takes = 'messages' } = wanted
    const chosen = choose(backends, { model, backend, takes })
    return `${chosen.backend.name} ${chosen.model}`
  }
  assert.equal(pick({}), 'a x')
  assert.equal(pick({ model: 'w' }), 'c w')
  assert.equal(pick({ backend: 'c' }), 'c w')
  assert.equal(pick({ takes: 'tensors' }), 'b z')
  assert.throws(() => pick({ model: 'z' }), coded('NODE_INFERENCE_MODEL_UNKNOWN'))
  assert.throws(() => pick({ backend: 'd' }), /one of a, b, c/)
  assert.throws(() => pick({ backend: 'a', takes: 'tensors' }), coded('NODE_TOOL_ARGUMENT'))
  const none = () => choose([], { model: undefined, backend: undefined, takes: 'messages' })
  assert.throws(none, /no back end is configured/)
})

test('linesOf() gives the same lines wherever the pieces are cut', async () => {
  const text = fc.array(fc.string({ maxLength: 20, unit: 'grapheme' }), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(text, fc.integer({ min: 1, max: 7 }), async (lines, size) => {
      const bytes = new TextEncoder().encode(lines.join('\n'))
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < bytes.length; at += size)
            controller.enqueue(bytes.slice(at, at + size))
          controller.close()
        },
      })
      const read: string[] = []
      for await (const line of linesOf(new Response(body))) read.push(line)
      const wanted = lines
        .join('\n')
        .split('\n')
        .filter((line) => line.trim() !== '')
      assert.deepEqual(
        read,
        wanted.map((line) => line.trimEnd()),
      )
    }),
    { numRuns: 100 },
  )
})

test('the configuration refuses a URL with a password, and a name that is none', () => {
  const refused = (value: object) => assert.equal(inferenceConfig.safeParse(value).success, false)
  refused({ one: { kind: 'openai', url: 'http://me:secret@h:1' } })
  for (const url of [
    'HTTP://me:secret@h/v1',
    'http:\\\\me:secret@h/v1',
    'http:me:secret@h',
    'http://me@h',
  ]) {
    refused({ one: { kind: 'openai', url } })
  }
  for (const url of ['http://h/v1?key=secret', 'http://h/v1#x']) {
    refused({ one: { kind: 'openai', url } })
  }
  refused({ one: { kind: 'openai', url: 'file:///etc/passwd' } })
  refused({ 'One Two': { kind: 'openai', url: 'http://h:1' } })
  refused({ one: { kind: 'magic' } })
  refused(
    Object.fromEntries(
      Array.from({ length: 17 }, (_, i) => [`b${i}`, { kind: 'ollama', url: 'http://h:1' }]),
    ),
  )
})
