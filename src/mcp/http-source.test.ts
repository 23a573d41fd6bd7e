import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import { type NodeIncomingMessageLike, toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { coded } from '../../test/support/expect.ts'
import { BOB, duo, scratch } from '../../test/support/mcp-fixture.ts'
import { ByteBudget } from './byte-budget.ts'
import { openHttpPipe } from './http-source.ts'
import { encodeMessage } from './protocol.ts'
import { ChannelTransport } from './transport.ts'

type Era = 'both' | 'reject'

/** An HTTP server of MCP on loopback, in both eras or in the newer alone. */
async function listen(handler: Parameters<typeof createServer>[1]) {
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { url: `http://127.0.0.1:${port}/mcp`, stop, [Symbol.asyncDispose]: stop }
}

async function mcpServer(era: Era = 'both') {
  const make = () => {
    const mcp = new McpServer({ name: 'http', version: '1' })
    mcp.registerTool(
      'add',
      { inputSchema: z.object({ a: z.number(), b: z.number() }) },
      ({ a, b }) => ({ content: [{ type: 'text', text: String(a + b) }] }),
    )
    return mcp
  }
  const handler = createMcpHandler(make, era === 'reject' ? { legacy: 'reject' } : {})
  const handle = toNodeHandler(handler)
  const versions: unknown[] = []
  const web = await listen((request, response) => {
    versions.push(request.headers['mcp-protocol-version'])
    void handle(request as NodeIncomingMessageLike, response)
  })
  return { ...web, versions }
}

const spec = (url: string) => ({ name: 'web', source: { kind: 'http' as const, url } })
const CALL = { service: 'web', tool: 'add', args: { a: 2, b: 40 } }

for (const era of ['both', 'reject'] as const) {
  test(`a server behind HTTP is offered and called (${era})`, async () => {
    await using folder = await scratch()
    await using web = await mcpServer(era)
    await using net = await duo({ folder: folder.path })
    const { tools } = await net.services.expose(spec(web.url), { detached: false })
    assert.deepEqual(
      tools.map(({ name }) => name),
      ['add'],
    )
    const local = await net.services.callTool('web', 'add', CALL.args)
    assert.deepEqual(local.content, [{ type: 'text', text: '42' }])
    const remote = await net.sessions.callTool(BOB, CALL)
    assert.deepEqual(remote.content, local.content)
  })
}

test('a stream in the older era works over HTTP as well', async () => {
  await using web = await mcpServer()
  const client = new Client({ name: 't', version: '1' }, { versionNegotiation: { mode: 'legacy' } })
  const budget = new ByteBudget(1 << 26)
  await client.connect(new ChannelTransport(await openHttpPipe(web.url), { budget }))
  const { content } = await client.callTool({ name: 'add', arguments: CALL.args })
  assert.deepEqual(content, [{ type: 'text', text: '42' }])
  assert.equal(web.versions[0], undefined, 'there is no version before one is agreed on')
  assert.equal(web.versions.at(-1), client.getNegotiatedProtocolVersion())
  await client.close()
})

test('a URL where nobody answers is named', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const web = await mcpServer()
  await web.stop()
  const exposed = net.services.expose(spec(web.url), { detached: false })
  await assert.rejects(exposed, coded('MCP_SERVICE_START_FAILED'))
  await assert.rejects(net.services.expose(spec(web.url), { detached: false }), new RegExp(web.url))
})

test('a call to a server that went away is answered with a code', async () => {
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path })
  const web = await mcpServer()
  await net.services.expose(spec(web.url), { detached: false })
  await net.sessions.callTool(BOB, CALL)
  await web.stop()
  const error = await net.sessions.callTool(BOB, CALL).catch((cause: unknown) => cause)
  assert.ok(coded('MCP_PEER_REFUSED')(error), String(error))
  assert.match(String(error), /MCP_SERVICE_ENDED/)
})

test('a server cannot send this node elsewhere: a redirect to another origin is not followed', async () => {
  const asked: string[] = []
  await using inside = await listen((request, response) => {
    asked.push(`${request.url} ${String(request.headers['x-key'])}`)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"jsonrpc":"2.0","id":0,"result":{"secret":"of the inside"}}')
  })
  for (const location of [inside.url, 'file:///etc/passwd', 'http://169.254.169.254/latest']) {
    for (const status of [301, 302, 303, 307, 308]) {
      await using web = await listen((request, response) => {
        request.resume()
        response.writeHead(status, { location }).end()
      })
      const pipe = await openHttpPipe(web.url, { 'x-key': 'ours' })
      const id = 0
      const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: {} }
      await pipe.write(encodeMessage({ jsonrpc: '2.0', id, method: 'initialize', params }))
      const answer = new TextDecoder().decode(await pipe.read())
      assert.match(answer, /MCP_SERVICE_ENDED/)
      assert.doesNotMatch(answer, /secret/)
      await pipe.close()
    }
  }
  assert.deepEqual(asked, [])
})

test('answers that a peer does not read are held as far as two frames, and said after that', async (t) => {
  const text = 'x'.repeat(12 * 1024 * 1024)
  const taken = Promise.withResolvers<void>()
  let answered = 0
  t.mock.method(globalThis, 'fetch', async (_: unknown, { body }: { body?: string } = {}) => {
    const { id } = JSON.parse(body ?? '{}') as { id?: number }
    if (id === undefined) return new Response(null, { status: 202 })
    const result = { content: [{ type: 'text', text }] }
    const parts = [Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, result }))]
    const stream = new ReadableStream<Uint8Array>({
      pull(controller) {
        const part = parts.shift()
        if (part !== undefined) controller.enqueue(part)
        else {
          controller.close()
          answered += 1
          if (answered === 4) taken.resolve()
        }
      },
    })
    return new Response(stream, { headers: { 'content-type': 'application/json' } })
  })
  const pipe = await openHttpPipe('http://127.0.0.1:1/mcp')
  for (const id of [1, 2, 3, 4]) {
    await pipe.write(encodeMessage({ jsonrpc: '2.0', id, method: 'tools/call', params: {} }))
  }
  await taken.promise
  for (let i = 0; i < 200; i += 1) await new Promise((resolve) => setImmediate(resolve))
  const answers: string[] = []
  for (let i = 0; i < 4; i += 1) {
    answers.push(new TextDecoder().decode((await pipe.read())?.subarray(0, 400)))
  }
  const unsent = answers.filter((answer) => answer.includes('MCP_RESULT_UNSENT'))
  assert.equal(unsent.length, 2, answers.map((answer) => answer.slice(0, 80)).join())
  await pipe.close()
})

test('a body above the limit of a frame is not read to its end', async () => {
  let written = 0
  await using web = await listen((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/json' })
    const more = () => {
      if (response.destroyed) return
      written += 1
      response.write('x'.repeat(1 << 20))
    }
    response.on('drain', more)
    more()
  })
  await using folder = await scratch()
  await using net = await duo({ folder: folder.path, config: { serviceStartTimeoutMs: 10_000 } })
  const exposed = net.services.expose(spec(web.url), { detached: false })
  await assert.rejects(exposed, coded('MCP_SERVICE_START_FAILED'))
  assert.ok(written < 64, `${written} MiB were taken`)
})
