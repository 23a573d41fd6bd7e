/** What the API needs of a node; `node.ts` has all of it, a test fakes it. */

import type { AuditEntry, HeldGrant, IssuedGrant } from '../access/index.ts'
import type { AgentInfo, FoundAgent, PresenceEvents } from '../agent/index.ts'
import type { Emitter } from '../base/index.ts'
import type { TableBucket } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import type {
  ApproveOptions,
  CallResult,
  CatalogTool,
  OnLarge,
  ResultPart,
  ServiceSpec,
  ServiceStatus,
  ToolArgs,
  ToolEntry,
  ToolInfo,
  ToolResult,
  WithheldTool,
} from '../mcp/index.ts'
import type { NetEvents, ResourceReport } from '../net/index.ts'
import type {
  Changes,
  ClaimReport,
  DelegateOptions,
  GetReport,
  GrantOptions,
  HealthReport,
  IdentityReport,
  NameReport,
  NodeStatus,
  PeerStatus,
  PutReport,
  Reconfigured,
  ToolsEvents,
} from '../node/index.ts'
import type { Activity } from './activity.ts'
import type { ServedAgent } from './served-agent.ts'

/** Ends the work early; every operation that can wait takes one. */
export interface Waits {
  readonly signal?: AbortSignal
}

/** Which tools to look for; nothing given means all. */
export interface ToolQuery {
  readonly tool?: string
  readonly service?: string
  readonly peer?: PeerId
  readonly tag?: string
  readonly text?: string
  readonly accepts?: Readonly<Record<string, string>>
  readonly invitation?: string
}

/** Where a call goes: to whoever offers the tool, or only to this service or this peer. */
export interface CallTarget extends Waits {
  readonly service?: string
  readonly peer?: PeerId
  /** For the whole call; the node's own limit unless given. */
  readonly timeoutMs?: number
  /** Tokens to show besides those that the node holds. */
  readonly grants?: readonly string[]
  /** Of the blinded service to call. */
  readonly invitation?: string
  /** Takes a result above one frame in parts, in place of having it whole in memory. */
  readonly onlarge?: OnLarge
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
  /** Of the standard tools; null or absent where there are none. */
  readonly tools?: Pick<Emitter<ToolsEvents>, 'on'> | null
  /** Of agents that come and go; null or absent where the node speaks for none itself. */
  readonly agents?: Pick<Emitter<PresenceEvents>, 'on'> | null
}

/** The status of a node with what it did since it started. */
export type ServedStatus = NodeStatus & { readonly activity: Activity }

export interface ServedNode {
  /** Tool calls that it made so far, and requests of peers that it answered. */
  readonly calls: number
  readonly served: number
  readonly events: ServedEvents
  /** Null or absent where the node speaks for no agent. */
  readonly agent?: ServedAgent | null
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
    /** A part of a result above one frame. */
    read(uri: string, options: Waits): Promise<ResultPart>
    /** What assistants are not shown until a person approves it. */
    withheld(options: Waits): Promise<readonly WithheldTool[]>
    approve(name: string, options: ApproveOptions): Promise<CatalogTool>
    pin(name: string, pinned: boolean, options: Waits): Promise<CatalogTool>
  }
  readonly services: {
    list(): readonly ServiceStatus[]
    expose(
      spec: ServiceSpec,
      options: { readonly detached: boolean; readonly signal?: AbortSignal },
    ): Promise<ServiceStatus>
    unexpose(name: string): Promise<void>
    /** What somebody needs to find a blinded service of this node. */
    invitation(name: string): Promise<string>
  }
  /** Who may call what here, and what this node may call at others. */
  readonly grants: {
    issue(options: GrantOptions): Promise<IssuedGrant & { readonly token: string }>
    list(): readonly IssuedGrant[]
    revoke(id: string): Promise<void>
    accept(token: string): Promise<HeldGrant>
    held(): readonly HeldGrant[]
    delegate(options: DelegateOptions): Promise<string>
    audit(limit: number): readonly AuditEntry[]
  }
  /** Agents by their Ethereum address; throws where the node speaks for none itself. */
  readonly agents: {
    list(): readonly AgentInfo[]
    find(address: string, options: Waits): Promise<FoundAgent | undefined>
  }
  readonly dht: {
    put(key: string, value: Uint8Array, options: Waits): Promise<PutReport>
    get(key: string, options: Waits): Promise<FoundRecord>
    claimName(name: string, options: Waits): Promise<ClaimReport>
    /** Who claims a name; which of them is meant, only a peer id says. */
    findName(name: string, options: Waits): Promise<NameReport>
    /** The routing table, the farthest peers first. */
    buckets(): readonly TableBucket[]
  }
}
