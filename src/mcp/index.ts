/**
 * Floor 6. The tools of this node for other nodes, and the tools of other nodes for this one.
 *
 * In: streams of `mcp/1.0.0` from `net`, and commands or URLs of MCP servers to offer. Out: calls
 * over such streams, and the descriptors of our services in the DHT.
 * Start reading at `server.ts` for calls we serve and at `router.ts` for calls we make.
 */

export { type Catalog, type CatalogDeps, type CatalogTool, LocalCatalog } from './catalog.ts'
export { type McpConfig, mcpConfig } from './config.ts'
export { Directory, type DirectoryDeps } from './directory.ts'
export { McpError } from './errors.ts'
export type { McpEvents } from './events.ts'
export {
  createHttpFace,
  type FaceOptions,
  type HttpFace,
  type StdioFace,
  type StdioOptions,
  serveStdioFace,
} from './gateway.ts'
export { type McpMetrics, mcpMetrics } from './metrics.ts'
export { Neighbours, type NeighboursDeps } from './neighbours.ts'
export {
  type ArgsOf,
  type StandardSchema,
  type Tool,
  type ToolContext,
  type ToolOptions,
  type ToolReturn,
  tool,
} from './own-tool.ts'
export { mcpProtocol } from './protocol.ts'
export { type RouteOptions, Router, type RouterDeps } from './router.ts'
export { Scores } from './scores.ts'
export type { Found, ToolQuery } from './search.ts'
export { InboundStreams, type McpServerDeps } from './server.ts'
export {
  type ExposeOptions,
  type LocalCallOptions,
  type LocalCalls,
  Services,
  type ServicesDeps,
} from './services.ts'
export {
  type SessionCall,
  type SessionCallOptions,
  Sessions,
  type SessionsDeps,
} from './session.ts'
export { readServiceSpec } from './spec.ts'
export {
  type Attempt,
  type CallResult,
  type ServiceSource,
  type ServiceSpec,
  type ServiceStatus,
  type ToolArgs,
  type ToolEntry,
  type ToolInfo,
  type ToolResult,
  z,
} from './tool.ts'
