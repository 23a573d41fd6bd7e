import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/server'
import { BOB } from '../../test/support/mcp-fixture.ts'
import { Registry, secureRandom, silentLog, systemClock } from '../base/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { mcpConfig } from './config.ts'
import { McpError } from './errors.ts'
import { mcpMetrics } from './metrics.ts'
import { type OwnCall, OwnCalls } from './own-calls.ts'
import { tool } from './own-tool.ts'
import { CORRELATION_META, encodeMessage, parseFrame, TIMEOUT_META } from './protocol.ts'
import { Services } from './services.ts'
import type { ToolResult } from './tool.ts'
import { z } from './tool.ts'

const settle = () => new Promise(setImmediate)
const text = (said: string): ToolResult => ({ content: [{ type: 'text', text: said }] })

function call(id: number, params: object = {}, more: object = {}): JSONRPCMessage {
  const whole = { name: 'echo', arguments: { id }, _meta: { era: 'new' }, ...params }
  return { jsonrpc: '2.0', id, method: 'tools/call', params: whole, ...more }
}

/** A server that was given `given`, a wire on which `sent` went out, and a tool that ran `ran`. */
function setup(
  run: (call: OwnCall) => Promise<ToolResult> = async ({ args }) => text(JSON.stringify(args.id)),
) {
  const given: JSONRPCMessage[] = []
  const sent: JSONRPCMessage[] = []
  const ran: OwnCall[] = []
  const wire: Transport = {
    start: async () => {},
    send: async (message) => void sent.push(message),
    close: async () => wire.onclose?.(),
  }
  const calls = new OwnCalls(wire, (one) => {
    ran.push(one)
    return run(one)
  })
  calls.onmessage = (message) => void given.push(message)
  const come = async (message: JSONRPCMessage) => {
    wire.onmessage?.(message)
    await settle()
  }
  /** Has the server answer a first call, as it would. */
  const accept = async (params: object = {}) => {
    await come(call(0, params))
    const result = { ...text('0'), resultType: 'complete', _meta: { server: 'S' } }
    await calls.send({ jsonrpc: '2.0', id: 0, result } as never)
    given.length = 0
    sent.length = 0
  }
  return { calls, wire, given, sent, ran, come, accept }
}

test('after one that the server accepted, a call like it is answered here, in the same words', async () => {
  const { sent, given, come, accept } = setup()
  await accept()
  await come(call(7))
  const result = { ...text('7'), resultType: 'complete', _meta: { server: 'S' } }
  assert.deepEqual(sent, [{ result, jsonrpc: '2.0', id: 7 }])
  assert.deepEqual(given, [])
})

test('correlation and time differ from call to call; the tool is told of them', async () => {
  const { given, ran, come, accept } = setup()
  await accept({ _meta: { era: 'new', [CORRELATION_META]: 'a' } })
  const meta = { era: 'new', [CORRELATION_META]: 'b', [TIMEOUT_META]: 60_000 }
  await come(call(1, { _meta: meta }))
  assert.deepEqual(given, [])
  assert.deepEqual(ran[0]?.meta, meta)
})

test('before the server accepted a call, and for each that is not like it, the server is asked', async () => {
  const first = setup()
  await first.come(call(0))
  await first.come(call(1))
  assert.equal(first.given.length, 2, 'none was answered yet')
  await first.calls.send({ jsonrpc: '2.0', id: 1, error: { code: 1, message: 'no' } })
  await first.come(call(2))
  assert.equal(first.given.length, 3, 'it was refused')
  const others = [
    call(1, { _meta: { era: 'newer' } }),
    call(1, { _meta: { era: 'new', progressToken: 1 } }),
    call(1, { _meta: undefined }),
    call(1, { _meta: 'text' }),
    call(1, { name: 3 }),
    call(1, { arguments: [] }),
    call(1, { task: {} }),
    call(1, {}, { more: 1 }),
    call(1, {}, { method: 'tools/list' }),
  ]
  for (const other of others) {
    const { given, ran, come, accept } = setup()
    await accept()
    await come(other)
    assert.deepEqual(given, [other])
    assert.equal(ran.length, 0)
  }
})

