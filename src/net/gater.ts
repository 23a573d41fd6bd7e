/**
 * Asked by libp2p at every step of a connection's birth: the limits by address first, the policy
 * once the peer is known. Whatever throws here is a refusal.
 */

import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Policy } from '../access/index.ts'
import type { Logger } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import { isOfFamily, type NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import { type Inbound, InboundLimits } from './limits.ts'
import type { NetMetrics } from './metrics.ts'
import { type Address, parseAny, reaches, scopeOfAddress } from './transports.ts'

export interface GaterDeps {
  readonly self: PeerId
  readonly policy: Policy
  readonly log: Logger
  readonly metrics: Pick<NetMetrics, 'refusals'>
  /** Whether the other side of a connection has sent a byte. */
  spoke(connection: MultiaddrConnection): boolean
  /** How many connections a peer has with us. */
  connectionsOf(peer: PeerId): number
  /** How far the address reaches by which a peer is connected. */
  scopeOfPeer(peer: PeerId): Scope | undefined
}

type GaterConfig = ConstructorParameters<typeof InboundLimits>[0] &
  Pick<NetConfig, 'connectionsPerPeerMax' | 'family'>

export function connectionGater(deps: GaterDeps, config: GaterConfig): ConnectionGater {
  const limits = new InboundLimits(config)
  const known = new WeakMap<MultiaddrConnection, Inbound>()

  const refuse = (reason: string, address: Multiaddr, error?: unknown): true => {
    deps.metrics.refusals.add(1, { reason })
    const why = error === undefined ? {} : { why: reasonOf(error) }
    deps.log.debug('connection refused', { reason, address: address.toString(), ...why })
    return true
  }
  const isBarred = (remote: { toString(): string }, connection: MultiaddrConnection): boolean => {
    try {
      deps.policy.admit(peerId(remote.toString()), 'connect')
      return false
    } catch (error) {
      return refuse('policy', connection.remoteAddr, error)
    }
  }

  return {
    denyDialMultiaddr: (address) =>
      !isDiallable(address) || !isOfFamily(address.toString(), config.family),

    denyInboundConnection(connection) {
      const inbound: Inbound = {
        ip: ipOf(connection.remoteAddr),
        spoke: () => deps.spoke(connection),
        evict: () => {
          refuse('evicted', connection.remoteAddr)
          connection.abort(NetError.CONNECTION_DROPPED({ reason: 'it made room for another' }))
        },
      }
      const refusal = limits.enter(inbound)
      if (refusal !== undefined) return refuse(refusal, connection.remoteAddr)
      known.set(connection, inbound)
      connection.addEventListener('close', () => limits.leave(inbound), { once: true })
      if (connection.status !== 'open') limits.leave(inbound)
      return false
    },

    denyInboundEncryptedConnection(remote, connection) {
      const inbound = known.get(connection)
      if (inbound !== undefined) limits.upgraded(inbound)
      if (isBarred(remote, connection)) return true
      const open = deps.connectionsOf(peerId(remote.toString()))
      if (open < config.connectionsPerPeerMax) return false
      return refuse('peer', connection.remoteAddr)
    },

    denyOutboundEncryptedConnection: (remote, connection) => isBarred(remote, connection),

    /** What a peer says of itself is believed as far as it is met: no loopback from afar. */
    filterMultiaddrForPeer(remote, address) {
      if (remote.toString() === deps.self) return true
      const parsed = tryParse(address)
      const scope = deps.scopeOfPeer(peerId(remote.toString()))
      return parsed !== undefined && (scope === undefined || reaches(parsed, scope))
    },
  }
}

/** Names pass: they are resolved before the transports see them. */
function isDiallable(address: Multiaddr): boolean {
  const parsed = tryParse(address)
  return parsed !== undefined && scopeOfAddress(parsed) !== 'special'
}

function ipOf(address: Multiaddr): string | undefined {
  const host = tryParse(address)?.host
  return host?.kind === 'ip4' || host?.kind === 'ip6' ? host.value : undefined
}

function tryParse(address: Multiaddr): Address | undefined {
  try {
    return parseAny(address.toString())
  } catch {
    return undefined
  }
}
