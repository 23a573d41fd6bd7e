/** One service whole over HTTP: both eras, before a server that this test plays. */

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'
import { secureRandom, silentLog, systemClock } from '../base/index.ts'
import { ByteBudget } from './byte-budget.ts'
import { McpError } from './errors.ts'
import { pipePair } from './pipe.ts'
import { ServiceFaces } from './service-face.ts'
import { ChannelTransport } from './transport.ts'

const CLIENT = { name: 'near', version: '1' }
const BUDGET = { budget: new ByteBudget(1 << 20) }

function server(): McpServer {
  const mcp = new McpServer({ name: 'far', version: '1' }, { capabilities: { logging: {} } })
  mcp.registerTool('say', { inputSchema: z.object({ text: z.string() }) }, ({ text }) => {
    return { content: [{ type: 'text', text }] }
  })
  mcp.registerTool('count', {}, async ({ mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken
    for (const progress of [1, 2]) {
      const params = { progressToken, progress }
      await mcpReq.notify({ method: 'notifications/progress', params })
    }
    return { content: [{ type: 'text', text: 'two' }] }
  })
  mcp.registerTool('grow', {}, () => {
    mcp.registerTool('grown', {}, () => ({ content: [] }))
    return { content: [] }
  })
  return mcp
}

/** A gateway before such a server; `lines` has every line that was opened to it. */
async function gateway(t: TestContext) {
  const lines: ChannelTransport[] = []
  const state = { isGone: false }
  const open = async () => {
    if (state.isGone) throw McpError.SERVICE_NOT_FOUND({ service: 'far', asked: 1, silent: 0 })
    const [outer, inner] = pipePair()
    serveStdio(server, { transport: new ChannelTransport(inner, BUDGET) })
    const line = new ChannelTransport(outer, BUDGET)
    lines.push(line)
    return line
  }
  const faces = new ServiceFaces({
    links: { open },
    clock: systemClock,
    random: secureRandom,
    log: silentLog,
  })
  const http = createServer((request, response) => {
    void faces.handle({ service: 'far' }, request, response)
  })
  http.listen(0, '127.0.0.1')
  await new Promise((resolve) => http.once('listening', resolve))
  t.after(async () => {
    await faces.close()
    http.close()
    http.closeAllConnections()
  })
  const address = http.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const url = new URL(`http://127.0.0.1:${port}/mcp`)
  const connect = async (mode: 'legacy' | 'auto') => {
    const client = new Client({ name: 'near', version: '1' }, { versionNegotiation: { mode } })
    await client.connect(new StreamableHTTPClientTransport(url))
    return client
  }
  return { connect, lines, state, url }
}

for (const mode of ['legacy', 'auto'] as const) {
  test(`${mode}: a client speaks with the service as if it were here`, async (t) => {
    const { connect, lines } = await gateway(t)
    const client = await connect(mode)
    assert.equal(client.getServerVersion()?.name, 'far')
    const { tools } = await client.listTools()
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['say', 'count', 'grow'],
    )
    const said = await client.callTool({ name: 'say', arguments: { text: 'hello' } })
    assert.deepEqual(said.content, [{ type: 'text', text: 'hello' }])
    assert.equal(lines.length, 1, 'one line serves all of it')
    await client.close()
  })

  test(`${mode}: progress reaches the client that asked, under its own token`, async (t) => {
    const { connect } = await gateway(t)
    const clients = await Promise.all([connect(mode), connect(mode)])
    const heard = await Promise.all(
      clients.map(async (client) => {
        const seen: number[] = []
        const onprogress = ({ progress }: { progress: number }) => void seen.push(progress)
        await client.callTool({ name: 'count', arguments: {} }, { onprogress })
        return seen
      }),
    )
    assert.deepEqual(heard, [
      [1, 2],
      [1, 2],
    ])
    for (const client of clients) await client.close()
  })

  test(`${mode}: a service that cannot be reached is said in so many words`, async (t) => {
    const { connect, state } = await gateway(t)
    state.isGone = true
    await assert.rejects(connect(mode), /MCP_SERVICE_NOT_FOUND|Cannot find service/)
  })

  test(`${mode}: after the line has broken the next request opens another`, async (t) => {
    const { connect, lines } = await gateway(t)
    const client = await connect(mode)
    await lines[0]?.close()
    if (mode === 'legacy') await client.close()
    const again = mode === 'legacy' ? await connect(mode) : client
    const said = await again.callTool({ name: 'say', arguments: { text: 'again' } })
    assert.deepEqual(said.content, [{ type: 'text', text: 'again' }])
    assert.equal(lines.length, 2)
    await again.close()
  })
}

test('a session that has ended is not found, and one over the limit takes the oldest place', async (t) => {
  const { connect, lines, url } = await gateway(t)
  const first = new Client({ name: 'first', version: '1' })
  const transport = new StreamableHTTPClientTransport(url)
  await first.connect(transport)
  const id = transport.sessionId ?? ''
  for (let i = 0; i < 5; i += 1) await connect('legacy')
  assert.equal(lines.length, 6)
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-session-id': id,
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/list' })
  const answer = await fetch(url, { method: 'POST', headers, body })
  assert.equal(answer.status, 404)
})

test('a method that the service does not know is 404 over HTTP, as the newer era wants', async (t) => {
  const { url } = await gateway(t)
  const version = '2026-07-28'
  const meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const ask = (method: string, headers: Record<string, string>) =>
    fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': version,
        'mcp-method': method,
        ...headers,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'x', method, params: { _meta: meta } }),
    })
  const unknown = await ask('no/such', {})
  assert.equal(unknown.status, 404)
  const { id, error } = (await unknown.json()) as { id: string; error: { code: number } }
  assert.deepEqual([id, error.code], ['x', -32_601])
  assert.equal((await ask('tools/list', { 'mcp-method': 'tools/call' })).status, 400)
  assert.equal((await ask('tools/list', {})).status, 200)
})

test('nobody chooses the id of a session for another: it is made here, new each time', async (t) => {
  const { url } = await gateway(t)
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT }
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-session-id': 'chosen-by-somebody',
  }
  const ids = new Set<string | null>()
  for (let i = 0; i < 3; i += 1) {
    const answer = await fetch(url, { method: 'POST', headers, body })
    assert.equal(answer.status, 200)
    ids.add(answer.headers.get('mcp-session-id'))
    await answer.body?.cancel()
  }
  assert.equal(ids.size, 3)
  for (const id of ids) assert.match(String(id), /^[A-Za-z0-9_-]{16,}$/)
  assert.ok(!ids.has('chosen-by-somebody'))
})
