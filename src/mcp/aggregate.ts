/**
 * This node's own MCP server, for peers that select no service: the tools of all its services,
 * each named `<service>_<tool>`. A service's name has no underscore, so the first one parts them.
 */

import { McpServer, type McpServerFactory } from '@modelcontextprotocol/server'
import type { PeerId } from '../identity/index.ts'
import type { JsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'
import { rpcError } from './protocol.ts'
import { WELL_KNOWN_SERVICE } from './service-index.ts'
import type { Services } from './services.ts'
import type { ToolInfo } from './tool.ts'

export interface AggregateDeps {
  readonly services: Pick<Services, 'list' | 'callTool' | 'events'>
  readonly version: string
  /** Whose stream it is: tools of this process are told. */
  readonly peer: PeerId
}

/** Makes one server for each stream, in whichever protocol era the stream is opened. */
export function aggregateFactory({ services, version, peer }: AggregateDeps): McpServerFactory {
  return () => {
    const mcp = new McpServer(
      { name: 'p2p-foundation', version },
      { capabilities: { tools: { listChanged: true } } },
    )
    const { server } = mcp
    server.setRequestHandler('tools/list', () => ({ tools: toolsOf(services) }))
    server.setRequestHandler('tools/call', async ({ params }, { mcpReq }) => {
      const [service, tool] = partName(params.name)
      const args = (params.arguments ?? {}) as JsonObject
      try {
        const { signal } = mcpReq
        const result = await services.callTool(service, tool, args, { signal, caller: peer })
        return { ...result, content: [...result.content] as never[] }
      } catch (error) {
        throw asRpcError(error)
      }
    })
    const off = services.events.on('servicesChanged', () => {
      // A stream that is closing cannot be told, and need not be.
      server.sendToolListChanged().catch(() => {})
    })
    server.onclose = off
    return mcp
  }
}

/** What is not published is called by those who know of it, and listed to nobody. */
function toolsOf(services: Pick<Services, 'list'>) {
  return services
    .list()
    .filter(({ name, visibility = 'public' }) => {
      return visibility === 'public' || (visibility === 'peers' && name === WELL_KNOWN_SERVICE)
    })
    .flatMap(({ name, tools }) => tools.map((tool) => describe(`${name}_${tool.name}`, tool)))
}

function describe(name: string, tool: ToolInfo) {
  const { description, inputSchema, outputSchema, idempotent, readOnly } = tool
  return {
    name,
    description,
    inputSchema: { ...inputSchema, type: 'object' as const },
    ...(outputSchema === undefined
      ? {}
      : { outputSchema: { ...outputSchema, type: 'object' as const } }),
    annotations: { idempotentHint: idempotent, readOnlyHint: readOnly },
  }
}

function partName(name: string): [service: string, tool: string] {
  const at = name.indexOf('_')
  if (at > 0) return [name.slice(0, at), name.slice(at + 1)]
  throw asRpcError(McpError.REQUEST_INVALID({ found: 'a tool that is not <service>_<tool>' }))
}

/** The SDK sends `code`, `message` and `data` of whatever is thrown. */
function asRpcError(error: unknown): Error {
  const { code, message, data } = rpcError(error)
  return Object.assign(McpError.RPC({ message }, error), { code, data })
}
