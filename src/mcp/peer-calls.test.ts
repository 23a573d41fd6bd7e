import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import { coded } from '../../test/support/expect.ts'
import { BOB, duo, scratch } from '../../test/support/mcp-fixture.ts'
import type { CodedError } from '../base/index.ts'
import { tool } from './own-tool.ts'
import { PeerCalls } from './peer-calls.ts'
import { CORRELATION_META } from './protocol.ts'
import { z } from './tool.ts'

const settle = () => new Promise(setImmediate)
const TEXT = [{ type: 'text', text: 'hi' }]
const ENVELOPE = { era: 'new' }

/** A client's wire: what the client is told, what goes out, and a way to answer. */
function setup({ resultType = 'complete' } = {}) {
  const sent: JSONRPCMessage[] = []
  const told: JSONRPCMessage[] = []
  const wire: Transport = {
    start: async () => {},
    send: async (message) => void sent.push(message),
    close: async () => wire.onclose?.(),
  }
  const calls = new PeerCalls(wire)
  calls.onmessage = (message) => void told.push(message)
  const signal = new AbortController()
  const call = (args = {}) => {
    const meta = { [CORRELATION_META]: 'c2' }
    return calls.callTool({ tool: 'echo', args, meta }, signal.signal)
  }
  const come = (id: string | number, more: object) => {
    wire.onmessage?.({ jsonrpc: '2.0', id, ...more } as never)
  }
  /** A call of the client's own, and its result. */
  const learn = async (beside: object = ENVELOPE) => {
    const params = { name: 'echo', arguments: {}, _meta: { ...beside, [CORRELATION_META]: 'c1' } }
    await calls.send({ jsonrpc: '2.0', id: 0, method: 'tools/call', params } as never)
    come(0, { result: { content: TEXT, resultType } })
    sent.length = 0
    told.length = 0
  }
  return { calls, wire, sent, told, signal, call, come, learn }
}

test('after one of the client a call goes out as the client would send it, with an id of its own', async () => {
  const { sent, told, call, come, learn } = setup()
  await learn()
  const result = call({ text: 'hi' })
  const _meta = { era: 'new', [CORRELATION_META]: 'c2' }
  const params = { name: 'echo', arguments: { text: 'hi' }, _meta }
  assert.deepEqual(sent, [{ method: 'tools/call', params, jsonrpc: '2.0', id: 'call-1' }])
  const data = { structuredContent: { a: 1 }, isError: true }
  come('call-1', { result: { content: TEXT, ...data, resultType: 'complete', _meta: {} } })
  assert.deepEqual(await result, { content: TEXT, ...data })
  assert.deepEqual(told, [])
})

test('nothing goes out before the client had a result, after the end, or once given up', async () => {
  const fresh = setup()
  assert.equal(fresh.call(), undefined)
  const refused = setup()
  await refused.calls.send({ jsonrpc: '2.0', id: 0, method: 'tools/call', params: {} } as never)
  refused.come(0, { error: { code: 1, message: 'no' } })
  assert.equal(refused.call(), undefined)
  const asking = setup({ resultType: 'input_required' })
  await asking.learn()
  assert.equal(asking.call(), undefined)
  const reporting = setup()
  await reporting.learn({ progressToken: 0 })
  assert.equal(reporting.call(), undefined)
  const ended = setup()
  await ended.learn()
  await ended.wire.close()
  assert.equal(ended.call(), undefined)
  const late = setup()
  await late.learn()
  late.signal.abort()
  assert.equal(late.call(), undefined)
})

test('an answer that is more than text and data is given to the client, which sends nothing', async () => {
  const complete = { resultType: 'complete' }
  const answers = [
    { error: { code: -32_000, message: 'no' } },
    { result: { content: [{ type: 'image', data: 'AA==', mimeType: 'a/b' }], ...complete } },
    { result: { content: [{ ...TEXT[0], annotations: {} }], ...complete } },
    { result: { content: [{ type: 'text', text: 1 }], ...complete } },
    { result: { content: TEXT } },
    { result: { content: TEXT, resultType: 'input_required' } },
    { result: { content: TEXT, ...complete, isError: 'yes' } },
    { result: { content: TEXT, ...complete, structuredContent: [] } },
    { result: { content: TEXT, ...complete, _meta: 1 } },
    { result: { content: TEXT, ...complete, more: 1 } },
    { result: { ...complete } },
    { result: 'text' },
  ]
  for (const answer of answers) {
    const { calls, sent, told, call, come, learn } = setup()
    await learn()
    const args = {}
    const result = call(args)
    come('call-1', answer)
    assert.deepEqual(await result, { unread: args })
    const again = { jsonrpc: '2.0', id: 5, method: 'tools/call', params: { arguments: args } }
    await calls.send(again as never)
    assert.deepEqual(told, [{ jsonrpc: '2.0', ...answer, id: 5 }])
    assert.equal(sent.length, 1, 'the tool runs once')
    await calls.send(again as never)
    assert.equal(sent.length, 2, 'and is given once')
  }
})

