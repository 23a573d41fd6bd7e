import type { PeerId } from '../identity/index.ts'
import type { Path } from './paths.ts'
import type { Verdict } from './verdict.ts'

export interface NetEvents {
  /** The first connection to a peer is up. */
  readonly connected: { readonly peer: PeerId }
  /** The last connection to a peer is gone. */
  readonly disconnected: { readonly peer: PeerId }
  /** Identify is done: the protocols a peer speaks are known. */
  readonly identified: { readonly peer: PeerId; readonly protocols: readonly string[] }
  /** What others may dial us at has changed. */
  readonly addresses: { readonly addresses: readonly string[] }
  /** Whether others reach us without a relay, as far as is known now; and why it is said. */
  readonly reachability: { readonly verdict: Verdict; readonly reason: string }
  /** A peer that was reached through a relay is reached without one: what begins now goes there. */
  readonly improved: { readonly peer: PeerId; readonly path: Path }
  /** A default port was busy and another was taken. */
  readonly portMoved: { readonly wanted: number; readonly taken: number; readonly kind: string }
}
