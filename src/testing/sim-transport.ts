/**
 * The simulated network as a libp2p transport. It speaks TCP multiaddrs, so that everything that
 * is decided by address (what is diallable, how far it reaches, whose network it is in) is decided
 * as outside. Muxer, streams and protocols above it are libp2p's own.
 */

import { setMaxListeners } from 'node:events'
import {
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type ListenerEvents,
  type Logger,
  type PeerId,
  serviceCapabilities,
  type Transport,
  TypedEventEmitter,
  transportSymbol,
  type Upgrader,
} from '@libp2p/interface'
import { AbstractMultiaddrConnection, type SendResult } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { parseMultiaddr, type TransportFactory, type UdpEndpoint } from '../net/index.ts'
import { TestingError } from './errors.ts'
import { dialHost } from './sim-dial.ts'
import type { SimHost, SimNetwork } from './sim-network.ts'
import type { Chunk, SimSocket } from './sim-socket.ts'

/** What a transport takes of libp2p's components. */
interface Components {
  readonly peerId: PeerId
  readonly logger: ComponentLogger
}

/** A factory as libp2p wants it; the node it makes a transport for lives on `host`. */
export function simTransport(network: SimNetwork, host: SimHost): TransportFactory {
  return (components) => new SimTransport(network, host, components)
}

type Bytes = Parameters<AbstractMultiaddrConnection['sendData']>[0]

class SimTransport implements Transport {
  readonly [Symbol.toStringTag] = 'sim'
  readonly [transportSymbol] = true
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']
  readonly #network: SimNetwork
  readonly #host: SimHost
  readonly #components: Components

  constructor(network: SimNetwork, host: SimHost, components: Components) {
    this.#network = network
    this.#host = host
    this.#components = components
  }

  async dial(target: Multiaddr, { signal, upgrader }: DialTransportOptions): Promise<Connection> {
    signal.throwIfAborted()
    const { peerId: identity, logger } = this.#components
    const { endpoint, peer } = partsOf(target)
    const socket = await dialHost(this.#network, this.#host, endpoint, { signal, identity })
    const remotePeer = socket.remoteIdentity as PeerId
    const log = logger.forComponent('libp2p:sim')
    const connection = new SimConnection({ socket, remoteAddr: target, direction: 'outbound', log })
    try {
      if (peer !== undefined && remotePeer.toString() !== peer) {
        const reason = `peer ${remotePeer.toString()} answered there`
        throw TestingError.UNREACHABLE({ address: target.toString(), reason })
      }
      return await upgrader.upgradeOutbound(connection, {
        ...secured(upgrader, remotePeer),
        signal,
      })
    } catch (error) {
      connection.abort(error instanceof Error ? error : new TypeError(String(error)))
      throw error
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    return new SimListener(this.#host, this.#components, upgrader)
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((one) => /^\/ip4\/[^/]+\/tcp\/\d+(\/p2p\/[^/]+)?$/.test(one.toString()))
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses)
  }
}

class SimListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #host: SimHost
  readonly #components: Components
  readonly #upgrader: Upgrader
  readonly #closed = new AbortController()
  #address: Multiaddr | undefined
  #port = 0

  constructor(host: SimHost, components: Components, upgrader: Upgrader) {
    super()
    this.#host = host
    this.#components = components
    this.#upgrader = upgrader
    setMaxListeners(0, this.#closed.signal)
  }

  async listen(address: Multiaddr): Promise<void> {
    const { port } = partsOf(address).endpoint
    if (this.#host.listeners.has(port)) {
      throw TestingError.ADDRESS_TAKEN({ address: address.toString() })
    }
    this.#port = port
    this.#address = multiaddr(`/ip4/${this.#host.ip}/tcp/${port}`)
    this.#host.listeners.set(port, {
      identity: this.#components.peerId,
      accept: (socket) => void this.#accept(socket),
    })
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    return this.#address === undefined ? [] : [this.#address]
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    if (this.#address === undefined) return
    this.#address = undefined
    this.#host.listeners.delete(this.#port)
    this.#closed.abort(TestingError.STREAM_BROKEN({ reason: 'the listener is closed' }))
    this.safeDispatchEvent('close')
  }

  async #accept(socket: SimSocket): Promise<void> {
    const log = this.#components.logger.forComponent('libp2p:sim')
    const remoteAddr = multiaddr(`/ip4/${socket.remoteIp}/tcp/${socket.remotePort}`)
    const connection = new SimConnection({ socket, remoteAddr, direction: 'inbound', log })
    try {
      const { signal } = this.#closed
      const upgrade = secured(this.#upgrader, socket.remoteIdentity as PeerId)
      await this.#upgrader.upgradeInbound(connection, { ...upgrade, signal })
    } catch (error) {
      connection.abort(error instanceof Error ? error : new TypeError(String(error)))
    }
  }
}

/** One end of a simulated stream as libp2p's upgrader takes it. */
class SimConnection extends AbstractMultiaddrConnection {
  readonly #socket: SimSocket

  constructor(init: {
    readonly socket: SimSocket
    readonly remoteAddr: Multiaddr
    readonly direction: 'inbound' | 'outbound'
    readonly log: Logger
  }) {
    super(init)
    this.#socket = init.socket
    this.#socket.listen({
      data: (chunks) => this.onData(joined(chunks)),
      ended: (error) => {
        if (error === undefined) this.onTransportClosed()
        else this.onRemoteReset()
      },
      drained: () => this.safeDispatchEvent('drain'),
    })
  }

  sendData(data: Bytes): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#socket.write(data) }
  }

  async sendClose(): Promise<void> {
    this.#socket.end()
  }

  sendReset(): void {
    this.#socket.reset()
  }

  sendPause(): void {
    this.#socket.pause()
  }

  sendResume(): void {
    this.#socket.resume()
  }
}

/** What the simulated handshake has settled: who is there, and that yamux follows. */
function secured(upgrader: Upgrader, remotePeer: PeerId) {
  const [muxerFactory] = upgrader.getStreamMuxers().values()
  if (muxerFactory === undefined) throw TestingError.NOT_SIMULATED({ what: 'a node without muxer' })
  return { skipEncryption: true, skipProtection: true, remotePeer, muxerFactory } as const
}

/** What left in one moment, as one message: whoever sent the lists has no more use for them. */
function joined(chunks: readonly Chunk[]): Bytes {
  const [first, ...others] = chunks as readonly unknown[] as readonly [Bytes, ...Bytes[]]
  for (const other of others) first.append(other)
  return first
}

function partsOf(address: Multiaddr): { endpoint: UdpEndpoint; peer: string | undefined } {
  const { host, port = 0, peer } = parseMultiaddr(address.toString())
  return { endpoint: { host: host?.value ?? '', port }, peer }
}
