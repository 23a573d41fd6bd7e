import type { AgentChange } from './roster.ts'

/** What happens around the agents that this node hears of. */
export interface PresenceEvents {
  /** An agent came, or went. */
  readonly agent: AgentChange
}
