/** What the operations on agents do: who is here, and which peer speaks for an address. */

import { ControlError } from './errors.ts'
import type { Routes } from './routes.ts'
import type { ServedNode } from './served-node.ts'

type Within = <T>(
  limits: { readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T>

/** The part of the table that stands in `shapes/agents/api.ts`. */
export function agentRoutes(
  { agents }: Pick<ServedNode, 'agents'>,
  within: Within,
): Pick<Routes, 'agents' | 'agentFind'> {
  return {
    agents: async () => agents.list(),
    async agentFind({ address }, signal) {
      const found = await within({ signal }, (ended) => agents.find(address, { signal: ended }))
      if (found === undefined) throw ControlError.AGENT_NOT_FOUND({ address })
      const { peer, binding, preKeys, addresses } = found
      const { version, expiresMs: expires } = binding
      return {
        address: binding.address,
        peer,
        version,
        expires,
        preKeys: preKeys.length,
        addresses,
      }
    },
  }
}
