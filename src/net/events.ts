import type { PeerId } from '../identity/index.ts'

export interface NetEvents {
  /** The first connection to a peer is up. */
  readonly connected: { readonly peer: PeerId }
  /** The last connection to a peer is gone. */
  readonly disconnected: { readonly peer: PeerId }
  /** Identify is done: the protocols a peer speaks are known. */
  readonly identified: { readonly peer: PeerId; readonly protocols: readonly string[] }
  /** What others may dial us at has changed. */
  readonly addresses: { readonly addresses: readonly string[] }
  /** A default port was busy and another was taken. */
  readonly portMoved: { readonly wanted: number; readonly taken: number; readonly kind: string }
}
