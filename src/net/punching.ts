/**
 * What hole punching asks of the transports. A NAT lets in what answers a packet that went out from
 * the same port, so dials must leave from the port that we listen on: QUIC's through the hub
 * (`udp-hub.ts`), TCP's from sockets that share a port (`reuse-tcp.ts`).
 */

import type { Multiaddr } from '@multiformats/multiaddr'
import type { Facility } from './facility.ts'
import type { UdpEndpoint } from './udp-port.ts'

export interface PunchOptions {
  readonly signal: AbortSignal
}

/** QUIC's side: whether dials and listeners share one port, and opening the NAT from that port. */
export interface HubControl {
  /** Every listener of QUIC is behind the hub, and dials leave from its port. */
  readonly active: boolean
  /** `off` by configuration or for now; `unavailable` says why, and what helps. */
  readonly facility: Facility
  /**
   * Listens anew, through the hub, on the same addresses and ports. Connections that we dialled go
   * on; those that others dialled are closed, because their socket is. Once active it does nothing.
   * Rejects with `NET_HUB_UNAVAILABLE`, the listeners being as they were before.
   */
  activate(): Promise<void>
  /**
   * Sends small packets of random bytes to `remote`, at random intervals of 10 to 200 ms, for five
   * seconds or until the signal aborts, so that the NAT before us lets its dial in (DCUtR's part of
   * the side that listens). Whether they opened anything, only the other side's dial shows.
   * Rejects with `NET_HUB_UNAVAILABLE` while the hub is not active, with the signal's reason when
   * it aborts.
   */
  punch(remote: UdpEndpoint, options: PunchOptions): Promise<void>
}

/** The client speaks first on a connection that both dialled: DCUtR's receiver of the stream. */
export type PunchRole = 'client' | 'server'

export interface TcpPunchOptions extends PunchOptions {
  readonly role: PunchRole
}

/** TCP's side: one dial from the listening port, at the same time as the other side's. */
export interface TcpPunching {
  /** `unavailable` where sockets cannot share a port here: why, and what helps. */
  readonly facility: Facility
  /**
   * Connects from the port of our own TCP listener to `/ip4|ip6/…/tcp/…`, with or without a peer
   * id at the end, and goes on trying, refused or not, until the signal aborts. Resolves when the
   * connection is encrypted: then it is among libp2p's. Rejects with `NET_PUNCH_UNAVAILABLE` where
   * the facility is not active or nothing listens on that version of IP.
   */
  punch(remote: Multiaddr, options: TcpPunchOptions): Promise<void>
}

/** Both, as `createNet` hands them on. QUIC's is absent where QUIC did not load. */
export interface Punching {
  readonly hub: HubControl | undefined
  readonly tcp: TcpPunching
}
