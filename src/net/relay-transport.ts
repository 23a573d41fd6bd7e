/**
 * Circuits as a libp2p transport. Dials go over a connection to the relay, which is made when there
 * is none. Circuits are taken from whom we are connected to directly: a relay can do no more than
 * connect two peers who prove their keys; and few are taken from one that we did not ask.
 *
 * Addresses are `<address of the relay>/p2p/<relay>/p2p-circuit/p2p/<peer>`. What passes is
 * encrypted by libp2p's upgrader between the two ends, as on any other connection.
 */

import {
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type PeerId as Libp2pPeerId,
  type Listener,
  type Startable,
  type Stream,
  serviceCapabilities,
  type Transport,
  transportSymbol,
  type Upgrader,
} from '@libp2p/interface'
import type { ConnectionManager, Registrar, TransportManager } from '@libp2p/interface-internal'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type Clock, race } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { NetError, reasonOf } from './errors.ts'
import { framesOf } from './frames.ts'
import { directTo, isRelayed } from './paths.ts'
import { relayedConnection } from './relay-connection.ts'
import {
  type CircuitLimit,
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  HOP_PROTOCOL,
  RELAY_MESSAGE_BYTES_MAX,
  RELAY_STATUS,
  relayStatusText,
  STOP_PROTOCOL,
} from './relay-protocol.ts'
import { parseAny } from './transports.ts'

/** What the factory of the transport takes from libp2p. */
export interface RelayComponents {
  readonly peerId: Libp2pPeerId
  readonly upgrader: Upgrader
  readonly registrar: Pick<Registrar, 'handle' | 'unhandle'>
  readonly transportManager: Pick<TransportManager, 'dial'>
  readonly connectionManager: Pick<ConnectionManager, 'getConnections'>
}

export interface RelayTransportDeps {
  readonly clock: Clock
  readonly negotiationTimeoutMs: number
  /** libp2p's upgrader with what every connection of ours passes through. */
  watch(upgrader: Upgrader): Upgrader
  /** Whether we have a reservation there: then we take more circuits from it. */
  isOurRelay(peer: PeerId): boolean
}

const HOP_STREAMS_MAX = 64
const STOP_STREAMS_MAX = 64
/** Circuits at once from a peer that we have no reservation at. */
const UNASKED_MAX = 4
const MS_PER_SECOND = 1_000

export class RelayTransport implements Transport, Startable {
  readonly [Symbol.toStringTag] = 'relay'
  readonly [transportSymbol] = true
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']
  readonly #components: RelayComponents
  readonly #deps: RelayTransportDeps
  /** Dials of relays that are under way: bounded by the dials that want them. */
  readonly #toRelays = new Map<PeerId, Promise<Connection>>()
  #stopped = new AbortController()

  constructor(components: RelayComponents, deps: RelayTransportDeps) {
    this.#components = components
    this.#deps = deps
  }

  start(): void {
    this.#stopped = new AbortController()
  }

  /** Once the registrar is there: libp2p starts transports before it. */
  async afterStart(): Promise<void> {
    const options = { maxInboundStreams: STOP_STREAMS_MAX, runOnLimitedConnection: false }
    const answer = (stream: Stream, via: Connection) => void this.#accept(stream, via)
    await this.#components.registrar.handle(STOP_PROTOCOL, answer, options)
  }

  async stop(): Promise<void> {
    this.#stopped.abort(NetError.CONNECTION_DROPPED({ reason: 'the node is stopping' }))
    await this.#components.registrar.unhandle(STOP_PROTOCOL)
  }

