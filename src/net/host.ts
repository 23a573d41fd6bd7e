/** The network as the rooms above see it: peers, protocols, and channels of whole frames. */

import type { Emitter, Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Framing } from '../wire/index.ts'
import type { NetEvents } from './events.ts'
import type { Path } from './paths.ts'

export interface CallOptions {
  readonly signal?: AbortSignal
}

/** One stream to one peer. Frames arrive whole, in order, and never above the agreed size. */
export interface Channel {
  readonly peer: PeerId
  /** The next frame, or `undefined` once the other side has said goodbye. One reader at a time. */
  read(options?: CallOptions): Promise<Uint8Array | undefined>
  /**
   * Resolves when the frame is handed on and there is room for the next. A large frame is sent
   * without a copy, so nobody may write into its bytes again.
   */
  write(frame: Uint8Array, options?: CallOptions): Promise<void>
  /**
   * Counts bytes that are kept for this channel, such as a request while it is served, in what its
   * peer may use; less where they are negative. False, and nothing is counted, where that is too
   * much. Absent where nobody counts.
   */
  reserve?(bytes: number): boolean
  /** Bytes that have arrived, whole frames or not. Absent where nobody counts. */
  readonly bytesRead?: number
  /** Aborts when the channel is gone, in whichever way. */
  readonly closed: AbortSignal
  /** Says goodbye; frames already written still arrive. */
  close(): Promise<void>
  /** Drops everything at once, in both directions. */
  abort(error: Error): void
}

/** What both ends of a protocol agree on before the first byte. */
export interface Protocol {
  readonly id: string
  readonly framing: Framing
  readonly frameBytesMax: number
  /** Streams of this protocol on one connection, opened by the other side and by us. */
  readonly inboundMax: number
  readonly outboundMax: number
  /** Whether it may use a connection through a relay, which others pay for; it may by default. */
  readonly overRelay?: boolean
}

/** One live connection, as `/debug/peers` and `p2p peers` show it. */
export interface ConnectionInfo {
  readonly peer: PeerId
  /** The multiaddr of the other side, without its peer id. */
  readonly address: string
  readonly direction: 'inbound' | 'outbound'
  readonly transport: 'quic' | 'tcp' | 'memory' | 'relay' | 'other'
  /** Whether it goes there directly, and if so through which kind of hole; or through a relay. */
  readonly path: Path
  readonly openedAtMs: number
  readonly streams: number
}

export interface Host extends Service {
  readonly self: PeerId
  readonly events: Emitter<NetEvents>
  /** Our own multiaddrs, each ending in `/p2p/<self>`: those others may dial. */
  addresses(): readonly string[]
  connections(): readonly ConnectionInfo[]
  /** Connects to a peer, or to whoever answers at a multiaddr; says who it is. Always tries. */
  connect(target: PeerId | string, options?: CallOptions): Promise<PeerId>
  disconnect(peer: PeerId): Promise<void>
  /** Round trip over the ping protocol, in milliseconds. */
  ping(peer: PeerId, options?: CallOptions): Promise<number>
  /**
   * A new channel to `peer`, which is dialled if it must be. One that could not be reached a moment
   * ago fails at once, unless other addresses of it are known by now.
   */
  open(peer: PeerId, protocol: Protocol, options?: CallOptions): Promise<Channel>
  /** Hands every inbound channel of `protocol` to `serve`, which owns it until it settles. */
  handle(protocol: Protocol, serve: (channel: Channel) => Promise<void>): Promise<void>
  /** Multiaddrs known for `peer`, without its peer id. */
  addressesOf(peer: PeerId): Promise<readonly string[]>
  /** Whether a peer said that it is reached through relays; known without waiting. */
  isBehindRelay?(peer: PeerId): boolean
  /**
   * Notes addresses that `source` told us of `peer`. They are filtered: no more than 8, and none of
   * a narrower scope than the address that `source` itself is connected by; without a connection,
   * than `metAt`, the IP address at which `source` proved itself otherwise.
   */
  learn(peer: PeerId, addresses: readonly string[], source: PeerId, metAt?: string): Promise<void>
  /** Protocol ids that `peer` said it speaks; empty before identify is done. */
  protocolsOf(peer: PeerId): Promise<readonly string[]>
}
