/** The nine tools that the specification asks of every node, in its three groups. */

import { WELL_KNOWN_SERVICE } from '../../mcp/index.ts'

export const NETWORK_TOOLS = ['query_network', 'find_peers', 'relay_message'] as const
export const INFERENCE_TOOLS = ['run_inference', 'forward_to_peer', 'aggregate_results'] as const
export const MANAGEMENT_TOOLS = ['get_status', 'list_connections', 'configure'] as const

export const STANDARD_TOOLS = [...NETWORK_TOOLS, ...INFERENCE_TOOLS, ...MANAGEMENT_TOOLS] as const
export type StandardTool = (typeof STANDARD_TOOLS)[number]

/** The tools of an agent's messages, which a service of their own offers to this node alone. */
export const AGENT_TOOLS = ['send_message', 'list_messages', 'wait_for_message'] as const
export type AgentTool = (typeof AGENT_TOOLS)[number]

/** The service that every node offers them under: well known, so nobody has to look for it. */
export const STANDARD_SERVICE = WELL_KNOWN_SERVICE

/** Whether a call by this name alone means the standard tool of whichever node is asked. */
export function isStandardTool(name: string): name is StandardTool {
  return STANDARD_TOOLS.some((tool) => tool === name)
}
