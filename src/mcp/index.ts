/**
 * Floor 6. The tools of this node for other nodes, and the tools of other nodes for this one.
 *
 * In: streams of `mcp/1.0.0` from `net`, and commands or URLs of MCP servers to offer. Out: calls
 * over such streams, and the descriptors of our services in the DHT.
 * Start reading at `server.ts` for calls we serve and at `router.ts` for calls we make.
 */

export { ANNOUNCEMENTS, type AnnouncementTopic } from './announcements.ts'
export { Approvals, type ApprovalsDeps } from './approvals.ts'
export { CallRelay, type CallRelayDeps } from './call-relay.ts'
export {
  type ApproveOptions,
  type Catalog,
  type CatalogDeps,
  LocalCatalog,
  type WithheldTool,
} from './catalog.ts'
export type { CatalogTool } from './catalog-listing.ts'
export { cleanText } from './clean-text.ts'
export { type McpConfig, mcpConfig } from './config.ts'
export { Directory, type DirectoryDeps } from './directory.ts'
export { McpError } from './errors.ts'
export type { McpEvents } from './events.ts'
export type { Considered, Explanation, TimedAttempt } from './explain.ts'
export { type Allow, type Exposure, readExposure } from './exposure.ts'
export { type GuardedDeps, guardedLocal } from './exposure-local.ts'
export type { GrantGate } from './exposure-stream.ts'
export {
  createHttpFace,
  type FaceOptions,
  type HttpFace,
  type HttpFaceOptions,
  type StdioFace,
  type StdioOptions,
  serveStdioFace,
} from './gateway.ts'
export { HeldTools, type HeldToolsDeps } from './held-tools.ts'
export { INVITATION_CHARS_MAX } from './invitation.ts'
export { HeldInvitations } from './invited.ts'
export { Journal, type JournalDeps } from './journal.ts'
export { type JournalStore, SqliteJournal } from './journal-store.ts'
export { jsonParts } from './json-parts.ts'
export { listingThrough } from './listing-through.ts'
export { journalMetrics, type McpMetrics, mcpMetrics, queueMetrics } from './metrics.ts'
export { Neighbours, type NeighboursDeps } from './neighbours.ts'
export { Outcomes, type OutcomesDeps, type Settles } from './outcomes.ts'
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
export { RelayedCalls, type RelayedCallsDeps } from './relayed-calls.ts'
export { outcomeHost } from './relayed-outcomes.ts'
export { RelayedServer, type RelayedServerDeps } from './relayed-server.ts'
export { type ResultPart, ResultParts, type ResultPartsDeps } from './result-parts.ts'
export {
  type LargeResult,
  type OnLarge,
  ResultReader,
  type ResultReaderDeps,
} from './result-reader.ts'
export { ResultServer, type ResultServerDeps } from './result-server.ts'
export { ResultStore, type ResultStoreDeps } from './result-store.ts'
export { type RouteOptions, Router, type RouterDeps } from './router.ts'
export { Scores } from './scores.ts'
export type { Found, ToolQuery } from './search.ts'
export { InboundStreams, type McpServerDeps } from './server.ts'
export { ServiceFaces, type ServiceFacesDeps } from './service-face.ts'
export { WELL_KNOWN_SERVICE } from './service-index.ts'
export { ServiceLinks, type ServiceLinksDeps, type ServicePlace } from './service-link.ts'
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
export { pipeStdio, type StdioPipeOptions } from './stdio-pipe.ts'
export {
  type Attempt,
  type CallResult,
  type Publicity,
  type ServiceSource,
  type ServiceSpec,
  type ServiceStatus,
  type ToolArgs,
  type ToolEntry,
  type ToolInfo,
  type ToolResult,
  type Visibility,
  z,
} from './tool.ts'
export { isArgumentType, type WantedArgs } from './tool-shape.ts'
