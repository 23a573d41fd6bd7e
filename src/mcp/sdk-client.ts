/** The client's side of the MCP SDK, as far as we use it. Entered through `sdk.ts` only. */

export {
  Client,
  ProtocolError,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
export { getDefaultEnvironment } from '@modelcontextprotocol/client/stdio'
