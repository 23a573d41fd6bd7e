/**
 * Asked by libp2p at every step of a connection's birth: the limits by address first, then the
 * policy and the resource manager once the peer is known. Whatever throws here is a refusal.
 *
 * Before the peer is proven there is nobody to tell a reason to. Afterwards a connection for which
 * there is no room is told so, where its transport can: it is let in as far as its muxer and out
 * again, few at a time.
 */

import type { ConnectionGater, MultiaddrConnection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Policy } from '../access/index.ts'
import type { Clock, Logger } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import { isOfFamily, type NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import { hostOf, type Inbound, InboundLimits } from './limits.ts'
import type { NetMetrics } from './metrics.ts'
import type { ResourceHooks } from './resource-hooks.ts'
import { type Address, parseAny, reaches, scopeOfAddress } from './transports.ts'

export interface GaterDeps {
  readonly self: PeerId
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<NetMetrics, 'refusals'>
  readonly resources: Pick<ResourceHooks, 'door' | 'open' | 'prove' | 'dismiss' | 'manager'>
  /** Whether the other side of a connection has sent a byte. */
  spoke(connection: MultiaddrConnection): boolean
  /** How many connections a peer has with us. */
  connectionsOf(peer: PeerId): number
  /** How far the address reaches by which a peer is connected. */
  scopeOfPeer(peer: PeerId): Scope | undefined
}

type GaterConfig = ConstructorParameters<typeof InboundLimits>[0] &
  Pick<NetConfig, 'connectionsPerPeerMax' | 'family'>

/** Connections that are being told why they must go. */
const DISMISSALS_MAX = 32

export function connectionGater(deps: GaterDeps, config: GaterConfig): ConnectionGater {
  const gate = new Gate(deps, config)
  return {
    denyDialMultiaddr: (address) =>
      !isDiallable(address) || !isOfFamily(address.toString(), config.family),
    denyInboundConnection: (connection) => gate.enters(connection),
    denyInboundEncryptedConnection: (remote, connection) => gate.isProven(remote, connection),
    denyInboundUpgradedConnection: (_, connection) => gate.isLeaving(connection),
    denyOutboundEncryptedConnection: (remote, connection) => gate.isReached(remote, connection),

    /** What a peer says of itself is believed as far as it is met: no loopback from afar. */
    filterMultiaddrForPeer(remote, address) {
      if (remote.toString() === deps.self) return true
      const parsed = tryParse(address)
      const scope = deps.scopeOfPeer(peerId(remote.toString()))
      return parsed !== undefined && (scope === undefined || reaches(parsed, scope))
    },
  }
}

/** Each question is whether to refuse. */
class Gate {
  readonly #deps: GaterDeps
  readonly #config: GaterConfig
  readonly #limits: InboundLimits
  readonly #known = new WeakMap<MultiaddrConnection, Inbound>()
  readonly #leaving = new WeakSet<MultiaddrConnection>()
  #dismissals = 0

  constructor(deps: GaterDeps, config: GaterConfig) {
    this.#deps = deps
    this.#config = config
    this.#limits = new InboundLimits(config, () => deps.clock.now())
    deps.resources.door.ask((ip) => this.#refusesAtDoor(ip))
  }

  enters(connection: MultiaddrConnection): boolean {
    const { spoke, resources } = this.#deps
    const { remoteAddr } = connection
    const ip = ipOf(remoteAddr)
    const refused = resources.door.hasAsked(connection) ? undefined : this.#turnsAway(ip)
    if (refused !== undefined) return this.#refuse(refused, remoteAddr)
    const inbound: Inbound = {
      ip,
      spoke: () => spoke(connection),
      evict: () => {
        this.#refuse('evicted', remoteAddr)
        connection.abort(NetError.CONNECTION_DROPPED({ reason: 'it made room for another' }))
      },
    }
    const refusal = this.#limits.enter(inbound)
    if (refusal !== undefined) return this.#refuse(refusal, remoteAddr)
    this.#known.set(connection, inbound)
    connection.addEventListener('close', () => this.#limits.leave(inbound), { once: true })
    const shortage = resources.open(connection, ip)
    if (shortage !== undefined) this.#limits.leave(inbound)
    if (shortage !== undefined) return this.#refuse(shortage.scope, remoteAddr)
    if (connection.status !== 'open') this.#limits.leave(inbound)
    return false
  }

  isProven(remote: { toString(): string }, connection: MultiaddrConnection): boolean {
    const { resources, connectionsOf } = this.#deps
    const inbound = this.#known.get(connection)
    const peer = peerId(remote.toString())
    const isOwn = resources.manager.isOwn(peer)
    const refusal = inbound && this.#limits.upgraded(inbound, isOwn)
    if (this.#isBarred(peer, connection)) return true
    if (refusal !== undefined) return this.#refuse(refusal, connection.remoteAddr)
    if (connectionsOf(peer) >= this.#config.connectionsPerPeerMax) {
      return this.#refuse('peer', connection.remoteAddr)
    }
    const shortage = resources.prove(connection, peer)
    return shortage !== undefined && this.#sendOff(connection, shortage.resource)
  }

  async isLeaving(connection: MultiaddrConnection): Promise<boolean> {
    if (!this.#leaving.has(connection)) return false
    await this.#deps.resources.dismiss(connection)
    return true
  }

  isReached(remote: { toString(): string }, connection: MultiaddrConnection): boolean {
    const { resources } = this.#deps
    const peer = peerId(remote.toString())
    if (this.#isBarred(peer, connection)) return true
    if (resources.manager.isOwn(peer)) this.#limits.vouch(ipOf(connection.remoteAddr))
    const shortage = resources.prove(connection, peer)
    return shortage !== undefined && this.#refuse(shortage.resource, connection.remoteAddr)
  }

  #refusesAtDoor(ip: string): boolean {
    const reason = this.#turnsAway(ip)
    if (reason !== undefined) this.#deps.metrics.refusals.add(1, { reason })
    return reason !== undefined
  }

  /** What can be said of an address alone. */
  #turnsAway(ip: string | undefined): string | undefined {
    if (this.#deps.resources.manager.overMemory() !== undefined) return 'memory'
    return this.#limits.knock(ip) ?? (this.#mayHavePlace(ip) ? undefined : 'full')
  }

  /**
   * While few handshakes are under way everybody gets one: it may be one of our own who comes, and
   * others can be told. Of a flood only those are let in who could have a place.
   */
  #mayHavePlace(ip: string | undefined): boolean {
    const isCalm = this.#limits.pending <= this.#config.pendingMax / 8
    if (isCalm || this.#limits.isVouched(ip)) return true
    return this.#deps.resources.manager.hasPlaceFor(ip === undefined ? undefined : hostOf(ip))
  }

  #isBarred(peer: PeerId, connection: MultiaddrConnection): boolean {
    try {
      this.#deps.policy.admit(peer, 'connect')
      return false
    } catch (error) {
      return this.#refuse('policy', connection.remoteAddr, error)
    }
  }

  /** Refused at once when too many are on their way out already. */
  #sendOff(connection: MultiaddrConnection, reason: string): boolean {
    this.#refuse(reason, connection.remoteAddr)
    if (this.#dismissals >= DISMISSALS_MAX) return true
    this.#dismissals += 1
    this.#leaving.add(connection)
    connection.addEventListener('close', () => (this.#dismissals -= 1), { once: true })
    return false
  }

  #refuse(reason: string, address: Multiaddr, error?: unknown): true {
    const { metrics, log } = this.#deps
    metrics.refusals.add(1, { reason })
    const why = error === undefined ? {} : { why: reasonOf(error) }
    log.debug('connection refused', { reason, address: address.toString(), ...why })
    return true
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
