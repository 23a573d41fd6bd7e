import type { PeerId } from '../identity/index.ts'
import type { ServiceStatus } from './tool.ts'

export interface McpEvents {
  /** A service of this node came, went, changed its state or its tools. */
  readonly servicesChanged: { readonly services: readonly ServiceStatus[] }
  /** A call of a peer that was admitted has ended; `code` is how: ok, error, deadline or failed. */
  readonly callServed: {
    readonly tool: string
    readonly peer: PeerId
    readonly ms: number
    readonly code: string
    readonly service?: string | null
    /** The grant by which it was let through, and through whose hands that came. */
    readonly grant?: string | null
    readonly chain?: readonly PeerId[]
    /** The code of the error that refused it. */
    readonly reason?: string
  }
}
