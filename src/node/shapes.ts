/** The shapes that a node answers with: the same over the API, on the command line and in code. */

import type { PeerId } from '../identity/index.ts'
import type { PortMapping, ReachReport } from '../net/index.ts'

/** What `/health` answers. */
export interface HealthReport {
  /** `ok`: ready and connected. `degraded`: works, but not as it should. `failing`: does not. */
  readonly status: 'ok' | 'degraded' | 'failing'
  /** One sentence each, with what would help; empty when all is well. */
  readonly reasons: readonly string[]
  readonly alive: true
  readonly ready: boolean
}

/** What `p2p status --json` prints. */
export interface NodeStatus {
  readonly peerId: PeerId
  /** Null where the node speaks for no address. */
  readonly ethAddress: string | null
  /** The best IPv4 or IPv6 address and port as words; null while there is none. */
  readonly words: string | null
  readonly listen: readonly string[]
  /** How many peers are connected. */
  readonly peers: number
  readonly network: string
  readonly version: string
  readonly health: HealthReport
  readonly quic: Facility
  readonly tunnel: Facility
  /** Whether others reach this node, on whose word, and what helps where they do not. */
  readonly reachability: ReachReport
  /** Which of its ports routers forward to this node, and what helps where none does. */
  readonly portMapping: Facility & { readonly mappings: readonly PortMapping[] }
  /** The registry of agents; absent where the node speaks for no address. */
  readonly registry?: Facility | undefined
  readonly uptimeMs: number
  readonly dataDir: string
}

/** Something that a host may lack. `reason` and `remedy` say why and what would help. */
export interface Facility {
  readonly state: 'active' | 'off' | 'unavailable'
  readonly reason?: string
  readonly remedy?: string
}

/** One connected peer, as `/debug/peers` and `p2p peers --json` list it. */
export interface PeerStatus {
  readonly peer: PeerId
  readonly connections: readonly {
    readonly address: string
    readonly direction: 'inbound' | 'outbound'
    readonly transport: string
    /** Whether through a relay, a hole in the NATs of both, a mapped port, or directly. */
    readonly path: 'direct' | 'mapped' | 'punched' | 'relayed'
    readonly openedAtMs: number
    readonly streams: number
  }[]
  readonly protocols: readonly string[]
}

/** How a write to the DHT went: honest about who took it. */
export interface PutReport {
  readonly key: string
  readonly version: number
  readonly stored: readonly PeerId[]
  readonly failed: readonly { readonly peer: PeerId; readonly code: string }[]
  /** How many peers were asked to store it. */
  readonly wanted: number
}

/** How a read went: `value` is null when nobody who answered has it. */
export interface GetReport {
  readonly key: string
  readonly value: string | null
  readonly publisher: PeerId | null
  readonly version: number | null
  /** Peers that answered and peers that did not: "nobody has it" needs `failed` to be empty. */
  readonly answered: readonly PeerId[]
  readonly failed: readonly { readonly peer: PeerId; readonly code: string }[]
}
