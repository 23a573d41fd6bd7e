/**
 * Listens for QUIC connections: many handshakes at once, so that one slow newcomer holds up nobody.
 *
 * The addon takes a newcomer for each time that it is asked for a connection, and answers when a
 * handshake succeeded; only then is the newcomer's address known and the gater asked. So a number
 * of askings wait at all times, and one more for each newcomer who came in the time that a
 * handshake may take, up to a bound: beyond it newcomers wait in the addon.
 */

import {
  type ComponentLogger,
  type Listener,
  type ListenerEvents,
  type Logger,
  TypedEventEmitter,
  type Upgrader,
} from '@libp2p/interface'
import { getThinWaistAddresses } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type Clock, every } from '../base/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { NativeConnection, NativeServer } from './quic-addon.ts'
import { QuicConnection, quicUpgrade } from './quic-connection.ts'
import { parseAny, parseListenAddress } from './transports.ts'
import type { HubArrival } from './udp-hub.ts'

export interface QuicListenerDeps {
  readonly bind: (ip: string, port: number) => Promise<QuicSocket>
  readonly upgrader: Pick<Upgrader, 'upgradeInbound'>
  readonly logger: ComponentLogger
  readonly clock: Clock
}

/** A listener of the addon, on a socket of its own or behind the hub. */
export interface QuicSocket {
  readonly server: NativeServer
  /** Where others reach it. */
  readonly port: number
  /** Who it is whom the addon sees at `port`; absent where it sees newcomers as they are. */
  readonly arrival?: (port: number) => HubArrival | undefined
  close(): Promise<void>
}

export interface QuicListenerConfig {
  readonly handshakesMax: number
  /** A handshake that does not end holds its place for so long. */
  readonly handshakeTimeoutMs: number
  readonly streamsMax: number
}

/** Askings that wait for a newcomer while nobody comes. */
const SPARE = 64
const COUNT_MS = 1_000

export class QuicListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #deps: QuicListenerDeps
  readonly #config: QuicListenerConfig
  readonly #log: Logger
  readonly #closed = new AbortController()
  readonly #connections = new Set<QuicConnection>()
  #socket: QuicSocket | undefined
  #address: Multiaddr | undefined
  /** How many newcomers there had been, second by second, the oldest first. */
  readonly #newcomers: number[] = [0]
  #asking = 0

  constructor(deps: QuicListenerDeps, config: QuicListenerConfig) {
    super()
    this.#deps = deps
    this.#config = config
    this.#log = deps.logger.forComponent('libp2p:quic:listener')
  }

  async listen(address: Multiaddr): Promise<void> {
    const { text, port = 0 } = parseListenAddress(address.toString())
    const socket = await this.#bind(address)
    this.#address = multiaddr(text.replace(`/udp/${port}/`, `/udp/${socket.port}/`))
    void every(this.#deps.clock, COUNT_MS, () => this.#count(), this.#closed.signal)
    this.safeDispatchEvent('listening')
  }

  /** Listens at the same address again, by the way that `bind` has then; newcomers are cut off. */
  async relisten(): Promise<void> {
    const [socket, address] = [this.#socket, this.#address]
    if (address === undefined) return
    this.#socket = undefined
    this.#cutOff(NetError.CONNECTION_DROPPED({ reason: 'the listener moves behind the hub' }))
    await socket?.close()
    await this.#bind(address)
  }

  /** The wildcard stands for the addresses that this machine has now. */
  getAddrs(): Multiaddr[] {
    if (this.#address === undefined) return []
    return getThinWaistAddresses(this.#address).map((one) => one.encapsulate('/quic-v1'))
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    const socket = this.#socket
    const wasListening = this.#address !== undefined
    const reason = NetError.CONNECTION_DROPPED({ reason: 'the listener is closed' })
    this.#closed.abort(reason)
    if (!wasListening) return
    this.#socket = undefined
    this.#address = undefined
    this.#cutOff(reason)
    await socket?.close()
    this.safeDispatchEvent('close')
  }

  async #bind(address: Multiaddr): Promise<QuicSocket> {
    const { host, port = 0 } = parseListenAddress(address.toString())
    const socket = await this.#deps.bind(host?.value ?? '', port)
    if (this.#closed.signal.aborted) {
      await socket.close()
      throw this.#closed.signal.reason
    }
    this.#socket = socket
    this.#newcomers.splice(0, this.#newcomers.length, 0)
    this.#asking = 0
    this.#ask(socket)
    return socket
  }

  #cutOff(reason: Error): void {
    for (const connection of this.#connections) connection.abort(reason)
  }

  #count(): void {
    if (this.#socket === undefined) return
    this.#newcomers.push(this.#socket.server.stats().acceptedHandshakes)
    if (this.#newcomers.length * COUNT_MS > this.#config.handshakeTimeoutMs) this.#newcomers.shift()
    this.#ask(this.#socket)
  }

  #ask(socket: QuicSocket): void {
    const recent = socket.server.stats().acceptedHandshakes - (this.#newcomers[0] ?? 0)
    const wanted = Math.min(this.#config.handshakesMax, recent + SPARE)
    for (; this.#asking < wanted; this.#asking += 1) void this.#accept(socket)
  }

  /** One asking after another. After a handshake that failed the next count fills the gap. */
  async #accept(socket: QuicSocket): Promise<void> {
    try {
      while (socket === this.#socket) {
        void this.#upgrade(await socket.server.inboundConnection(), socket)
        if (socket === this.#socket) this.#ask(socket)
      }
    } catch (error) {
      this.#log('a handshake failed: %s', reasonOf(error))
    }
    if (socket === this.#socket) this.#asking -= 1
  }

  async #upgrade(native: NativeConnection, socket: QuicSocket): Promise<void> {
    const { upgrader } = this.#deps
    let connection: QuicConnection | undefined
    try {
      this.#closed.signal.throwIfAborted()
      connection = this.#connectionOf(native, socket)
      this.#keep(connection)
      const { signal } = this.#closed
      const upgrade = quicUpgrade(connection, this.#config.streamsMax)
      await upgrader.upgradeInbound(connection, { ...upgrade, signal })
    } catch (error) {
      this.#log('a newcomer was turned away: %s', reasonOf(error))
      if (connection === undefined) native.abort()
      else connection.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
    }
  }

  #connectionOf(native: NativeConnection, socket: QuicSocket): QuicConnection {
    const log = this.#deps.logger.forComponent('libp2p:quic:connection')
    if (socket.arrival === undefined) return new QuicConnection(native, 'inbound', log)
    // Whoever comes past the hub is a program on this machine that says nothing of who sent it.
    const arrival = socket.arrival(parseAny(native.remoteMultiaddr()).port ?? 0)
    if (arrival === undefined) {
      throw NetError.CONNECTION_DROPPED({ reason: 'it came past the hub' })
    }
    const connection = new QuicConnection(native, 'inbound', log, arrival.remote)
    connection.addEventListener('close', arrival.release, { once: true })
    return connection
  }

  #keep(connection: QuicConnection): void {
    this.#connections.add(connection)
    const forget = () => this.#connections.delete(connection)
    connection.addEventListener('close', forget, { once: true })
  }
}
