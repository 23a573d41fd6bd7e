import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import { type NodeIncomingMessageLike, toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { ALICE, scratch } from '../../test/support/mcp-fixture.ts'
import { secureRandom, systemClock } from '../base/index.ts'
import { isJsonObject } from '../wire/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { openHttpPipe } from './http-source.ts'
import { longBody } from './long-body.ts'
import { linkedResult } from './result-protocol.ts'
import { ResultStore } from './result-store.ts'
import { ChannelTransport } from './transport.ts'

const MIB = 1024 * 1024
const TEXT = 'x"'.repeat(100) + 'x'.repeat(17 * MIB)

async function storeIn(folder: string) {
  const deps = { folder, clock: systemClock, random: secureRandom }
  const store = new ResultStore(deps, { resultStoreBytes: 256 * MIB })
  await store.start()
  const kept = async (content: readonly unknown[]) => {
    const result = linkedResult(content)
    assert.ok(result !== undefined, JSON.stringify(content).slice(0, 200))
    const parts: Uint8Array[] = []
    for await (const part of store.read(ALICE, result.id, 0, MIB)) parts.push(part)
    return JSON.parse(Buffer.concat(parts).toString()) as { content: { text: string }[] }
  }
  return { store, kept, [Symbol.asyncDispose]: () => store.stop() }
}

for (const mode of ['legacy', { pin: '2026-07-28' }] as const) {
  const era = typeof mode === 'string' ? mode : mode.pin
  test(`a result above one frame of an HTTP server is kept, and it goes on (${era})`, async () => {
    await using folder = await scratch()
    await using kept = await storeIn(`${folder.path}/results`)
    const handler = createMcpHandler(() => {
      const mcp = new McpServer({ name: 'http', version: '1' })
      mcp.registerTool('long', {}, () => ({ content: [{ type: 'text', text: TEXT }] }))
      mcp.registerTool('short', {}, () => ({ content: [{ type: 'text', text: 'short' }] }))
      return mcp
    })
    const node = toNodeHandler(handler)
    const server = createServer((request, response) => {
      void node(request as NodeIncomingMessageLike, response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
    const pipe = await openHttpPipe(url, {}, () => kept.store.open(ALICE))
    const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
    try {
      await client.connect(new ChannelTransport(pipe, { budget: new ByteBudget(64 * MIB) }))
      const { content } = await client.callTool({ name: 'long' })
      assert.equal((await kept.kept(content)).content[0]?.text, TEXT)
      const short = await client.callTool({ name: 'short' })
      assert.deepEqual(short.content, [{ type: 'text', text: 'short' }])
    } finally {
      await client.close()
      server.closeAllConnections()
      server.close()
    }
  })
}

/** What comes out of a body that comes in pieces of `size`. */
async function through(body: string, perLine: boolean, { store }: { store: ResultStore }) {
  const source = new ReadableStream<Uint8Array>({
    start(controller) {
      const bytes = Buffer.from(body)
      for (let at = 0; at < bytes.length; at += 65_536) {
        controller.enqueue(Uint8Array.from(bytes.subarray(at, at + 65_536)))
      }
      controller.close()
    },
  })
  const out = source.pipeThrough(longBody(perLine, () => store.open(ALICE)))
  return new Response(out).text()
}

test('what is short passes as it came, byte for byte', async () => {
  await using folder = await scratch()
  await using kept = await storeIn(`${folder.path}/results`)
  const events = 'event: message\r\nid: 1\r\ndata: {"a":1}\r\n\r\n: hello\n\ndata:{"b":2}\n\n'
  assert.equal(await through(events, true, kept), events)
  const json = '{\n  "jsonrpc": "2.0"\n}\n'
  assert.equal(await through(json, false, kept), json)
  assert.equal(kept.store.count, 0)
})

test('long messages are found in a body of JSON with line feeds, and between events', async () => {
  await using folder = await scratch()
  await using kept = await storeIn(`${folder.path}/results`)
  const result = { content: [{ type: 'text', text: TEXT }] }
  const message = { jsonrpc: '2.0', id: 'a', result }
  const body = await through(JSON.stringify(message, null, 2), false, kept)
  const answer = JSON.parse(body) as { id: string; result: { content: unknown[] } }
  assert.equal(answer.id, 'a')
  assert.equal((await kept.kept(answer.result.content)).content[0]?.text.length, TEXT.length)
  const events = `data: {"b":2}\n\nid: 7\ndata: ${JSON.stringify(message)}\n\ndata: {"c":3}\n\n`
  const lines = (await through(events, true, kept)).split('\n')
  assert.deepEqual([lines[0], lines[2], lines[5]], ['data: {"b":2}', 'id: 7', 'data: {"c":3}'])
  const said: unknown = JSON.parse((lines[3] ?? '').slice('data:'.length))
  assert.ok(isJsonObject(said) && isJsonObject(said.result) && Array.isArray(said.result.content))
  assert.equal((await kept.kept(said.result.content)).content[0]?.text.length, TEXT.length)
  const many = `data: ${'x'.repeat(9 * MIB)}\ndata: ${'x'.repeat(9 * MIB)}\n\n`
  await assert.rejects(through(many, true, kept), /MCP_RESULT_TOO_LARGE|of 18874/)
})

test('a body that comes byte by byte is one message, and each byte waits once', async () => {
  const noRoom = () => Promise.reject(new TypeError('nothing is long here'))
  const sent = Buffer.from(JSON.stringify({ text: 'x'.repeat(150_000) }))
  for (const perLine of [false, true]) {
    const body = longBody(perLine, noRoom)
    const read = new Response(body.readable).text()
    const writer = body.writable.getWriter()
    for (const byte of sent) await writer.write(Uint8Array.of(byte))
    await writer.close()
    assert.equal(await read, sent.toString())
  }
})
