import type { ServiceStatus } from './tool.ts'

export interface McpEvents {
  /** A service of this node came, went, changed its state or its tools. */
  readonly servicesChanged: { readonly services: readonly ServiceStatus[] }
}
