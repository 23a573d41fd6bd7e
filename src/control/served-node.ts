/** What the API needs of a node; `node.ts` has all of it, a test fakes it. */

import type { Emitter } from '../base/index.ts'
import type { TableBucket } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import type {
  CallResult,
  ServiceSpec,
  ServiceStatus,
  ToolArgs,
  ToolEntry,
  ToolInfo,
  ToolResult,
} from '../mcp/index.ts'
import type { NetEvents, ResourceReport } from '../net/index.ts'
import type {
  Changes,
  GetReport,
  HealthReport,
  IdentityReport,
  NodeStatus,
  PeerStatus,
  PutReport,
  Reconfigured,
} from '../node/index.ts'
import type { Activity } from './activity.ts'

/** Ends the work early; every operation that can wait takes one. */
export interface Waits {
  readonly signal?: AbortSignal
}

/** Which tools to look for; nothing given means all. */
export interface ToolQuery {
  readonly tool?: string
  readonly service?: string
}

/** Where a call goes: to whoever offers the tool, or only to this service or this peer. */
export interface CallTarget extends Waits {
  readonly service?: string
  readonly peer?: PeerId
  /** For the whole call; the node's own limit unless given. */
  readonly timeoutMs?: number
}

/** A record of the DHT with its value as bytes; how to write them down is the API's question. */
export interface FoundRecord extends Omit<GetReport, 'value'> {
  readonly value: Uint8Array | null
}

/** A request of a peer to one of our tools that has ended; `code` is how. */
export interface CallServed {
  readonly tool: string
  readonly peer: PeerId
  readonly ms: number
  readonly code: string
}

/** What happens to a node, as its rooms tell it. */
export interface ServedEvents {
  readonly net: Pick<Emitter<Pick<NetEvents, 'connected' | 'disconnected' | 'addresses'>>, 'on'>
  /** Null when the node does not speak MCP. */
  readonly mcp: Pick<
    Emitter<{ readonly servicesChanged: unknown; readonly callServed: CallServed }>,
    'on'
  > | null
}

/** The status of a node with what it did since it started. */
export type ServedStatus = NodeStatus & { readonly activity: Activity }

export interface ServedNode {
  /** Tool calls that it made so far, and requests of peers that it answered. */
  readonly calls: number
  readonly served: number
  readonly events: ServedEvents
  status(): NodeStatus
  health(): HealthReport
  /** The effective configuration, as TOML. */
  configToml(): string
  /** Applies what is safe while the node runs, and names what waits for a restart. */
  reconfigure(changes: Changes): Reconfigured
  peers(): Promise<readonly PeerStatus[]>
  /** What connections and streams use, and how much they may. */
  resources(): ResourceReport
  /** Dials a peer id, a multiaddr or words, and says who answered. */
  connect(target: string, options: Waits): Promise<PeerId>
  disconnect(peer: PeerId): Promise<void>
  /** Who a peer says it is, verified. */
  identityOf(peer: PeerId, options: Waits): Promise<IdentityReport>
  /** Round trip in milliseconds. */
  ping(peer: PeerId, options: Waits): Promise<number>
  readonly tools: {
    find(query: ToolQuery, options: Waits): Promise<readonly ToolEntry[]>
    call(tool: string, args: ToolArgs, options: CallTarget): Promise<CallResult>
  }
  /** The tools of this node and its peers under unique names, as an assistant sees them. */
  readonly catalog: {
    list(options: Waits): Promise<readonly ToolInfo[]>
    call(name: string, args: ToolArgs, options: Waits): Promise<ToolResult>
  }
  readonly services: {
    list(): readonly ServiceStatus[]
    expose(
      spec: ServiceSpec,
      options: { readonly detached: boolean; readonly signal?: AbortSignal },
    ): Promise<ServiceStatus>
    unexpose(name: string): Promise<void>
  }
  readonly dht: {
    put(key: string, value: Uint8Array, options: Waits): Promise<PutReport>
    get(key: string, options: Waits): Promise<FoundRecord>
    /** The routing table, the farthest peers first. */
    buckets(): readonly TableBucket[]
  }
}
