/** The tools of the bench `mcp` behind a server of the SDK. */

import { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { largeText } from './mcp-load.ts'

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
  const made = largeText()
  server.registerTool(
    'large',
    { description: 'makes up a long text', inputSchema: z.object({}) },
    () => ({ content: [{ type: 'text', text: made }] }),
  )
  return server
}
