import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JSONRPCMessage } from '@modelcontextprotocol/client'
import { coded } from '../../test/support/expect.ts'
import { ByteBudget } from './byte-budget.ts'
import { pipePair } from './pipe.ts'
import { encodeMessage, FRAME_BYTES_MAX, parseFrame } from './protocol.ts'
import { ChannelTransport } from './transport.ts'

const request = (id: number, params = {}): JSONRPCMessage => {
  return { jsonrpc: '2.0', id, method: 'm', params }
}

function setup(options: { budget?: ByteBudget; firstMeta?: Record<string, string> } = {}) {
  const [near, far] = pipePair()
  const transport = new ChannelTransport(near, {
    budget: new ByteBudget(4 * FRAME_BYTES_MAX),
    ...options,
  })
  const seen: { messages: JSONRPCMessage[]; errors: Error[]; closes: number } = {
    messages: [],
    errors: [],
    closes: 0,
  }
  transport.onmessage = (message) => void seen.messages.push(message)
  transport.onerror = (error) => void seen.errors.push(error)
  transport.onclose = () => {
    seen.closes += 1
  }
  return { transport, far, seen }
}

const settle = () => new Promise(setImmediate)

test('messages arrive as they were sent, one after the other', async () => {
  const { transport, far, seen } = setup()
  await transport.start()
  await far.write(encodeMessage(request(1)))
  await far.write(encodeMessage(request(2)))
  await settle()
  assert.deepEqual(seen.messages, [request(1), request(2)])
  assert.equal(transport.framesRead, 2)
})

test('only the first message selects the service', async () => {
  const { transport, far } = setup({ firstMeta: { s: 'calc' } })
  const sends = [transport.send(request(1, { _meta: { a: 1 } })), transport.send(request(2))]
  assert.deepEqual(
    parseFrame((await far.read()) as Uint8Array),
    request(1, { _meta: { a: 1, s: 'calc' } }),
  )
  assert.deepEqual(parseFrame((await far.read()) as Uint8Array), request(2))
  await Promise.all(sends)
})

test('onclose comes exactly once, whoever closes and however often', async () => {
  const { transport, far, seen } = setup()
  await transport.start()
  await far.close()
  await settle()
  await transport.close()
  await transport.close()
  assert.equal(seen.closes, 1)
  assert.deepEqual(seen.errors, [])
  await assert.rejects(transport.send(request(1)), coded('MCP_PIPE_ENDED'))
})

for (const [what, bytes] of Object.entries({
  'that is no JSON': Buffer.from('{"jsonrpc":'),
  'that is no JSON-RPC': Buffer.from('{"id":1}'),
  'that nests too deeply': Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${'['.repeat(100)}`),
})) {
  test(`a frame ${what} ends the stream`, async () => {
    const { transport, far, seen } = setup()
    await transport.start()
    await far.write(bytes)
    await settle()
    assert.equal(seen.closes, 1)
    assert.equal(seen.errors.length, 1)
    await assert.rejects(far.read())
  })
}

test('an answer above the limit of a frame becomes an error that says so', async () => {
  const { transport, far } = setup()
  const long = { jsonrpc: '2.0' as const, id: 7, result: { x: 'y'.repeat(FRAME_BYTES_MAX) } }
  const sent = transport.send(long)
  const answer = parseFrame((await far.read()) as Uint8Array)
  await sent
  assert.equal(answer.id, 7)
  assert.match(JSON.stringify(answer.error), /MCP_RESULT_TOO_LARGE/)
  const request = { ...long, method: 'm', params: long.result }
  await assert.rejects(transport.send(request), coded('MCP_RESULT_TOO_LARGE'))
})

test('what waits for a slow reader stays within the budget of all', async () => {
  const budget = new ByteBudget(100_000)
  const { transport, far } = setup({ budget })
  const large = { x: 'y'.repeat(60_000) }
  const first = transport.send({ jsonrpc: '2.0', id: 1, result: large })
  const second = transport.send({ jsonrpc: '2.0', id: 2, result: large })
  await assert.rejects(transport.send(request(3, large)), coded('MCP_BUSY'))
  await far.read()
  assert.match(JSON.stringify(parseFrame((await far.read()) as Uint8Array)), /MCP_RESULT_UNSENT/)
  await Promise.all([first, second])
  const third = transport.send(request(4, large))
  assert.deepEqual(parseFrame((await far.read()) as Uint8Array), request(4, large))
  await third
})

test('a send that fails ends the stream and tells its caller', async () => {
  const { transport, far, seen } = setup()
  const sent = transport.send(request(1))
  far.abort(new Error('gone'))
  await assert.rejects(sent, /gone/)
  assert.equal(seen.closes, 1)
})

test('a long answer that stays in this process is not read a second time, any other is', async () => {
  const text = 'x'.repeat(100_000)
  const answer = { jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } } as const
  for (const staysHere of [true, false]) {
    const [inner, outer] = pipePair()
    const transport = new ChannelTransport(inner, { budget: new ByteBudget(1_000_000), staysHere })
    const [frame] = await Promise.all([outer.read(), transport.send(answer)])
    assert.ok(frame)
    const read: unknown = parseFrame(frame)
    assert.deepEqual(read, answer)
    assert.equal(read === answer, staysHere)
  }
})
