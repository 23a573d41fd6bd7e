/**
 * Being reached: the parts that find out whether others reach us, and those that help when they do
 * not, put together. What one of them learns, the others act upon here.
 */

import type { Connection, Libp2p, PrivateKey } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Policy } from '../access/index.ts'
import type { Clock, Logger, Random } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import { Autonat } from './autonat.ts'
import type { NetConfig } from './config.ts'
import { reasonOf } from './errors.ts'
import type { NetEvents } from './events.ts'
import { HolePunch } from './holepunch.ts'
import type { CallOptions } from './host.ts'
import { leaveRelay } from './leave-relay.ts'
import type { NetServices } from './libp2p.ts'
import type { NetMetrics } from './metrics.ts'
import { announceAgain } from './own-addresses.ts'
import { addressOfConnection, isRelayed, notePath, type Path, pathOf } from './paths.ts'
import { PortSightings } from './port-sightings.ts'
import type { PunchAttempt } from './punch-attempts.ts'
import type { Punching } from './punching.ts'
import { Reachability } from './reachability.ts'
import type { ReachabilityReport } from './reachability-report.ts'
import { type FindRelays, RelayClient, type RelayState } from './relay-client.ts'
import { RelayServer } from './relay-server.ts'
import { reaches } from './transports.ts'

export interface ReachDeps {
  readonly libp2p: Libp2p<NetServices>
  readonly self: PeerId
  readonly key: PrivateKey
  readonly policy: Policy
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Pick<NetMetrics, 'relayed' | 'relayRefusals' | 'punches'>
  readonly punching: Punching
  readonly scope: Scope
  connect(target: string, options: CallOptions): Promise<Connection>
  addressesOf(peer: PeerId): Promise<readonly string[]>
  protocolsOf(peer: PeerId): Promise<readonly string[]>
  isBehindRelay(peer: PeerId): boolean
}

/** What is known of how this node is reached, as `p2p status --json` shows it. */
export interface ReachReport extends ReachabilityReport {
  readonly relays: readonly RelayState[]
  readonly relaying: { readonly serving: boolean } & ReturnType<RelayServer['usage']>
  readonly punching: {
    readonly hub: Punching['tcp']['facility'] & { readonly inUse: boolean }
    readonly tcp: Punching['tcp']['facility']
  }
  /** The last tries to leave a relay, the newest last. */
  readonly attempts: readonly PunchAttempt[]
}

type Emit = <K extends 'reachability' | 'improved'>(event: K, payload: NetEvents[K]) => void

export class Reach {
  readonly #deps: ReachDeps
  readonly #config: NetConfig
  readonly #client: RelayClient
  readonly #server: RelayServer
  readonly #autonat: Autonat
  readonly #reachability: Reachability
  readonly #sightings: PortSightings
  readonly #punch: HolePunch
  readonly #stopped = new AbortController()
  #emit: Emit = () => undefined
  #verdict = ''
  #isStarted = false
  #wantsRelays = false

