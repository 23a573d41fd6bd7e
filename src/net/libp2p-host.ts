/**
 * The host over js-libp2p. With `channel.ts` the only place that knows libp2p's connections and
 * streams; above it there are peers, protocols and frames.
 */

import type { Connection, Libp2p, NewStreamOptions, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Policy } from '../access/index.ts'
import { type Clock, Emitter, every, hasCode, type Logger, race } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { ByteMeter } from './byte-meter.ts'
import { StreamChannel } from './channel.ts'
import { listenAddresses, listenIsDefault, type NetConfig } from './config.ts'
import { ConnectionFacts } from './connection-facts.ts'
import type { Dialler } from './dialler.ts'
import type { EarlyStreamOptions } from './early-protocol.ts'
import { NetError, reasonOf } from './errors.ts'
import type { NetEvents } from './events.ts'
import type { Facility } from './facility.ts'
import type { CallOptions, Channel, ConnectionInfo, Host, Protocol } from './host.ts'
import type { NetServices } from './libp2p.ts'
import type { NetMetrics } from './metrics.ts'
import type { PeerAddresses } from './peer-addresses.ts'
import { type ListenPlan, type Probe, planListening } from './ports.ts'
import { parseAny } from './transports.ts'

export interface HostDeps {
  readonly libp2p: Libp2p<NetServices>
  readonly dialler: Dialler
  readonly addresses: PeerAddresses
  readonly meter: ByteMeter
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
  #unavailable: ListenPlan['unavailable'] = []
  #quicListens = false
  #announced = ''

  constructor(deps: HostDeps, config: NetConfig) {
    this.#deps = deps
    this.#config = config
    this.self = peerId(deps.libp2p.peerId.toString())
    this.events = new Emitter((error) =>
      deps.log.error('listener of a net event failed', { why: reasonOf(error) }),
    )
    this.#follow()
  }

  /** Whether QUIC works on this machine, and what would help if not. */
  quic(): Facility {
    const { quic } = this.#deps
    if (quic.state !== 'active' || this.#quicListens) return quic
    return { state: 'off', reason: 'no address with /quic-v1 is listened on' }
  }

  /** Whether this machine has IPv6; `off` when nobody asked to listen on it. */
  ipv6(): Facility {
    const missing = this.#unavailable.find(({ address }) => address.startsWith('/ip6/'))
    if (missing !== undefined) {
      const remedy = 'enable IPv6 on this machine, or go on with IPv4 alone'
      return { state: 'unavailable', reason: missing.reason, remedy }
    }
    const asked = listenAddresses(this.#config).some((address) => address.startsWith('/ip6/'))
    return { state: asked ? 'active' : 'off' }
  }

  async start(): Promise<void> {
    const { libp2p, clock, meter } = this.#deps
    await libp2p.start()
    await this.#listen()
    this.#announce()
    void every(clock, METER_PERIOD_MS, () => meter.refresh(), this.#stopped.signal)
  }

  async stop(): Promise<void> {
    const { libp2p, dialler, clock, log } = this.#deps
    this.#stopped.abort()
    dialler.stop()
    using deadline = clock.deadline(STOP_TIMEOUT_MS)
    try {
      await race(Promise.resolve(libp2p.stop()), deadline.signal)
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
    const { libp2p, dialler, clock } = this.#deps
    const connection = await dialler.connect(peer, signal === undefined ? {} : { signal })
    using deadline = clock.deadline(this.#config.negotiationTimeoutMs, signal)
    try {
      const { ping } = libp2p.services
      return await race(
        ping.ping(connection.remotePeer, { signal: deadline.signal }),
        deadline.signal,
      )
    } catch (cause) {
      signal?.throwIfAborted()
      throw NetError.PING_FAILED({ peer, reason: reasonOf(cause) }, cause)
    }
  }

  async open(peer: PeerId, protocol: Protocol, { signal }: CallOptions = {}): Promise<Channel> {
    const { dialler, clock } = this.#deps
    const connection = await dialler.reach(peer, signal === undefined ? {} : { signal })
    using deadline = clock.deadline(this.#config.negotiationTimeoutMs, signal)
    try {
      const spoken = await this.protocolsOf(peer)
      const options: NewStreamOptions & EarlyStreamOptions = {
        signal: deadline.signal,
        maxOutboundStreams: protocol.outboundMax,
        // Who said what it speaks, and not this, is asked before anything is sent.
        early: spoken.length === 0 || spoken.includes(protocol.id),
      }
      const stream = await connection.newStream(protocol.id, options)
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
      { maxInboundStreams: protocol.inboundMax, maxOutboundStreams: protocol.outboundMax },
    )
  }

  addressesOf(peer: PeerId): Promise<readonly string[]> {
    return this.#deps.addresses.of(peer)
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
    const { peerStore } = this.#deps.libp2p
    return (await peerStore.get(peerIdFromString(peer)).catch(() => undefined))?.protocols ?? []
  }

  async #listen(): Promise<void> {
    const { libp2p, log, probe, quic } = this.#deps
    const wanted = listenAddresses(this.#config)
    const usable = wanted.filter((text) => quic.state === 'active' || !isQuic(text))
    const plan = await planListening(usable, listenIsDefault(this.#config), probe)
    try {
      await libp2p.services.listening.listen(plan.listen.map((text) => multiaddr(text)))
    } catch (cause) {
      const address = plan.listen.join(', ')
      throw NetError.LISTEN_FAILED({ address, reason: reasonOf(cause) }, cause)
    }
    this.#unavailable = plan.unavailable
    this.#quicListens = plan.listen.some(isQuic)
    for (const { address, reason } of plan.unavailable) {
      log.warn('address left out', { address, reason })
    }
    for (const move of plan.moved) {
      log.info('default port was busy, another was taken', { ...move })
      this.events.emit('portMoved', move)
    }
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
      const { protocols } = detail
      this.events.emit('identified', { peer: peerId(detail.peerId.toString()), protocols })
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
    }
  }

  #channel(stream: Stream, peer: PeerId, protocol: Protocol): Channel {
    return new StreamChannel({ stream, peer, protocol, clock: this.#deps.clock }, this.#config)
  }

  #open(): readonly Connection[] {
    return this.#deps.libp2p.getConnections().filter(({ status }) => status === 'open')
  }
}

function notOpened(peer: PeerId, protocol: Protocol, cause: unknown): Error {
  const facts = { peer, protocol: protocol.id }
  const name = cause instanceof Error ? cause.name : ''
  if (name === 'UnsupportedProtocolError') return NetError.PROTOCOL_UNSUPPORTED(facts, cause)
  if (name === 'TooManyOutboundProtocolStreamsError') {
    return NetError.STREAMS_EXHAUSTED({ ...facts, limit: protocol.outboundMax }, cause)
  }
  const reason = hasCode(cause, 'BASE_DEADLINE') ? 'it did not answer in time' : reasonOf(cause)
  return NetError.OPEN_FAILED({ ...facts, reason }, cause)
}

function isQuic(text: string): boolean {
  return parseAny(text).transport === 'quic'
}
