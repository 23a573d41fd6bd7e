/**
 * The host over js-libp2p. With `channel.ts` the only place that knows libp2p's connections and
 * streams; above it there are peers, protocols and frames.
 */

import type { Connection, Libp2p, NewStreamOptions, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Policy } from '../access/index.ts'
import { type Clock, Emitter, every, type Logger, race } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { ByteMeter } from './byte-meter.ts'
import { StreamChannel } from './channel.ts'
import type { NetConfig } from './config.ts'
import { ConnectionFacts } from './connection-facts.ts'
import type { Dialler } from './dialler.ts'
import type { EarlyStreamOptions } from './early-protocol.ts'
import { NetError, reasonOf } from './errors.ts'
import type { NetEvents } from './events.ts'
import type { Facility } from './facility.ts'
import type { CallOptions, Channel, ConnectionInfo, Host, Protocol } from './host.ts'
import type { NetServices } from './libp2p.ts'
import { Listening } from './listening.ts'
import type { NetMetrics } from './metrics.ts'
import { notOpened } from './not-opened.ts'
import { type Live, overLive, pingOver } from './over-live.ts'
import { type PeerAddresses, protocolsOf } from './peer-addresses.ts'
import type { Probe } from './ports.ts'
import type { Reach, ReachReport } from './reach.ts'
import { holdOf } from './resource-stream.ts'
import type { Resources } from './resources.ts'

export interface HostDeps {
  readonly libp2p: Libp2p<NetServices>
  readonly dialler: Dialler
  readonly addresses: PeerAddresses
  readonly reach: Reach
  readonly meter: Pick<ByteMeter, 'refresh'>
  readonly resources: Resources
  readonly quic: Facility
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: NetMetrics
  readonly probe: Probe
}

const STOP_TIMEOUT_MS = 2_500
const METER_PERIOD_MS = 1_000

export class Libp2pHost implements Host {
  readonly name = 'net'
  readonly self: PeerId
  readonly events: Emitter<NetEvents>
  readonly #deps: HostDeps
  readonly #config: NetConfig
  readonly #facts = new ConnectionFacts()
  readonly #stopped = new AbortController()
  readonly #listening: Listening
  #announced = ''

  constructor(deps: HostDeps, config: NetConfig) {
    this.#deps = deps
    this.#config = config
    this.self = peerId(deps.libp2p.peerId.toString())
    const listener = deps.libp2p.services.listening
    this.#listening = new Listening({ ...deps, listener }, config)
    this.events = new Emitter((error) =>
      deps.log.error('listener of a net event failed', { why: reasonOf(error) }),
    )
    this.#follow()
  }

  /** What is in use, and how much may be. */
  get resources(): Pick<Resources, 'report' | 'ailment' | 'keep'> {
    return this.#deps.resources
  }

  /** Whether QUIC works on this machine, and what would help if not. */
  quic(): Facility {
    return this.#listening.quic()
  }

  /** Whether this machine has IPv6; `off` when nobody asked to listen on it. */
  ipv6(): Facility {
    return this.#listening.ipv6()
  }

  /** How others see this node, whether they reach it, through whom, and what was tried. */
  reachability(): ReachReport {
    return this.#deps.reach.report()
  }

  /** What is listened on, of every interface, whatever others are told. */
  listening(): readonly string[] {
    return this.#deps.libp2p.services.listening.addresses()
  }

  /** Where to look for relays, what routers map to us, and that our addresses have changed. */
  get reach(): Pick<Reach, 'findRelaysWith' | 'mapped' | 'moved' | 'wantRelays' | 'showPorts'> {
    return this.#deps.reach
  }