  constructor(deps: ReachDeps, config: NetConfig) {
    this.#deps = deps
    this.#config = config
    const { libp2p, scope, punching } = deps
    const dial = (to: Multiaddr, options: { readonly signal: AbortSignal }) => {
      return libp2p.services.dialling.dial(to, options)
    }
    const parts = { ...deps, dial }
    this.#client = new RelayClient({ ...parts, changed: () => this.#announce() }, config)
    this.#server = new RelayServer(
      { ...parts, addresses: () => libp2p.getMultiaddrs().map(String) },
      config,
    )
    const dialsFromListenPort = (transport: string) => {
      return transport === 'quic' && punching.hub?.active === true
    }
    this.#autonat = new Autonat({ ...parts, scope: () => scope, dialsFromListenPort }, config)
    this.#sightings = new PortSightings(parts)
    this.#reachability = new Reachability(
      {
        ...parts,
        autonat: this.#autonat,
        listening: () => libp2p.services.listening.addresses(),
        connections: () => libp2p.getConnections(),
        isFromListenPort: (connection) => this.#sightings.has(connection),
        changed: (report) => this.#changed(report),
      },
      config,
    )
    const improved = (peer: PeerId, path: Path) => this.#improved(peer, path)
    const punchable = () => this.#reachability.punchable()
    this.#punch = new HolePunch({ ...parts, punchable, improved })
    libp2p.addEventListener('peer:identify', ({ detail }) => {
      if (!this.#isStarted) return
      this.#reachability.identified(detail)
      this.#notePath(detail.connection)
    })
  }

  /** After libp2p listens. `emit` tells the rest of the node. */
  async start(emit: Emit): Promise<void> {
    this.#emit = emit
    this.#isStarted = true
    const { autonat, holePunching, relayServer } = this.#config
    if (autonat) await this.#autonat.start()
    if (holePunching) await this.#punch.start()
    if (relayServer === 'always') await this.#server.serve(true)
    this.#client.start()
    this.#reachability.start()
    this.#announce()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all([this.#client.stop(), this.#reachability.stop(), this.#punch.stop()])
  }

  report(): ReachReport {
    const { hub, tcp } = this.#deps.punching
    const none = { state: 'unavailable', reason: 'QUIC is not available' } as const
    return {
      ...this.#reachability.report(),
      relays: this.#client.states(),
      relaying: { serving: this.#server.serving, ...this.#server.usage() },
      punching: {
        hub: { ...(hub?.facility ?? none), inUse: hub?.active === true },
        tcp: tcp.facility,
      },
      attempts: this.#punch.attempts(),
    }
  }

  /** Addresses to announce beyond those that libp2p knows to be fine. */
  extra(): readonly string[] {
    const relayed = this.#client.states().flatMap(({ addresses }) => addresses)
    return [...this.#reachability.announced(), ...relayed]
  }

  /** Ways through relays of ours to a peer of which no other is known. */
  lastResorts(): readonly string[] {
    return this.#client.states().map(({ relay }) => `/p2p/${relay}/p2p-circuit`)
  }

  isOurRelay(peer: PeerId): boolean {
    return this.#client.isRelay(peer)
  }

  /** Where to look for relays when those that are known do not suffice. */
  findRelaysWith(find: FindRelays): void {
    this.#client.findWith(find)
  }

  /** Keeps relays whatever the verdict is, as a test does; or leaves it to the verdict again. */
  wantRelays(wanted: boolean): void {
    this.#wantsRelays = wanted
    this.#client.want(wanted)
  }

  /** Lets others see the ports that we listen on, as a node behind a NAT does by itself. */
  showPorts(): Promise<void> {
    return this.#sightings.show(this.#stopped.signal)
  }

  /** What routers forward to us now. */
  mapped(addresses: readonly string[]): void {
    this.#reachability.mapped(addresses)
  }

  /** The addresses of this machine have changed. */
  moved(): void {
    this.#reachability.forget()
  }

  #changed({ verdict, reason, nat }: ReachabilityReport): void {
    const { relayClient, relayServer, holePunching } = this.#config
    if (!this.#isStarted) return
    // Where nothing is known any more, as after a move, what leads to us is kept.
    const isHidden = verdict === 'private' || (verdict === 'unknown' && this.#client.wanted)
    this.#client.want(this.#wantsRelays || (relayClient && isHidden))
    const serves = relayServer === 'always' || (relayServer === 'auto' && verdict === 'public')
    this.#server.serve(serves).catch((error: unknown) => {
      this.#deps.log.error('relaying not switched', { why: reasonOf(error) })
    })
    // A firewall that lets in only answers is opened as a NAT is.
    const isShut = nat.found === true || verdict === 'private'
    if (holePunching && isShut) void this.#sightings.show(this.#stopped.signal)
    this.#announce()
    if (verdict === this.#verdict) return
    this.#verdict = verdict
    this.#deps.log.info('reachability', { verdict, reason })
    this.#emit('reachability', { verdict, reason })
  }

  /** Between two whom nobody reaches without a relay, only a punched hole leads. */
  #notePath(connection: Connection): void {
    const peer = peerId(connection.remotePeer.toString())
    if (isRelayed(connection) || pathOf(connection) !== 'direct') return
    const isHidden = this.#reachability.report().verdict === 'private'
    if (!isHidden || !this.#deps.isBehindRelay(peer)) return
    if (reaches(addressOfConnection(connection), this.#deps.scope)) notePath(connection, 'punched')
  }

  #announce(): void {
    if (!this.#isStarted || this.#stopped.signal.aborted) return
    announceAgain(this.#deps.libp2p).catch((error: unknown) => {
      this.#deps.log.debug('addresses not announced', { why: reasonOf(error) })
    })
  }

  #improved(peer: PeerId, path: Path): void {
    const { libp2p, clock, log } = this.#deps
    log.info('a relay is no longer needed', { peer, path })
    this.#emit('improved', { peer, path })
    leaveRelay(libp2p, peer, { clock, signal: this.#stopped.signal }).catch(() => undefined)
  }
}