test('what is more than text, and a failure, goes through the server; the tool runs once', async () => {
  const image = { content: [{ type: 'image', data: 'AA==', mimeType: 'image/png' }] }
  const failure = McpError.BUSY({ what: 'it', limit: 1 })
  for (const run of [async () => image, () => Promise.reject(failure)]) {
    const { calls, given, sent, ran, come, accept } = setup(run)
    await accept()
    await come(call(5))
    assert.deepEqual([given, sent], [[call(5)], []])
    const outcome = calls.outcomeOf(5)
    assert.ok(outcome)
    assert.deepEqual(
      await outcome.catch((error: unknown) => error),
      await run().catch((e: unknown) => e),
    )
    assert.equal(calls.outcomeOf(5), undefined, 'once')
    assert.equal(ran.length, 1)
  }
})

test('a call that is given up is told so and has no answer; the end of the stream gives up all', async () => {
  const { calls, wire, sent, given, ran, come, accept } = setup(({ signal }) => {
    const work = Promise.withResolvers<ToolResult>()
    signal.addEventListener('abort', () => work.resolve(text('late')))
    return work.promise
  })
  let closes = 0
  calls.onclose = () => (closes += 1)
  await accept()
  await come(call(1))
  await come(call(2))
  const cancel = (requestId: number): JSONRPCMessage => {
    return { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } }
  }
  await come(cancel(3))
  assert.deepEqual(given, [cancel(3)], 'the server may know it')
  await come(cancel(1))
  assert.deepEqual(
    ran.map(({ signal }) => signal.aborted),
    [true, false],
  )
  await wire.close()
  await settle()
  assert.equal(ran[1]?.signal.aborted, true)
  assert.deepEqual([sent.length, given.length, closes], [0, 1, 1])
})

const ECHO = z.object({ text: z.string() })
const TOOLS = [
  tool('echo', { input: ECHO }, ({ text: said }) => said),
  tool('data', { input: ECHO, output: ECHO }, (args) => args),
  tool('image', { input: ECHO }, () => {
    return { content: [{ type: 'image', data: 'AA==', mimeType: 'image/png' }] }
  }),
  tool('fails', { input: ECHO }, () => {
    throw new RangeError('it does not want to')
  }),
]

/** What the service answers to frames as they come, in order. */
async function talk(messages: readonly JsonObject[]): Promise<JsonObject[]> {
  const metrics = mcpMetrics(new Registry())
  const deps = { clock: systemClock, random: secureRandom, log: silentLog, metrics, path: '/no' }
  const services = new Services(deps, mcpConfig.parse({}))
  services.exposeTools('own', TOOLS)
  const pipe = await services.openSession('own', BOB)
  const answers: JsonObject[] = []
  for (const message of messages) {
    await pipe.write(encodeMessage({ jsonrpc: '2.0', ...message }))
    if (message.id === undefined) continue
    const frame = await pipe.read()
    assert.ok(frame)
    answers.push({ ...parseFrame(frame), id: null })
  }
  await services.stop()
  return answers
}

const NEW_META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}
const INITIALIZE = {
  protocolVersion: '2025-11-25',
  clientInfo: { name: 'test', version: '1' },
  capabilities: {},
}
const ERAS: [string, JsonObject[], JsonObject][] = [
  ['2026-07-28', [], { _meta: NEW_META }],
  [
    '2025-11-25',
    [
      { id: 'first', method: 'initialize', params: INITIALIZE },
      { method: 'notifications/initialized' },
    ],
    {},
  ],
]
const CALLS: JsonObject[] = [
  { name: 'echo', arguments: { text: 'a' } },
  { name: 'data', arguments: { text: 'a' } },
  { name: 'image', arguments: { text: 'a' } },
  { name: 'fails', arguments: { text: 'a' } },
  { name: 'echo', arguments: { text: 1 } },
  { name: 'echo' },
  { name: 'nobody', arguments: {} },
]

for (const [era, opening, beside] of ERAS) {
  test(`in ${era} every answer is the one that the SDK's server gives`, async () => {
    const request = (params: JsonObject, i: number) => {
      return { id: i, method: 'tools/call', params: { ...params, ...beside } }
    }
    for (const params of CALLS) {
      const [alone] = (await talk([...opening, request(params, 1)])).slice(-1)
      const accepted = request({ name: 'echo', arguments: { text: 'b' } }, 1)
      const [later] = (await talk([...opening, accepted, request(params, 2)])).slice(-1)
      assert.deepEqual(later, alone)
    }
  })
}