test('who gives up is told at once, and the peer is told to stop; a late answer is the client’s', async () => {
  const { sent, told, signal, call, come, learn } = setup()
  await learn()
  const result = call()
  signal.abort(new RangeError('enough'))
  await assert.rejects(result ?? Promise.resolve(), /enough/)
  const params = { requestId: 'call-1', reason: 'RangeError: enough', _meta: ENVELOPE }
  assert.deepEqual(sent[1], { jsonrpc: '2.0', method: 'notifications/cancelled', params })
  come('call-1', { result: { content: TEXT, resultType: 'complete' } })
  assert.equal(told.length, 1)
})

test('the end of the stream, and a wire that does not take it, fail the call', async () => {
  const ended = setup()
  await ended.learn()
  const cut = ended.call()
  await ended.wire.close()
  await assert.rejects(cut ?? Promise.resolve(), coded('MCP_PIPE_ENDED'))
  const stuck = setup()
  await stuck.learn()
  stuck.wire.send = () => Promise.reject(new RangeError('full'))
  await assert.rejects(stuck.call() ?? Promise.resolve(), /full/)
  await settle()
})

test('what the peer asks by itself reaches the client', async () => {
  const { told, come, wire, learn } = setup()
  await learn()
  come('call-1', { method: 'ping' })
  wire.onmessage?.({ jsonrpc: '2.0', method: 'notifications/message', params: {} })
  assert.equal(told.length, 2)
})

const GIVEN = z.object({ text: z.string() })
const TOOLS = [
  tool('echo', { input: GIVEN }, ({ text }) => text),
  tool('data', { input: GIVEN, output: GIVEN }, (args) => args),
  tool('image', { input: GIVEN }, () => {
    return { content: [{ type: 'image', data: 'AA==', mimeType: 'image/png' }] }
  }),
  tool('fails', { input: GIVEN }, () => {
    throw new RangeError('it does not want to')
  }),
]
const CALLS = [
  { tool: 'echo', args: { text: 'a' } },
  { tool: 'data', args: { text: 'a' } },
  { tool: 'image', args: { text: 'a' } },
  { tool: 'fails', args: { text: 'a' } },
  { tool: 'echo', args: { text: 1 } },
  { tool: 'nobody', args: {} },
]

test('between two nodes a first call and a later one come to the same', async () => {
  await using folder = await scratch()
  for (const each of CALLS) {
    const outcomes: unknown[] = []
    for (const before of [[], [{ tool: 'echo', args: { text: 'b' } }]]) {
      await using both = await duo({ folder: folder.path })
      both.services.exposeTools('own', TOOLS)
      const call = (one: typeof each) => both.sessions.callTool(BOB, { service: 'own', ...one })
      for (const one of before) await call(one)
      const outcome = await call(each).catch((error: unknown) => {
        const { code, facts } = error as CodedError
        return [code, facts]
      })
      outcomes.push(outcome)
    }
    assert.deepEqual(outcomes[1], outcomes[0])
  }
})

test('a later call that is given up is told to the tool at the peer', async () => {
  await using folder = await scratch()
  await using both = await duo({ folder: folder.path })
  const told = Promise.withResolvers<void>()
  const began = Promise.withResolvers<void>()
  const slow = tool('slow', { input: z.object({}) }, async (_, { signal }) => {
    began.resolve()
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    told.resolve()
    return 'late'
  })
  both.services.exposeTools('own', [...TOOLS, slow])
  const own = { service: 'own' }
  await both.sessions.callTool(BOB, { ...own, tool: 'echo', args: { text: 'a' } })
  const given = new AbortController()
  const { signal } = given
  const left = both.sessions.callTool(BOB, { ...own, tool: 'slow', args: {} }, { signal })
  await began.promise
  given.abort(new RangeError('enough'))
  await assert.rejects(left, coded('MCP_PEER_FAILED'))
  await told.promise
  const after = { ...own, tool: 'echo', args: { text: 'still' } }
  assert.deepEqual((await both.sessions.callTool(BOB, after)).content, [
    { type: 'text', text: 'still' },
  ])
})
