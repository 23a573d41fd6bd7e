/** The tool of the bench `mcp` behind a server of the SDK: gives back its text. */

import { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'

export function echoServer(): McpServer {
  const server = new McpServer({ name: 'echo', version: '1' })
  server.registerTool(
    'echo',
    {
      description: 'says it again',
      inputSchema: z.object({ text: z.string() }),
      annotations: { idempotentHint: true },
    },
    ({ text }) => ({ content: [{ type: 'text', text }] }),
  )
  return server
}
