/**
 * The resource manager, in the shape of go-libp2p's: how many connections and streams there may
 * be, and how much memory may wait in them, for the node, for what is not proven yet, and for each
 * peer, protocol, connection and stream. Sans I/O; `resource-hooks.ts` asks it.
 *
 * How many connections come from one network is counted in `limits.ts`, before a peer is proven.
 * When all places are taken, a proven newcomer gets that of a connection whose network has more
 * than its own (`crowd.ts`): an attacker with few addresses displaces itself.
 */

import type { PeerId } from '../identity/index.ts'
import type { NetConfig } from './config.ts'
import { type Crowded, victimOf } from './crowd.ts'
import { ConnectionAccount, change, type Direction, type Ledger } from './resource-accounts.ts'
import { Scope, type ScopeLimits, type ScopeReport, type Shortage } from './resource-scopes.ts'

export type ResourceLimits = Pick<
  NetConfig,
  | 'connectionsMax'
  | 'connectionsPerPeerMax'
  | 'connectionMemoryBytes'
  | 'dialsMax'
  | 'memoryMaxMb'
  | 'peerMemoryBytes'
  | 'pendingMax'
  | 'streamsPerConnectionMax'
>

export interface ResourceManagerDeps {
  /** Whether a peer is one of ours: never turned away for others, nor displaced by them. */
  readonly isOwn?: (peer: PeerId) => boolean
  readonly refused?: (shortage: Shortage) => void
  /** A connection was closed for another. */
  readonly displaced?: () => void
}

/** What the manager is told of a connection so that it can be displaced. */
export interface Seat {
  readonly host: string | undefined
  /** Since when nothing was done over it, in milliseconds; undefined while something is. */
  idleSinceMs(): number | undefined
  cut(): void
}

/** What `/debug/peers` shows. */
export interface ResourceReport {
  readonly system: ScopeReport
  readonly transient: ScopeReport
  readonly peers: readonly ScopeReport[]
  readonly protocols: readonly ScopeReport[]
  /** How many peers there are besides those named. */
  readonly peersLeftOut: number
}

const MIB = 1_024 * 1_024
/** What may wait in all when no budget is set. */
const MEMORY_BYTES = 512 * MIB
const STREAMS_MAX = 16_384
const PROTOCOLS_MAX = 256
const PEERS_NAMED_MAX = 256

export class ResourceManager implements Ledger {
  readonly system: Scope
  readonly transient: Scope
  readonly #config: ResourceLimits
  readonly #deps: ResourceManagerDeps
  readonly #peers = new Map<PeerId, Scope>()
  readonly #protocols = new Map<string, Scope>()
  readonly #seats = new Map<ConnectionAccount, Seat>()
  /** Connections whose peer is proven, in all and inbound by host. */
  #proven = 0
  readonly #provenOf = new Map<string | undefined, number>()
  /** New work is refused while the process has more memory than it may. */
  #pressure: { readonly usedMb: number } | undefined

  constructor(config: ResourceLimits, deps: ResourceManagerDeps = {}) {
    this.#config = config
    this.#deps = deps
    this.system = new Scope('system', '', systemLimits(config))
    this.transient = new Scope('transient', '', transientLimits(config))
  }

  get connectionBytesMax(): number {
    return this.#config.connectionMemoryBytes
  }

  /** Set while the process is over `max_memory_mb`. */
  get pressure(): { readonly usedMb: number } | undefined {
    return this.#pressure
  }

  press(usedMb: number | undefined): void {
    this.#pressure = usedMb === undefined ? undefined : { usedMb }
  }

  isOwn(peer: PeerId | undefined): boolean {
    return peer !== undefined && this.#deps.isOwn?.(peer) === true
  }

  /** A connection that begins; whoever gets an account closes it. */
  openConnection(direction: Direction, seat: Seat): ConnectionAccount | Shortage {
    const account = ConnectionAccount.open(this, direction)
    if (account instanceof ConnectionAccount) this.#seats.set(account, seat)
    return account
  }

  /** The peer is proven. A newcomer for whom there is no place may get that of another. */
  prove(account: ConnectionAccount, peer: PeerId): Shortage | undefined {
    const own = this.isOwn(peer)
    const shortage = own ? undefined : this.#noPlaceFor(account)
    if (shortage !== undefined) {
      this.refused(shortage)
      return shortage
    }
    const over = account.prove(peer)
    if (over === undefined && account.peer !== undefined) this.#countProven(account, 1)
    return over
  }

