/** The public API: what `import 'p2p-foundation'` gives. Parts of a node have subpaths of their own. */

export { CodedError, hasCode, isRetryable } from './base/index.ts'
export type { PeerId } from './identity/index.ts'
export type { CallResult, ServiceSpec, ServiceStatus, ToolEntry } from './mcp/index.ts'
export { createNode, type Node, type NodeOptions, type NodeStatus } from './node/index.ts'
