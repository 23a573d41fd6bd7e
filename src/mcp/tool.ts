/** What a tool is, to whoever lists it and to whoever calls it. */

import type { PeerId } from '../identity/index.ts'
import type { JsonObject } from '../wire/index.ts'

/** Zod as we use it: who writes tools needs no second copy, whose schemas might not be ours. */
export { z } from 'zod'

/** A call's arguments, by name; the tool's own server checks them. */
export type ToolArgs = JsonObject

/** A tool as its service describes it. The text is the service's own: data, never instructions. */
export interface ToolInfo {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonObject
  readonly outputSchema?: JsonObject
  /** The tool's own word that calling it twice is the same as calling it once. */
  readonly idempotent: boolean
  readonly readOnly: boolean
}

/** One tool of one service at one peer: what `p2p tools` lists. */
export interface ToolEntry {
  readonly service: string
  readonly tool: string
  readonly peer: PeerId
  readonly description: string
  readonly idempotent: boolean
}

/** What a tool answered; `content` is MCP's list of content blocks, unchanged. */
export interface ToolResult {
  readonly content: readonly unknown[]
  readonly structuredContent?: JsonObject
  /** The tool itself says that it failed; the call as such worked. */
  readonly isError?: boolean
}

/** One try of a call at one peer. `code` is `ok` or the code of the error. */
export interface Attempt {
  readonly peer: PeerId
  /** How the peer was reached: `quic`, `tcp`, `relay`, `memory`, `local` or `none`. */
  readonly path: string
  readonly ms: number
  readonly code: string
}

/** The answer of a routed call, with the peer that gave it and every try that it took. */
export interface CallResult extends ToolResult {
  readonly peer: PeerId
  readonly attempts: readonly Attempt[]
}

/** A third-party MCP server to offer: a command spoken to over stdio, or a Streamable HTTP URL. */
export type ServiceSource =
  | {
      readonly kind: 'stdio'
      readonly command: string
      readonly args: readonly string[]
      readonly cwd: string
      readonly env: Readonly<Record<string, string>>
    }
  | { readonly kind: 'http'; readonly url: string }

/** What `p2p expose` is asked for: a name and what stands behind it. */
export interface ServiceSpec {
  /** `[a-z0-9][a-z0-9-]{0,62}`, unique on this node. */
  readonly name: string
  readonly source: ServiceSource
}

/** A service of this node, as `p2p expose` and `/debug` show it. */
export interface ServiceStatus {
  readonly name: string
  readonly state: 'starting' | 'ready' | 'restarting' | 'failed' | 'stopped'
  readonly tools: readonly ToolInfo[]
  readonly restarts: number
  /** Why it is not ready, for a person. */
  readonly reason?: string
  /** Kept across restarts of the node. */
  readonly detached: boolean
}
