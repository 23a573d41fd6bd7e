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
  }
}
