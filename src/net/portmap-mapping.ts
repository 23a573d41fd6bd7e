/** What became of a port at a router: kept as a lease, told as a mapping. */

import { scopeOf } from '../ip/index.ts'
import type { ListenedPort, MappingProtocol, PortGrant, Route } from './portmap-lease.ts'

/** A host and a port, on our side of the router or on the other. */
export interface Side {
  readonly host: string
  readonly port: number
}

/** What became of one port at one router, for whoever asks why. */
export interface PortMapping {
  readonly protocol: 'tcp' | 'udp'
  /** What a multiaddr says after the port. */
  readonly suffix: string
  readonly via: MappingProtocol | null
  readonly router: string
  readonly internal: Side
  readonly external: Side | null
  readonly expiresAtMs: number | null
  /** Mapped and public; mapped, and the router itself has no public address; not mapped. */
  readonly state: 'mapped' | 'behind-nat' | 'refused' | 'expired'
  readonly reason: string | null
}

/** A port, what the router gave for it last, and what is due when. */
export interface Lease {
  readonly port: ListenedPort
  grant: PortGrant | undefined
  expiresAtMs: number
  dueAtMs: number
  failures: number
  reason: string | null
}

/** The lease as others see it now. */
export function describeLease(
  { port, grant, expiresAtMs, reason }: Lease,
  { router, local }: Route,
  via: MappingProtocol | null,
  nowMs: number,
): PortMapping {
  const { protocol, suffix } = port
  const row = { protocol, suffix, via, router, internal: { host: local, port: port.port } }
  if (grant === undefined) {
    return { ...row, external: null, expiresAtMs: null, state: 'refused', reason }
  }
  const mapped = { ...row, external: { host: grant.externalHost, port: grant.externalPort } }
  if (expiresAtMs <= nowMs) return { ...mapped, expiresAtMs, state: 'expired', reason }
  if (scopeOf(grant.externalHost) === 'global') {
    return { ...mapped, expiresAtMs, state: 'mapped', reason }
  }
  const nat = `the router's own address is ${grant.externalHost}: another NAT is beyond it`
  return { ...mapped, expiresAtMs, state: 'behind-nat', reason: nat }
}

/** The multiaddr that others may dial, where the port is mapped and the address is public. */
export function mappedAddress({ protocol, external, suffix, state }: PortMapping): string[] {
  if (state !== 'mapped' || external === null) return []
  const family = external.host.includes(':') ? 'ip6' : 'ip4'
  return [`/${family}/${external.host}/${protocol}/${external.port}${suffix}`]
}
