/**
 * The counterpart of the bench `mcp`: the MCP SDK's own Streamable HTTP server and client, each in
 * a process of its own, with the same tool, on loopback, with keep-alive.
 *
 * `stateful` serves sessions of the older era with one server for each; without it every request
 * has a server of its own, as the newer era is served. The bench takes the faster one.
 */

import { randomUUID } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node'
import { createMcpHandler } from '@modelcontextprotocol/server'
import { serveWorker } from './harness-worker.ts'
import { echoServer } from './mcp-echo.ts'
import { type Load, measureCalls } from './mcp-load.ts'

let client: Client | undefined

await serveWorker({
  async listen({ stateful }: { readonly stateful: boolean }): Promise<string> {
    const server = createServer({ keepAlive: true }, stateful ? sessions() : requests())
    server.listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`
  },

  async connect({ url, stateful }: { readonly url: string; readonly stateful: boolean }) {
    client = new Client(
      { name: 'bench', version: '1' },
      { versionNegotiation: { mode: stateful ? 'legacy' : 'auto' } },
    )
    await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  },

  measure: (load: Load) =>
    measureCalls(load, { echo: (text) => call('echo', { text }), large: () => call('large', {}) }),
})

async function call(name: string, args: Record<string, unknown>): Promise<unknown> {
  const { content } = (await client?.callTool({ name, arguments: args })) ?? {}
  return content
}

function requests(): RequestListener {
  const handle = toNodeHandler(createMcpHandler(() => echoServer()))
  return (request, response) => void handle(request as Parameters<typeof handle>[0], response)
}

function sessions(): RequestListener {
  const known = new Map<string, NodeStreamableHTTPServerTransport>()
  const open = async (): Promise<NodeStreamableHTTPServerTransport> => {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: true,
      onsessioninitialized: (id) => void known.set(id, transport),
    })
    await echoServer().connect(transport)
    return transport
  }
  return (request, response) => {
    const id = String(request.headers['mcp-session-id'] ?? '')
    const take = async () => (known.get(id) ?? (await open())).handleRequest(request, response)
    void take()
  }
}
