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
import { parseListenAddress } from './transports.ts'

export interface QuicListenerDeps {
  readonly bind: (ip: string, port: number) => NativeServer
  readonly upgrader: Pick<Upgrader, 'upgradeInbound'>
  readonly logger: ComponentLogger
  readonly clock: Clock
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
  #server: NativeServer | undefined
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
    const { text, host, port = 0 } = parseListenAddress(address.toString())
    this.#server = this.#deps.bind(host?.value ?? '', port)
    this.#address = multiaddr(text.replace(`/udp/${port}/`, `/udp/${this.#server.port()}/`))
    this.#ask(this.#server)
    void every(this.#deps.clock, COUNT_MS, () => this.#count(), this.#closed.signal)
    this.safeDispatchEvent('listening')
  }

  /** The wildcard stands for the addresses that this machine has now. */
  getAddrs(): Multiaddr[] {
    if (this.#address === undefined) return []
    return getThinWaistAddresses(this.#address).map((one) => one.encapsulate('/quic-v1'))
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.#address = undefined
    const reason = NetError.CONNECTION_DROPPED({ reason: 'the listener is closed' })
    this.#closed.abort(reason)
    for (const connection of this.#connections) connection.abort(reason)
    await server.abort()
    this.safeDispatchEvent('close')
  }

  #count(): void {
    if (this.#server === undefined) return
    this.#newcomers.push(this.#server.stats().acceptedHandshakes)
    if (this.#newcomers.length * COUNT_MS > this.#config.handshakeTimeoutMs) this.#newcomers.shift()
    this.#ask(this.#server)
  }

  #ask(server: NativeServer): void {
    const recent = server.stats().acceptedHandshakes - (this.#newcomers[0] ?? 0)
    const wanted = Math.min(this.#config.handshakesMax, recent + SPARE)
    for (; this.#asking < wanted; this.#asking += 1) void this.#accept(server)
  }

  /** One asking after another. After a handshake that failed the next count fills the gap. */
  async #accept(server: NativeServer): Promise<void> {
    try {
      while (server === this.#server) {
        void this.#upgrade(await server.inboundConnection())
        if (server === this.#server) this.#ask(server)
      }
    } catch (error) {
      this.#asking -= 1
      this.#log('a handshake failed: %s', reasonOf(error))
    }
  }

  async #upgrade(native: NativeConnection): Promise<void> {
    const { logger, upgrader } = this.#deps
    let connection: QuicConnection | undefined
    try {
      this.#closed.signal.throwIfAborted()
      const log = logger.forComponent('libp2p:quic:connection')
      connection = new QuicConnection(native, 'inbound', log)
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

  #keep(connection: QuicConnection): void {
    this.#connections.add(connection)
    const forget = () => this.#connections.delete(connection)
    connection.addEventListener('close', forget, { once: true })
  }
}