  /** Whether somebody from `host` could have a place, before it is known who it is. */
  hasPlaceFor(host: string | undefined): boolean {
    if (this.#proven < this.#config.connectionsMax) return true
    const mine = this.#provenOf.get(host) ?? 0
    for (const count of this.#provenOf.values()) if (count > mine + 1) return true
    return false
  }

  peer(peer: PeerId): Scope {
    const known = this.#peers.get(peer)
    if (known !== undefined) return known
    const made = new Scope('peer', peer, this.#peerLimits())
    this.#peers.set(peer, made)
    return made
  }

  /** Names come from our own handlers, so there are few; more than that share one scope. */
  protocol(id: string): Scope {
    const known = this.#protocols.get(id)
    if (known !== undefined) return known
    const name = this.#protocols.size < PROTOCOLS_MAX ? id : 'others'
    const made = this.#protocols.get(name) ?? new Scope('protocol', name, this.#protocolLimits())
    this.#protocols.set(name, made)
    return made
  }

  refusesStreams(peer: PeerId | undefined): Shortage | undefined {
    return this.isOwn(peer) ? undefined : this.overMemory()
  }

  /** Why nothing new is begun now, as one of the shortages. */
  overMemory(): Shortage | undefined {
    if (this.#pressure === undefined) return undefined
    const limit = this.#config.memoryMaxMb * MIB
    const used = this.#pressure.usedMb * MIB
    return { scope: 'system', resource: 'memoryBytes', used, limit }
  }

  /**
   * Counts what is kept for a peer beyond its connections, or less where `bytes` is negative;
   * false, and nothing is counted, where it is too much.
   */
  keep(peer: PeerId, bytes: number): boolean {
    const shortage = change([this.peer(peer), this.system], bytes)
    if (shortage !== undefined) this.refused(shortage)
    this.#forgetIdle(peer)
    return shortage === undefined
  }

  refused(shortage: Shortage): void {
    this.#deps.refused?.(shortage)
  }

  closed(account: ConnectionAccount): void {
    const { peer } = account
    if (peer !== undefined) this.#countProven(account, -1)
    this.#seats.delete(account)
    if (peer !== undefined) this.#forgetIdle(peer)
  }

  /** Cuts up to `count` connections on which nothing is done, those idle longest first. */
  shed(count: number): number {
    const idle = [...this.#seats]
      .filter(([{ peer }]) => peer !== undefined && !this.isOwn(peer))
      .map(([, seat]) => ({ seat, sinceMs: seat.idleSinceMs() }))
      .filter(({ sinceMs }) => sinceMs !== undefined)
      .sort((a, b) => (a.sinceMs ?? 0) - (b.sinceMs ?? 0))
      .slice(0, count)
    for (const { seat } of idle) seat.cut()
    return idle.length
  }

  report(): ResourceReport {
    const peers = [...this.#peers.values()].sort(byMemory)
    return {
      system: this.system.report(),
      transient: this.transient.report(),
      peers: peers.slice(0, PEERS_NAMED_MAX).map((scope) => scope.report()),
      protocols: [...this.#protocols.values()].map((scope) => scope.report()),
      peersLeftOut: Math.max(0, peers.length - PEERS_NAMED_MAX),
    }
  }

  /** Places are those of proven connections; the pending ones are bounded by `limits.ts`. */
  #noPlaceFor(account: ConnectionAccount): Shortage | undefined {
    const limit = this.#config.connectionsMax
    if (this.#proven < limit) return undefined
    const others = [...this.#seats]
      .filter(([{ peer, direction }]) => {
        return peer !== undefined && direction === 'inbound' && !this.isOwn(peer)
      })
      .map(([{ streams }, seat]): Crowded => {
        return { host: seat.host, idleSinceMs: seat.idleSinceMs(), streams: streams.size, seat }
      })
    // Whom we dial ourselves nobody can choose for us, so it goes before whoever came by itself.
    const newcomer = account.direction === 'outbound' ? 'ours' : this.#seats.get(account)?.host
    const victim = victimOf(others, newcomer)
    if (victim === undefined) {
      return { scope: 'system', resource: 'connections', used: this.#proven, limit }
    }
    victim.seat.cut()
    this.#deps.displaced?.()
    return undefined
  }

  #forgetIdle(peer: PeerId): void {
    if (this.#peers.get(peer)?.isIdle === true) this.#peers.delete(peer)
  }

  #countProven(account: ConnectionAccount, change: 1 | -1): void {
    this.#proven += change
    if (account.direction === 'outbound') return
    const host = this.#seats.get(account)?.host
    const now = (this.#provenOf.get(host) ?? 0) + change
    if (now > 0) this.#provenOf.set(host, now)
    else this.#provenOf.delete(host)
  }

  #peerLimits(): ScopeLimits {
    const config = this.#config
    return {
      // Inbound ones are counted by the gater, which knows of those that are closing.
      get memoryBytes() {
        return config.peerMemoryBytes
      },
      get streams() {
        return 4 * config.streamsPerConnectionMax
      },
      get connections() {
        return 2 * config.connectionsPerPeerMax
      },
    }
  }

  #protocolLimits(): ScopeLimits {
    const config = this.#config
    return {
      get memoryBytes() {
        return memoryBytesOf(config) / 2
      },
      streams: STREAMS_MAX / 2,
    }
  }
}

/** What may wait in all: half of the budget of the process, or what is set here. */
function memoryBytesOf({ memoryMaxMb }: ResourceLimits): number {
  return memoryMaxMb === 0 ? MEMORY_BYTES : (memoryMaxMb * MIB) / 2
}

function systemLimits(config: ResourceLimits): ScopeLimits {
  return {
    get connections() {
      return config.connectionsMax + config.pendingMax + config.dialsMax
    },
    get memoryBytes() {
      return memoryBytesOf(config)
    },
    streams: STREAMS_MAX,
  }
}

/** What anybody can make before we know who it is: a quarter of the memory, no more. */
function transientLimits(config: ResourceLimits): ScopeLimits {
  return {
    get connections() {
      return 2 * config.pendingMax + 8 * config.dialsMax
    },
    get memoryBytes() {
      return memoryBytesOf(config) / 4
    },
    streams: STREAMS_MAX / 4,
  }
}

function byMemory(a: Scope, b: Scope): number {
  return b.used('memoryBytes') - a.used('memoryBytes')
}
