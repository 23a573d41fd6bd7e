import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { coded } from '../../test/support/expect.ts'
import { CodedError, utf8 } from '../base/index.ts'
import { McpError } from './errors.ts'
import {
  encodeMessage,
  mcpProtocol,
  parseFrame,
  readMessage,
  readRefusal,
  refusalFrame,
  SERVICE_META,
  selectedService,
  TIMEOUT_META,
  timeoutOf,
} from './protocol.ts'

const read = (message: object) => readMessage(parseFrame(encodeMessage(message)))
const invalid = coded('MCP_REQUEST_INVALID')

test('mcpProtocol() is the one of the contract', () => {
  assert.equal(mcpProtocol('main').id, '/p2p-foundation/mcp/1.0.0')
  assert.equal(mcpProtocol('x').id, '/p2p-foundation/x/mcp/1.0.0')
  assert.equal(mcpProtocol('main').frameBytesMax, 16 * 1024 * 1024)
})

test('readMessage() tells requests, notifications and answers apart', () => {
  const params = { a: 1 }
  assert.deepEqual(read({ jsonrpc: '2.0', id: 'x', method: 'm', params }), {
    kind: 'request',
    id: 'x',
    method: 'm',
    params,
  })
  assert.deepEqual(read({ jsonrpc: '2.0', method: 'm' }), {
    kind: 'notification',
    method: 'm',
    params: {},
  })
  const ok = { kind: 'answer', id: 1, failed: false }
  assert.deepEqual(read({ jsonrpc: '2.0', id: 1, result: {} }), ok)
  assert.deepEqual(read({ jsonrpc: '2.0', id: 1, error: {} }), { ...ok, failed: true })
  const said = { jsonrpc: '2.0', id: 1, result: { content: [], isError: true } }
  assert.deepEqual(read(said), { ...ok, failed: true }, 'a tool that says that it failed')
})

test('readMessage() refuses what is no JSON-RPC 2.0 message', () => {
  const bad = [
    { id: 1, method: 'm' },
    { jsonrpc: '1.0', id: 1, method: 'm' },
    { jsonrpc: '2.0' },
    { jsonrpc: '2.0', id: 1 },
    { jsonrpc: '2.0', id: 1.5, method: 'm' },
    { jsonrpc: '2.0', id: null, method: 'm' },
    { jsonrpc: '2.0', id: 'x'.repeat(257), method: 'm' },
    { jsonrpc: '2.0', id: 1, method: 'm'.repeat(257) },
    { jsonrpc: '2.0', id: 1, method: 7 },
    { jsonrpc: '2.0', id: 1, method: 'm', params: [] },
    [{ jsonrpc: '2.0', id: 1, method: 'm' }],
  ]
  for (const message of bad) assert.throws(() => read(message), invalid, JSON.stringify(message))
})

test('parseFrame() refuses bytes that are no UTF-8', () => {
  assert.throws(() => parseFrame(Uint8Array.of(0x22, 0xff, 0x22)), invalid)
})

test('parseFrame() fails with a code whatever the bytes are', () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), fc.json().map(utf8)), (bytes) => {
      try {
        readMessage(parseFrame(bytes))
      } catch (error) {
        assert.ok(error instanceof CodedError)
      }
    }),
  )
})

test('selectedService() reads the name from the meta of a request', () => {
  const request = (meta: unknown) =>
    read({ jsonrpc: '2.0', id: 1, method: 'm', params: { _meta: meta } })
  assert.equal(selectedService(request({ [SERVICE_META]: 'calc' })), 'calc')
  assert.equal(selectedService(request({})), undefined)
  assert.equal(selectedService(request('x')), undefined)
  assert.throws(() => selectedService(request({ [SERVICE_META]: 7 })), invalid)
})

test('timeoutOf() reads a whole number of milliseconds, and nothing else', () => {
  const request = (ms: unknown) =>
    read({ jsonrpc: '2.0', id: 1, method: 'm', params: { _meta: { [TIMEOUT_META]: ms } } })
  assert.equal(timeoutOf(request(60_000)), 60_000)
  for (const ms of [undefined, 0, -1, 1.5, '9', 1e300])
    assert.equal(timeoutOf(request(ms)), undefined)
  assert.equal(timeoutOf(read({ jsonrpc: '2.0', id: 1, result: {} })), undefined)
})

test('a refusal arrives with its code, its sentence and its verdict', () => {
  const error = McpError.BUSY({ what: 'x', limit: 1 })
  const { id, error: sent } = parseFrame(refusalFrame('a', error)) as {
    id: string
    error: { code: number; data: unknown }
  }
  assert.equal(id, 'a')
  assert.equal(sent.code, -32_000)
  const { code, message, retryable } = error
  assert.deepEqual(readRefusal(sent.data), { code, message, retryable })
})

test('a refusal tells nothing of an error that has no code', () => {
  const frame = new TextDecoder().decode(refusalFrame(1, new Error('/home/me/secret')))
  assert.ok(!frame.includes('secret'))
})

test('readRefusal() takes only our own form', () => {
  const whole = { code: 'MCP_BUSY', message: 'm', retryable: true }
  assert.deepEqual(readRefusal(whole), whole)
  for (const data of [null, 'x', {}, { ...whole, code: 'x' }, { ...whole, retryable: 1 }]) {
    assert.equal(readRefusal(data), undefined)
  }
})
