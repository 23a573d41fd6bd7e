/**
 * What a peer may send on an MCP stream, whole or bent, against the decoder and against a server:
 * the decoder returns a message or throws a coded error; the server ends the stream or answers,
 * holds nothing back, and serves the next peer.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CodedError, utf8 } from '../../src/base/index.ts'
import {
  encodeMessage,
  parseFrame,
  readMessage,
  readRefusal,
  SERVICE_META,
  selectedService,
} from '../../src/mcp/protocol.ts'
import { readTools } from '../../src/mcp/tool-list.ts'
import type { Channel } from '../../src/net/index.ts'
import { CASES, SEED } from '../support/fuzz.ts'
import { duo, scratch } from '../support/mcp-fixture.ts'
import { callWithSameIds } from '../support/same-ids.ts'

/** A stream costs a hundred times what a decoder does. */
const STREAMS = Math.ceil(CASES / 20)

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'x', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}
const INITIALIZE = {
  id: 0,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25',
    capabilities: {},
    clientInfo: { name: 'x', version: '1' },
  },
}
/** Truths to bend: each message that the protocol knows, in both eras. */
const MESSAGES: readonly object[] = [
  INITIALIZE,
  { method: 'notifications/initialized' },
  { id: 1, method: 'server/discover', params: { _meta: META } },
  { id: 2, method: 'tools/list', params: {} },
  { id: 2, method: 'tools/list', params: { _meta: META, cursor: 'x' } },
  { id: 'a', method: 'tools/call', params: { name: 'a_b', arguments: {}, _meta: META } },
  { id: 3, method: 'tools/call', params: { _meta: { [SERVICE_META]: 'x' } } },
  { id: 4, method: 'subscriptions/listen', params: { _meta: META, toolsListChanged: true } },
  { method: 'notifications/cancelled', params: { requestId: 2 } },
  { id: 2, result: { content: [] } },
  { id: null, error: { code: -32_000, message: 'x', data: { code: 'MCP_X', message: 'y' } } },
].map((message) => ({ jsonrpc: '2.0', ...message }))

const whole = fc.constantFrom(...MESSAGES).map(encodeMessage)
const bent = fc
  .tuple(whole, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat())
  .map(([frame, changes, cut]) => {
    const bytes = Uint8Array.from(frame)
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte === 0x0a ? 0x20 : byte
    return cut % 4 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes
  })
const mixed = fc
  .tuple(
    fc.constantFrom(...MESSAGES),
    fc.dictionary(fc.constantFrom('id', 'method', 'params', 'result'), fc.jsonValue()),
  )
  .map(([message, other]) => encodeMessage({ ...message, ...other }))
const frame = fc.oneof(whole, bent, mixed, fc.uint8Array(), fc.json().map(utf8))

function check<T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => void): void {
  fc.assert(fc.property(arbitrary, holds), { numRuns: CASES, seed: SEED })
}

test('a frame is a message or a coded error', () => {
  check(frame, (bytes) => {
    try {
      const value = parseFrame(bytes)
      selectedService(readMessage(value))
    } catch (error) {
      assert.ok(error instanceof CodedError, String(error))
    }
  })
})

test('a list of tools and a refusal are read or passed over', () => {
  check(fc.jsonValue(), (value) => {
    readRefusal(value)
    for (const { name } of readTools(Array.isArray(value) ? value : [value])) assert.ok(name)
  })
})

test('a server survives whatever comes on a stream', async () => {
  const lost: unknown[] = []
  const note = (error: unknown) => void lost.push(error)
  process.on('unhandledRejection', note)
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const streams = fc.asyncProperty(fc.array(frame, { maxLength: 8 }), async (frames) => {
    const channel = net.open()
    const reading = readAll(channel)
    for (const bytes of frames) await channel.write(bytes).catch(() => {})
    await channel.close()
    await reading
  })
  await fc.assert(streams, { numRuns: STREAMS, seed: SEED })
  assert.match(await hello(net.open()), /p2p-foundation/)
  await new Promise(setImmediate)
  assert.equal(net.server.requestsInWork, 0)
  assert.deepEqual(lost, [])
  process.off('unhandledRejection', note)
})

test('no answer crosses over to another stream, over as many calls as there are cases', async () => {
  const each = Math.ceil(CASES / 3)
  assert.deepEqual(await callWithSameIds(CASES), [each, each, each])
})

async function readAll(channel: Channel): Promise<void> {
  try {
    while ((await channel.read()) !== undefined);
  } catch {
    // The server ended the stream with a reason.
  }
}

async function hello(channel: Channel): Promise<string> {
  await channel.write(encodeMessage({ jsonrpc: '2.0', ...INITIALIZE }))
  const answer = await channel.read()
  await channel.close()
  return Buffer.from(answer ?? []).toString()
}
