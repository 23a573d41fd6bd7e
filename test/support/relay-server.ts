/**
 * A small MCP server over stdio that calls a tool of another node through the API of its own.
 *
 *   P2P_API=http://127.0.0.1:9002 P2P_TOKEN=… node relay-server.ts
 *
 * `relay` hands its text on to the tool `answer`, under the correlation id that its request came
 * with; `answer` says P2P_ANSWER, so that a test can look for it.
 */

import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'

const { P2P_API = '', P2P_TOKEN = '', P2P_ANSWER = '' } = process.env
const input = z.object({ text: z.string() })
const says = (text: string) => ({ content: [{ type: 'text' as const, text }] })

serveStdio(() => {
  const server = new McpServer({ name: 'relay', version: '1' })
  if (P2P_API === '') {
    server.registerTool('answer', { description: 'answers', inputSchema: input }, () =>
      says(P2P_ANSWER),
    )
    return server
  }
  server.registerTool(
    'relay',
    { description: 'asks the next node', inputSchema: input },
    async ({ text }, { mcpReq }) => {
      const id = mcpReq._meta?.['p2p-foundation/correlation']
      const response = await fetch(`${P2P_API}/v1/call`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${P2P_TOKEN}`,
          'content-type': 'application/json',
          ...(typeof id === 'string' ? { 'x-correlation-id': id } : {}),
        },
        body: JSON.stringify({ tool: 'answer', args: { text } }),
      })
      const { content } = (await response.json()) as { content?: { text?: string }[] }
      return says(`${content?.[0]?.text ?? 'no answer'} ${P2P_ANSWER}`)
    },
  )
  return server
})
