/**
 * Who may use a service of this node: everybody, named peers, or whoever has a grant; for the whole
 * service, and for single tools in another way. Pure.
 *
 * A grant opens what is not public for its holder, whatever stands here: its owner gave it.
 */

import { hasCode } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { isJsonObject } from '../wire/index.ts'
import { McpError } from './errors.ts'

/** `public`, `granted`, or the peers that may; an empty list is nobody without a grant. */
export type Allow = 'public' | 'granted' | readonly string[]

/** Who may use a service, and which of its tools others may. */
export interface Exposure {
  readonly allow: Allow
  /** By the name of a tool, for those that are not as the service is. */
  readonly tools?: Readonly<Record<string, Allow>>
}

export const PUBLIC: Exposure = { allow: 'public' }

const PEERS_MAX = 1_000
const TOOLS_MAX = 512
const TOOL_NAME = /^[A-Za-z0-9_./-]{1,128}$/

/** Reads an exposure of unknown origin; throws `MCP_SERVICE_INVALID` naming what is wrong. */
export function readExposure(value: unknown): Exposure {
  if (!isJsonObject(value)) throw invalid('who may use it', value, 'an object with allow')
  const { allow, tools, ...others } = value
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw invalid('who may use it', unknown, 'allow and tools only')
  const read = readAllow(allow)
  if (tools === undefined) return { allow: read }
  const entries = isJsonObject(tools) ? Object.entries(tools) : undefined
  if (entries === undefined || entries.length > TOOLS_MAX) {
    throw invalid('who may use its tools', tools, `at most ${TOOLS_MAX} names with an allow each`)
  }
  const byTool = entries.map(([name, one]): [string, Allow] => {
    if (!TOOL_NAME.test(name)) throw invalid('the name of a tool', name, 'a name as MCP has it')
    return [name, readAllow(one)]
  })
  return { allow: read, tools: Object.fromEntries(byTool) }
}

/** Who may use one tool; without a tool, the service as such. */
export function allowOf({ allow, tools = {} }: Exposure, tool?: string): Allow {
  if (tool === undefined || !Object.hasOwn(tools, tool)) return allow
  return tools[tool] ?? allow
}

/** Whether nobody is kept from anything of it. */
export function isPublic({ allow, tools = {} }: Exposure): boolean {
  return allow === 'public' && Object.values(tools).every((one) => one === 'public')
}

/** Whether all of `peers` may without a grant. */
export function allows(allow: Allow, peers: readonly PeerId[]): boolean {
  if (typeof allow === 'string') return allow === 'public'
  return peers.every((peer) => allow.includes(peer))
}

/** Whether there is something of the service that `peers` may use without a grant. */
export function opensTo({ allow, tools = {} }: Exposure, peers: readonly PeerId[]): boolean {
  return [allow, ...Object.values(tools)].some((one) => allows(one, peers))
}

function readAllow(value: unknown): Allow {
  if (value === 'public' || value === 'granted') return value
  if (Array.isArray(value) && value.length <= PEERS_MAX) return value.map(readPeer)
  throw invalid('who may use it', value, `public, granted, or at most ${PEERS_MAX} peer ids`)
}

function readPeer(value: unknown): PeerId {
  try {
    if (typeof value === 'string') return peerId(value)
  } catch (error) {
    if (!hasCode(error, 'IDENTITY_PEER_ID_INVALID')) throw error
  }
  throw invalid('one of those who may use it', value, 'a peer id such as 12D3KooW…')
}

function invalid(field: string, found: unknown, wanted: string) {
  const shown =
    typeof found === 'string' ? found : found === undefined ? 'nothing' : JSON.stringify(found)
  return McpError.SERVICE_INVALID({ field, found: shown.slice(0, 80), wanted })
}
