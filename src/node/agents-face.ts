/** What a program may ask of the agents around its node: the part `node.agents`. */

import type { AgentInfo, FoundAgent } from '../agent/index.ts'
import { ethAddress } from '../identity/index.ts'
import type { Waits } from './call-peer.ts'
import type { Parts } from './compose.ts'
import { partOf } from './state.ts'

/** `running` gives the parts of a node that has not stopped, for what is wanted of them. */
export function agentsFace(running: (wanted: string) => Parts) {
  return {
    /** Who is here by its own word of the last two minutes; this node is not among them. */
    list: (): readonly AgentInfo[] => {
      return partOf('agent', running('list agents').agent).announcer.agents()
    },
    /**
     * Which peer speaks for an address, signed by both; `undefined` where nobody knows. Rejects
     * with `AGENT_RECORD_UNCERTAIN` where not everybody could be asked.
     */
    find: async (address: string, options: Waits = {}): Promise<FoundAgent | undefined> => {
      const { presence } = partOf('agent', running('find an agent').agent)
      return presence.find(ethAddress(address), options)
    },
  }
}