  async start(): Promise<void> {
    const { libp2p, reach, clock, meter, resources } = this.#deps
    await libp2p.start()
    for (const move of await this.#listening.begin()) this.events.emit('portMoved', move)
    await reach.start((event, payload) => this.events.emit(event, payload))
    this.#announce()
    const look = () => {
      meter.refresh()
      resources.look()
    }
    void every(clock, METER_PERIOD_MS, look, this.#stopped.signal)
  }

  async stop(): Promise<void> {
    const { libp2p, dialler, reach, resources, clock, log } = this.#deps
    this.#stopped.abort()
    resources.stop()
    dialler.stop()
    using deadline = clock.deadline(STOP_TIMEOUT_MS)
    try {
      await race(Promise.all([reach.stop(), libp2p.stop()]), deadline.signal)
    } catch (error) {
      log.error('libp2p did not stop cleanly', { why: reasonOf(error) })
    }
  }

  addresses(): readonly string[] {
    return this.#deps.libp2p.getMultiaddrs().map(String)
  }

  connections(): readonly ConnectionInfo[] {
    return this.#open().map((connection) => this.#facts.of(connection))
  }

  async connect(target: PeerId | string, options: CallOptions = {}): Promise<PeerId> {
    const connection = await this.#deps.dialler.connect(target, options)
    return peerId(connection.remotePeer.toString())
  }

  async disconnect(peer: PeerId): Promise<void> {
    const { libp2p, clock } = this.#deps
    using deadline = clock.deadline(this.#config.closeTimeoutMs)
    await libp2p.hangUp(peerIdFromString(peer), { signal: deadline.signal })
  }

  async ping(peer: PeerId, { signal }: CallOptions = {}): Promise<number> {
    const { dialler, clock } = this.#deps
    const connection = await dialler.connect(peer, signal === undefined ? {} : { signal })
    try {
      return await overLive(connection, this.#live(peer, signal), (one, until) =>
        pingOver(one, clock, until),
      )
    } catch (cause) {
      signal?.throwIfAborted()
      throw NetError.PING_FAILED({ peer, reason: reasonOf(cause) }, cause)
    }
  }

  async open(peer: PeerId, protocol: Protocol, { signal }: CallOptions = {}): Promise<Channel> {
    const { dialler } = this.#deps
    const connection = await dialler.reach(peer, signal === undefined ? {} : { signal })
    try {
      const spoken = await this.protocolsOf(peer)
      const options: NewStreamOptions & EarlyStreamOptions = {
        maxOutboundStreams: protocol.outboundMax,
        runOnLimitedConnection: protocol.overRelay ?? true,
        // Who said what it speaks, and not this, is asked before anything is sent.
        early: spoken.length === 0 || spoken.includes(protocol.id),
      }
      const stream = await overLive(connection, this.#live(peer, signal), (one, until) =>
        one.newStream(protocol.id, { ...options, signal: until }),
      )
      return this.#channel(stream, peer, protocol)
    } catch (cause) {
      signal?.throwIfAborted()
      throw notOpened(peer, protocol, cause)
    }
  }

  async handle(protocol: Protocol, serve: (channel: Channel) => Promise<void>): Promise<void> {
    await this.#deps.libp2p.handle(
      protocol.id,
      (stream, connection) => void this.#serve(stream, connection, protocol, serve),
      {
        maxInboundStreams: protocol.inboundMax,
        maxOutboundStreams: protocol.outboundMax,
        runOnLimitedConnection: protocol.overRelay ?? true,
      },
    )
  }

  addressesOf(peer: PeerId): Promise<readonly string[]> {
    return this.#deps.addresses.of(peer)
  }

  isBehindRelay(peer: PeerId): boolean {
    return this.#deps.addresses.isBehindRelay(peer)
  }

  async learn(
    peer: PeerId,
    addresses: readonly string[],
    source: PeerId,
    metAt?: string,
  ): Promise<void> {
    this.#deps.addresses.learn(peer, addresses, source, metAt)
  }

  async protocolsOf(peer: PeerId): Promise<readonly string[]> {
    return protocolsOf(this.#deps.libp2p, peer)
  }

  #follow(): void {
    const { libp2p, dialler } = this.#deps
    libp2p.addEventListener('peer:connect', ({ detail }) => {
      const peer = peerId(detail.toString())
      dialler.connected(peer)
      this.events.emit('connected', { peer })
    })
    libp2p.addEventListener('peer:disconnect', ({ detail }) => {
      this.events.emit('disconnected', { peer: peerId(detail.toString()) })
    })
    libp2p.addEventListener('peer:identify', ({ detail }) => {
      const { protocols, listenAddrs } = detail
      const peer = peerId(detail.peerId.toString())
      this.#deps.addresses.identified(peer, listenAddrs.map(String))
      this.events.emit('identified', { peer, protocols })
    })
    libp2p.addEventListener('self:peer:update', () => this.#announce())
    for (const event of ['connection:open', 'connection:close'] as const) {
      libp2p.addEventListener(event, () => queueMicrotask(() => this.#gauge()))
    }
  }

  #announce(): void {
    const addresses = this.addresses()
    const announced = addresses.join(' ')
    if (announced === this.#announced) return
    this.#announced = announced
    this.events.emit('addresses', { addresses })
  }

  #gauge(): void {
    const { metrics } = this.#deps
    const open = this.#open().map((connection) => this.#facts.fixed(connection))
    metrics.peersConnected.set(new Set(open.map(({ peer }) => peer)).size)
    for (const transport of ['quic', 'tcp', 'memory', 'relay', 'other']) {
      const count = open.filter((one) => one.transport === transport).length
      metrics.connections.set(count, { transport })
    }
  }

  async #serve(
    stream: Stream,
    connection: Connection,
    protocol: Protocol,
    serve: (channel: Channel) => Promise<void>,
  ): Promise<void> {
    const facts = { peer: peerId(connection.remotePeer.toString()), protocol: protocol.id }
    const fail = (error: unknown): Error => {
      const reason = reasonOf(error)
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      this.#deps.log.warn('inbound channel failed', { ...facts, code, reason })
      return error instanceof Error ? error : NetError.CHANNEL_BROKEN({ ...facts, reason })
    }
    try {
      this.#deps.policy.admit(facts.peer, 'stream')
    } catch (error) {
      stream.abort(fail(error))
      return
    }
    const channel = this.#channel(stream, facts.peer, protocol)
    try {
      await serve(channel)
      await channel.close()
    } catch (error) {
      channel.abort(fail(error))
    } finally {
      holdOf(stream)?.release()
    }
  }

  #channel(stream: Stream, peer: PeerId, protocol: Protocol): Channel {
    return new StreamChannel({ stream, peer, protocol, clock: this.#deps.clock }, this.#config)
  }

  #live(peer: PeerId, signal: AbortSignal | undefined): Live {
    const { clock, addresses } = this.#deps
    const timeoutMs = this.#config.negotiationTimeoutMs
    return { clock, timeoutMs, signal, connections: () => addresses.connectionsOf(peer) }
  }

  #open(): readonly Connection[] {
    return this.#deps.libp2p.getConnections().filter(({ status }) => status === 'open')
  }
}
