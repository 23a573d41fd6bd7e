/**
 * QUIC as a libp2p transport, over the addon's native classes: the wire is theirs, so that any
 * libp2p peer is understood; how many handshakes run at once, which sockets dials share, and how
 * bytes cross between QUIC and this process is decided here and in the files beside.
 */

import {
  type ComponentLogger,
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type PrivateKey,
  type Startable,
  serviceCapabilities,
  type Transport,
  transportSymbol,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Clock, race } from '../base/index.ts'
import { NetError, reasonOf } from './errors.ts'
import { FAMILY, type NativeClient, type NativeSettings, type QuicAddon } from './quic-addon.ts'
import { QuicConnection, quicUpgrade } from './quic-connection.ts'
import type { QuicHub } from './quic-hub.ts'
import { QuicListener, type QuicListenerConfig } from './quic-listener.ts'
import { type Address, parseAny } from './transports.ts'

export interface QuicTransportDeps {
  readonly addon: QuicAddon
  readonly settings: NativeSettings
  readonly clock: Clock
  readonly logger: ComponentLogger
  readonly hub: QuicHub
}

/** The socket that a dial leaves from: of its version of IP, or the one that the hub knows. */
type Source = keyof typeof FAMILY | 'hub'

export class QuicTransport implements Transport, Startable {
  readonly [Symbol.toStringTag] = 'quic'
  readonly [transportSymbol] = true
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']
  readonly #deps: QuicTransportDeps
  readonly #config: QuicListenerConfig
  /** Bound at the first dial from them. */
  readonly #clients = new Map<Source, NativeClient>()

  constructor(deps: QuicTransportDeps, config: QuicListenerConfig) {
    this.#deps = deps
    this.#config = config
  }

  start(): void {}

  stop(): void {
    for (const client of this.#clients.values()) client.abort()
    this.#clients.clear()
  }

  async dial(target: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    options.signal.throwIfAborted()
    const address = parseAny(target.toString())
    const connection = await this.#connect(address, options.signal)
    try {
      if (address.peer !== undefined && address.peer !== connection.remotePeer.toString()) {
        const reason = `peer ${connection.remotePeer.toString()} answered there`
        throw NetError.CONNECTION_DROPPED({ reason })
      }
      const upgrade = quicUpgrade(connection, this.#config.streamsMax)
      const { upgrader, signal } = options
      return await upgrader.upgradeOutbound(connection, { ...upgrade, signal })
    } catch (error) {
      connection.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
      throw error
    }
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    const { addon, settings, clock, logger, hub } = this.#deps
    const listen = (ip: string, port: number) => new addon.Server(settings, ip, port)
    const bind = (ip: string, port: number) => hub.bind({ host: ip, port }, listen)
    const listener = new QuicListener({ bind, upgrader, clock, logger }, this.#config)
    hub.follow(listener)
    return listener
  }

  listenFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((one) => isOurs(parseAny(one.toString())))
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return this.listenFilter(addresses)
  }

  async #connect({ host, port = 0 }: Address, signal: AbortSignal): Promise<QuicConnection> {
    const target = { host: host?.value ?? '', port }
    const path = await this.#deps.hub.pathTo(target)
    const { host: via, port: viaPort } = path ?? target
    const source = path !== undefined ? 'hub' : host?.kind === 'ip6' ? 'ip6' : 'ip4'
    const dialled = this.#client(source).outboundConnection(via, viaPort)
    // The addon goes on with a dial that nobody waits for: what comes of it belongs to nobody.
    const dropLate = (native: { abort(): void }) => {
      if (!signal.aborted) return path?.confirm()
      native.abort()
      path?.release()
    }
    dialled.then(dropLate, () => path?.release())
    const native = await race(dialled, signal)
    const log = this.#deps.logger.forComponent('libp2p:quic:connection')
    if (path === undefined) return new QuicConnection(native, 'outbound', log)
    const connection = new QuicConnection(native, 'outbound', log, target)
    connection.addEventListener('close', path.release, { once: true })
    return connection
  }

  #client(source: Source): NativeClient {
    const { addon, settings } = this.#deps
    // Gates are on 127.0.0.1, whatever is behind them.
    const family = FAMILY[source === 'hub' ? 'ip4' : source]
    const client = this.#clients.get(source) ?? new addon.Client(settings, family)
    this.#clients.set(source, client)
    return client
  }
}

/** What the factory of the transport takes from libp2p. */
export interface QuicComponents {
  readonly privateKey: PrivateKey
  readonly logger: ComponentLogger
}

function isOurs({ transport, host }: Address): boolean {
  return transport === 'quic' && (host?.kind === 'ip4' || host?.kind === 'ip6')
}
