/** The tools of an agent's messages, offered to this node's own assistants while it runs. */

import type { AgentFace } from '../agent/index.ts'
import type { Clock, Service } from '../base/index.ts'
import type { Services } from '../mcp/index.ts'
import { agentTools } from './tools/agent-messages.ts'

/** What it is called among the services of this node. */
export const AGENT_SERVICE = 'agent-messages'

export interface AgentToolsServiceDeps {
  readonly agent: AgentFace
  readonly services: Pick<Services, 'exposeTools'>
  readonly clock: Clock
}

/** Whoever reads and writes in our name is us: no grant opens these to a peer. */
export function agentToolsService({ agent, services, clock }: AgentToolsServiceDeps): Service {
  return {
    name: 'tools of messages',
    async start() {
      const exposure = { allow: [agent.peer] }
      const tools = agentTools({ agent, clock })
      services.exposeTools(AGENT_SERVICE, tools, exposure, { visibility: 'peers' })
    },
    async stop() {
      // The service goes with all others of this node.
    },
  }
}
