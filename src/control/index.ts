/**
 * Floor 8. The node as other programs on this machine see it.
 *
 * In: HTTP requests on loopback, each with the token of the data folder. Out: one API over a
 * `ServedNode`, an MCP gateway beside it, and the client that speaks to both.
 * Start reading at `api.ts`, the table of operations.
 */

export { type OperationName, operations } from './api.ts'
export {
  ControlClient,
  openClient,
  type ReadReport,
  type RemoteCall,
  type ShownIdentity,
} from './client.ts'
export { ControlServer, type ControlServerDeps } from './control-server.ts'
export { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts'
export { ControlError } from './errors.ts'
export type { LeaseEvent } from './lease.ts'
export { findLocalNode, type LocalNode } from './local-node.ts'
export type { McpFace } from './mcp-gateway.ts'
export type {
  CallServed,
  CallTarget,
  FoundRecord,
  ServedEvents,
  ServedNode,
  ServedStatus,
  ToolQuery,
  Waits,
} from './served-node.ts'
export type { StreamEvent } from './shapes/api.ts'
export { explanationIn } from './shapes/calls/api.ts'
