/** The public API, `import 'p2p-foundation'`. The rooms that are useful alone have subpaths. */

export { CodedError, hasCode, isRetryable } from './base/index.ts'
export type { PeerId } from './identity/index.ts'
export type { CallResult, ServiceSpec, ServiceStatus, ToolEntry } from './mcp/index.ts'
export { createNode, type Node, type NodeOptions, type NodeStatus } from './node/index.ts'
