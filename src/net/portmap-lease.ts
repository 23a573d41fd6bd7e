/**
 * What a router is asked for and what it gives: one port of its public address, for a while.
 *
 * A router's word is a stranger's word. Its lifetimes are cut to what was asked, so that a lease
 * of a century is renewed like any other; one too short to be renewed in time is none at all.
 */

/** How a router is spoken to, in the order in which it is asked. */
export const MAPPING_PROTOCOLS = ['pcp', 'nat-pmp', 'upnp'] as const
export type MappingProtocol = (typeof MAPPING_PROTOCOLS)[number]

/** A port that this node listens on, and what a multiaddr says after it, such as `/quic-v1`. */
export interface ListenedPort {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly suffix: string
}

/** The way to a router: which of our addresses it knows us by. */
export interface Route {
  readonly family: 4 | 6
  /** The router's address on our link; a link-local IPv6 address has its zone. */
  readonly router: string
  readonly local: string
}

/** One port asked for; the external side is a wish. */
export interface PortWanted {
  readonly protocol: 'tcp' | 'udp'
  readonly internalPort: number
  readonly externalPort: number
  readonly externalHost: string | undefined
  readonly lifetimeSeconds: number
}

/** What the router says it gave. */
export interface PortGrant {
  readonly externalHost: string
  readonly externalPort: number
  readonly lifetimeSeconds: number
  /** Whether the router has forgotten what it gave before, as after a restart. */
  readonly restarted: boolean
}

/** One router, spoken to in one protocol. Calls come one after the other. */
export interface PortClient {
  readonly via: MappingProtocol
  /** Rejects with `NET_MAPPING_REFUSED`, or `NET_ROUTER_UNUSABLE` when nothing sensible came. */
  map(wanted: PortWanted, signal: AbortSignal): Promise<PortGrant>
  /** Gives a port back; also one that may never have been given. */
  unmap(wanted: PortWanted, signal: AbortSignal): Promise<void>
  /** Whether the router has forgotten what it gave. */
  hasRestarted(signal: AbortSignal): Promise<boolean>
  close(): void
}

/** Makes a client for a router that speaks the protocol; rejects for any other. */
export type OpenPortClient = (route: Route, signal: AbortSignal) => Promise<PortClient>

/** How long ports are asked for, and how soon after each other one may be asked for again. */
export interface LeaseConfig {
  readonly leaseSeconds: number
  readonly renewMinMs: number
}

/** From now until when a grant holds, and when it is asked for again: at half of its life. */
export interface LeaseTimes {
  readonly expiresAtMs: number
  readonly renewAtMs: number
}

/** The times of a grant; `undefined` when it ends too soon for a renewal to come in time. */
export function leaseTimes(
  lifetimeSeconds: number,
  { leaseSeconds, renewMinMs }: LeaseConfig,
  nowMs: number,
): LeaseTimes | undefined {
  const lifeMs = 1_000 * Math.min(lifetimeSeconds, leaseSeconds)
  if (lifeMs < 2 * renewMinMs) return undefined
  return { expiresAtMs: nowMs + lifeMs, renewAtMs: nowMs + lifeMs / 2 }
}

/** When a renewal that failed is tried again: half of what is left, as RFC 6887 §11.2.1 has it. */
export function retryAtMs(expiresAtMs: number, pauseMs: number, nowMs: number): number {
  const leftMs = expiresAtMs - nowMs
  return nowMs + (leftMs > 0 ? Math.min(pauseMs, leftMs / 2) : pauseMs)
}
