/**
 * Who may use which standard tool. This node itself may use them all. Everybody may look around
 * with what changes nothing and costs us little; all else wants a grant of this node. The check
 * itself is `mcp`'s, before a call reaches the tool.
 */

import type { StandardTool } from './names.ts'

/** What everybody may use: read-only tools of the network. */
const FOR_EVERYONE: readonly StandardTool[] = ['query_network', 'find_peers']

export const STANDARD_EXPOSURE = {
  allow: 'granted',
  tools: Object.fromEntries(FOR_EVERYONE.map((tool) => [tool, 'public' as const])),
} as const
