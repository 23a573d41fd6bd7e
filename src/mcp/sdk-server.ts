/**
 * The server's side of the MCP SDK, as far as we use it, and what cannot be without it. Entered
 * through `sdk.ts` only.
 */

export { toNodeHandler } from '@modelcontextprotocol/node'
export {
  classifyInboundRequest,
  createMcpHandler,
  isLegacyRequest,
  McpServer,
  PerRequestHTTPServerTransport,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
export { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
export { aggregateFactory } from './aggregate.ts'
export { ForwardingServer } from './forwarding-server.ts'
