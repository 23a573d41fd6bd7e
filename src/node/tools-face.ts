/** What a program may ask of tools through its node: the part `node.tools`. */

import type { ToolArgs } from '../mcp/index.ts'
import type { CallTarget, Waits } from './call-peer.ts'
import { checkCall } from './check-args.ts'
import type { McpParts } from './compose.ts'

/** `mcp` gives the parts of a node that has not stopped, for what is wanted of them. */
export function toolsFace(mcp: (wanted: string) => McpParts) {
  return {
    find: async (query: { tool?: string; service?: string }, options: Waits = {}) => {
      const { entries } = await mcp('find tools').directory.find(query, options)
      return entries
    },
    call: async (tool: string, args: ToolArgs = {}, options: CallTarget = {}) => {
      const { router } = mcp('call a tool')
      checkCall(args, options)
      return router.call(tool, args, options)
    },
  }
}
