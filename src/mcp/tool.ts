/** What a tool is, to whoever lists it and to whoever calls it. */

import type { PeerId } from '../identity/index.ts'
import type { JsonObject } from '../wire/index.ts'
import type { Explanation } from './explain.ts'
import type { Exposure } from './exposure.ts'

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
  /** What its service says of itself, where it is known. */
  readonly tags?: readonly string[]
  /** Of one call, in a unit that its users agreed on. */
  readonly price?: number
  /** How busy the peer said it was when it last said anything, in percent. */
  readonly load?: number
  /** Of the whole tool with its schemas: changes whenever anything of it does. */
  readonly hash?: string
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
  /** How the peer was reached: `quic`, `tcp`, `relay`, `memory`, `local`, `relayed` or `none`. */
  readonly path: string
  /** Where it is `relayed`: the peer that carried the call there, signed. */
  readonly via?: PeerId
  readonly ms: number
  readonly code: string
}

/** The answer of a routed call, with the peer that gave it and every try that it took. */
export interface CallResult extends ToolResult {
  readonly peer: PeerId
  readonly attempts: readonly Attempt[]
  /** Only where it was asked for. */
  readonly explain?: Explanation
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

/**
 * Who hears of a service: everybody; nobody, so that those who may call it must know of it; or
 * whoever was given an invitation.
 */
export type Visibility = 'public' | 'peers' | 'blinded'

/** What others are told of a service. */
export interface Publicity {
  /** Each `[a-z0-9][a-z0-9-]{0,31}`, at most 16. */
  readonly tags?: readonly string[]
  /** `public` unless given. */
  readonly visibility?: Visibility
  /** Of one call, a whole number in a unit that its users agreed on. */
  readonly price?: number
  /** Of a blinded service: 32 bytes in base64url; the node makes one where none is given. */
  readonly secret?: string
}

/** What `p2p expose` is asked for: a name and what stands behind it. */
export interface ServiceSpec {
  /** `[a-z0-9][a-z0-9-]{0,62}`, unique on this node. */
  readonly name: string
  readonly source: ServiceSource
  /** Who may use it; everybody unless given. */
  readonly exposure?: Exposure
  readonly publicity?: Publicity
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
  /** Who may use it; everybody where it is not there. */
  readonly exposure?: Exposure
  readonly tags?: readonly string[]
  readonly visibility?: Visibility
  readonly price?: number
  /** Names of its resources and prompts, as far as it was asked for them. */
  readonly resources?: readonly string[]
  readonly prompts?: readonly string[]
}
