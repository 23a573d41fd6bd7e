/** The public API, `import 'p2p-foundation'`. The rooms that are useful alone have subpaths. */

export type {
  AgentEvents,
  AgentFace,
  AgentInfo,
  AgentMessage,
  Delivery,
  DeliveryState,
  FoundAgent,
  InboxFace,
  MessagePage,
  SendOptions,
} from './agent/index.ts'
export { CodedError, hasCode, isRetryable, type Logger } from './base/index.ts'
export { type EthAddress, ethAddress, type PeerId, peerId } from './identity/index.ts'
export {
  type CallResult,
  type ServiceSpec,
  type ServiceStatus,
  type StandardSchema,
  type Tool,
  type ToolArgs,
  type ToolContext,
  type ToolEntry,
  type ToolOptions,
  type ToolResult,
  type ToolReturn,
  tool,
  z,
} from './mcp/index.ts'
export type { LastingChannel } from './net/index.ts'
export {
  type CallTarget,
  createNode,
  type Exposed,
  type Injected,
  type InjectedSigner,
  McpConfig,
  NetworkConfig,
  type Node,
  type NodeDht,
  type NodeOptions,
  type NodeStatus,
  P2PConfig,
  P2PNode,
  type PlugIn,
  type PlugInContext,
  SecurityConfig,
  type ServerSpec,
  type TopicLimits,
  type TopicSchema,
  TunnelingConfig,
} from './node/index.ts'
export type { Codec, Message, Published, RepairRule, ReplayRule } from './pubsub/index.ts'
