/** What a program may ask of tools through its node: the part `node.tools`. */

import type {
  ExposeOptions,
  ServiceSpec,
  ServiceStatus,
  ToolArgs,
  ToolQuery,
} from '../mcp/index.ts'
import type { CallTarget, Waits } from './call-peer.ts'
import { checkCall } from './check-args.ts'
import type { McpParts } from './compose-mcp.ts'
import { isStandardTool, STANDARD_SERVICE } from './tools/names.ts'

/** `mcp` gives the parts of a node that has not stopped, for what is wanted of them. */
export function toolsFace(mcp: (wanted: string) => McpParts) {
  return {
    /** Best first, as calls would try them; for words, those that fit them best. */
    find: async (query: ToolQuery = {}, options: Waits = {}) => {
      const { directory } = mcp('find tools')
      const { entries } = await directory.find(query, options)
      return query.text === undefined ? directory.ranked(entries) : entries
    },
    call: async (tool: string, args: ToolArgs = {}, options: CallTarget = {}) => {
      const { router } = mcp('call a tool')
      checkCall(args, options)
      return router.call(tool, args, withWellKnown(tool, options))
    },
  }
}

/** A standard tool of a certain peer is asked where every node has it, announced or not. */
export function withWellKnown<Target extends CallTarget>(tool: string, target: Target): Target {
  const { peer, service } = target
  if (peer === undefined || service !== undefined || !isStandardTool(tool)) return target
  return { ...target, service: STANDARD_SERVICE }
}

/** What a program may ask of the services of its node: the part `node.services`. */
export function servicesFace(list: () => readonly ServiceStatus[], mcp: Wanting) {
  return {
    list,
    expose: async (spec: ServiceSpec, options: ExposeOptions) => {
      return mcp('expose a service').services.expose(spec, options)
    },
    unexpose: async (name: string) => mcp('withdraw a service').services.unexpose(name),
    /** What somebody needs to find a blinded service of this node. */
    invitation: async (name: string) => {
      const { services, self, addresses } = mcp('invite to a service')
      return services.invitationTo(name, self, addresses())
    },
  }
}

type Wanting = (wanted: string) => McpParts
