import type { PeerId } from '../../identity/index.ts'
import type { Received } from './inbox.ts'

export interface ToolsEvents {
  /** A message of a peer came in. */
  readonly message: Received
  /** The configuration was changed by the tool `configure`: the audit of it. */
  readonly configured: {
    /** Null for this node itself or its assistant. */
    readonly caller: PeerId | null
    readonly correlationId: string
    /** Keys of the file that were changed, now or with the next start. */
    readonly keys: readonly string[]
    readonly persisted: boolean
    readonly reverted: boolean
  }
}