  async dial(target: Multiaddr, options: DialTransportOptions): Promise<Connection> {
    const { signal } = options
    signal.throwIfAborted()
    const { relay, peer, text } = parseAny(target.toString())
    if (relay === undefined || peer === undefined) {
      const reason = 'an address through a relay names the relay and, at its end, the peer'
      throw NetError.ADDRESS_INVALID({ found: target.toString(), reason })
    }
    const via = await race(this.#toRelay(relay, text.split('/p2p-circuit', 1)[0] ?? ''), signal)
    const { stream, limit } = await this.#ask(via, { relay, peer }, signal)
    try {
      const connection = relayedConnection(stream, target, 'outbound')
      return await options.upgrader.upgradeOutbound(connection, {
        signal,
        ...this.#limited(limit),
      })
    } catch (error) {
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
      throw error
    }
  }

  createListener(_: CreateListenerOptions): Listener {
    throw NetError.LISTEN_FAILED({ address: '/p2p-circuit', reason: 'relays are reserved instead' })
  }

  listenFilter(): Multiaddr[] {
    return []
  }

  dialFilter(addresses: Multiaddr[]): Multiaddr[] {
    return addresses.filter((one) => parseAny(one.toString()).transport === 'relay')
  }

  async #toRelay(relay: PeerId, address: string): Promise<Connection> {
    const { connectionManager, transportManager } = this.#components
    const open = directTo(connectionManager, relay)
    if (open !== undefined) return open
    const known = this.#toRelays.get(relay)
    if (known !== undefined) return known
    if (address.split('/')[1] === 'p2p') {
      const reason = 'we are not connected to it, and know no address of it'
      throw NetError.RELAY_REFUSED({ relay, reason })
    }
    const { clock, negotiationTimeoutMs } = this.#deps
    const deadline = clock.deadline(negotiationTimeoutMs, this.#stopped.signal)
    const { signal } = deadline
    const dial = transportManager.dial(multiaddr(address), { signal }).finally(() => {
      deadline[Symbol.dispose]()
      this.#toRelays.delete(relay)
    })
    this.#toRelays.set(relay, dial)
    return dial
  }

  async #ask(
    via: Connection,
    { relay, peer }: { readonly relay: PeerId; readonly peer: PeerId },
    signal: AbortSignal,
  ): Promise<{ stream: Stream; limit: CircuitLimit | undefined }> {
    const stream = await via.newStream(HOP_PROTOCOL, {
      signal,
      maxOutboundStreams: HOP_STREAMS_MAX,
    })
    try {
      const frames = framesOf(stream, RELAY_MESSAGE_BYTES_MAX)
      await frames.write(encodeHop({ type: 'connect', peer }), signal)
      const { type, status, limit } = decodeHop(await frames.read(signal))
      if (type !== 'status' || status !== RELAY_STATUS.ok) {
        throw NetError.RELAY_REFUSED({ relay, reason: relayStatusText(status) })
      }
      return { stream: frames.unwrap(), limit }
    } catch (error) {
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
      throw error
    }
  }

  /** A relay of ours has somebody who wants us. */
  async #accept(stream: Stream, via: Connection): Promise<void> {
    const { clock, negotiationTimeoutMs } = this.#deps
    using deadline = clock.deadline(negotiationTimeoutMs)
    const { signal } = deadline
    try {
      const frames = framesOf(stream, RELAY_MESSAGE_BYTES_MAX)
      const { type, peer, limit } = decodeStop(await frames.read(signal))
      const relay = peerId(via.remotePeer.toString())
      const isFine =
        !isRelayed(via) && this.#hasRoom(via, relay) && type === 'connect' && peer !== undefined
      const status = isFine ? RELAY_STATUS.ok : RELAY_STATUS.denied
      await frames.write(encodeStop({ type: 'status', status }), signal)
      if (!isFine) {
        await stream.close({ signal })
        return
      }
      const from = multiaddr(`${fullAddress(via, relay)}/p2p-circuit/p2p/${peer}`)
      const connection = relayedConnection(frames.unwrap(), from, 'inbound')
      const options = { signal, ...this.#limited(limit) }
      const upgrader = this.#deps.watch(this.#components.upgrader)
      await upgrader.upgradeInbound(connection, options)
    } catch (error) {
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
    }
  }

  #hasRoom({ streams }: Connection, relay: PeerId): boolean {
    if (this.#deps.isOurRelay(relay)) return true
    return streams.filter(({ protocol }) => protocol === STOP_PROTOCOL).length <= UNASKED_MAX
  }

  /** A circuit is a limited connection even where the relay sets no limit: others pay for it. */
  #limited(limit: CircuitLimit | undefined): { limits: { seconds?: number; bytes?: bigint } } {
    const { seconds = 0, bytes = 0 } = limit ?? {}
    const endsAtMs = this.#deps.clock.now() + seconds * MS_PER_SECOND
    const { clock } = this.#deps
    return {
      limits: {
        ...(bytes > 0 && { bytes: BigInt(bytes) }),
        ...(seconds > 0 && {
          get seconds() {
            return Math.max(0, Math.round((endsAtMs - clock.now()) / MS_PER_SECOND))
          },
        }),
      },
    }
  }
}

function fullAddress({ remoteAddr }: Connection, relay: PeerId): string {
  const text = remoteAddr.toString()
  return text.endsWith(`/p2p/${relay}`) ? text : `${text}/p2p/${relay}`
}
