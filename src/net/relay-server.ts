/**
 * The relay's side of circuit relay v2: takes reservations and joins streams, within the bounds of
 * `relay-accounts.ts`. It serves whoever is connected directly: never over another relay, and never
 * to an address of somebody's choosing.
 */

import type { Connection, Libp2p, PrivateKey, Stream } from '@libp2p/interface'
import type { Policy } from '../access/index.ts'
import type { Clock, Logger } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import { type Frames, framesOf } from './frames.ts'
import type { NetMetrics } from './metrics.ts'
import { directTo, ipOfConnection, isRelayed } from './paths.ts'
import { type Client, RelayAccounts, type RelayLimits } from './relay-accounts.ts'
import {
  type CircuitLimit,
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  HOP_PROTOCOL,
  RELAY_MESSAGE_BYTES_MAX,
  RELAY_STATUS,
  type RelayMessage,
  relayStatusText,
  STOP_PROTOCOL,
} from './relay-protocol.ts'
import { splice } from './relay-splice.ts'
import { signVoucher } from './relay-voucher.ts'

export interface RelayServerDeps {
  readonly libp2p: Pick<Libp2p, 'handle' | 'unhandle' | 'getConnections' | 'addEventListener'>
  readonly self: PeerId
  readonly key: PrivateKey
  readonly policy: Policy
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<NetMetrics, 'relayed' | 'relayRefusals'>
  protocolsOf(peer: PeerId): Promise<readonly string[]>
  /** Our own addresses, as clients are to announce them. */
  addresses(): readonly string[]
}

export type RelayServerConfig = RelayLimits &
  Pick<NetConfig, 'relayCircuitTimeoutMs' | 'negotiationTimeoutMs'>

/** Streams of the protocol on one connection: one for each circuit, and one to reserve. */
const HOP_STREAMS_MAX = 17
const STOP_STREAMS_MAX = 64

/** How one request went: the answer, and the circuit that begins with it. */
interface Answer {
  readonly answer: RelayMessage
  readonly circuit?: {
    join(near: Stream): void
    cancel(error: Error): void
  }
}

export class RelayServer {
  readonly #deps: RelayServerDeps
  readonly #config: RelayServerConfig
  readonly #accounts: RelayAccounts
  #serving = false

  constructor(deps: RelayServerDeps, config: RelayServerConfig) {
    this.#deps = deps
    this.#config = config
    this.#accounts = new RelayAccounts(config, deps.clock)
    deps.libp2p.addEventListener('peer:disconnect', ({ detail }) => {
      this.#accounts.release(peerId(detail.toString()))
    })
  }

  get serving(): boolean {
    return this.#serving
  }

  usage(): ReturnType<RelayAccounts['usage']> {
    return this.#accounts.usage()
  }

  /** Offers the protocol to others, or no longer. Circuits that run go on. */
  async serve(wanted: boolean): Promise<void> {
    const { libp2p } = this.#deps
    if (wanted === this.#serving) return
    this.#serving = wanted
    if (!wanted) await libp2p.unhandle(HOP_PROTOCOL)
    else {
      const options = { maxInboundStreams: HOP_STREAMS_MAX, runOnLimitedConnection: false }
      await libp2p.handle(HOP_PROTOCOL, (stream, via) => void this.#answer(stream, via), options)
    }
  }

  async #answer(stream: Stream, connection: Connection): Promise<void> {
    const { clock, log } = this.#deps
    using deadline = clock.deadline(this.#config.negotiationTimeoutMs)
    const { signal } = deadline
    let decided: Answer | undefined
    try {
      const frames = framesOf(stream, RELAY_MESSAGE_BYTES_MAX)
      decided = await this.#decide(frames, connection, signal)
      await frames.write(encodeHop(decided.answer), signal)
      if (decided.circuit !== undefined) decided.circuit.join(frames.unwrap())
      else await stream.close({ signal })
    } catch (error) {
      log.debug('relay request failed', { why: reasonOf(error) })
      const dropped = NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error)
      stream.abort(dropped)
      decided?.circuit?.cancel(dropped)
    }
  }

  async #decide(frames: Frames, connection: Connection, signal: AbortSignal): Promise<Answer> {
    const client = clientOf(connection)
    if (isRelayed(connection)) return this.#refuse('denied', client, 'over another relay')
    let request: RelayMessage
    try {
      this.#deps.policy.admit(client.peer, 'stream')
      request = decodeHop(await frames.read(signal))
    } catch (error) {
      signal.throwIfAborted()
      return this.#refuse('malformed', client, reasonOf(error))
    }
    if (request.type === 'reserve') return this.#reserve(client)
    if (request.type !== 'connect') return this.#refuse('unexpected', client, request.type)
    if (request.peer === undefined) return this.#refuse('malformed', client, 'no peer is named')
    return this.#connect(client, request.peer, signal)
  }

  async #reserve(client: Client): Promise<Answer> {
    const { self, key } = this.#deps
    const found = this.#accounts.reserve(client)
    if (typeof found === 'string') return this.#refuse('refused', client, found)
    const { expiresAtMs } = found
    const voucher = await signVoucher(key, { relay: self, peer: client.peer, expiresAtMs })
    const addresses = this.#deps.addresses().filter((text) => !text.includes('/p2p-circuit'))
    const reservation = { expiresAtMs, addresses, voucher }
    this.#deps.metrics.relayed.add(1, { what: 'reservation' })
    return {
      answer: { type: 'status', status: RELAY_STATUS.ok, reservation, limit: this.#limit() },
    }
  }

  async #connect(client: Client, to: PeerId, signal: AbortSignal): Promise<Answer> {
    const target = directTo(this.#deps.libp2p, to)
    if (target === undefined || !(await this.#mayReach(to))) {
      return this.#refuse('noReservation', client, `no reservation of ${to}`)
    }
    const circuit = this.#accounts.open([client, clientOf(target)])
    if (typeof circuit === 'string') return this.#refuse('limitExceeded', client, circuit)
    let far: Stream
    try {
      far = await this.#stop(target, client.peer, signal)
    } catch (error) {
      circuit.leave()
      signal.throwIfAborted()
      return this.#refuse('connectionFailed', client, reasonOf(error))
    }
    const { metrics, clock } = this.#deps
    metrics.relayed.add(1, { what: 'circuit' })
    const limits = {
      clock,
      bytesMax: this.#config.relayCircuitBytesMax,
      timeoutMs: this.#config.relayCircuitTimeoutMs,
      charge: (bytes: number) => {
        metrics.relayed.add(bytes, { what: 'byte' })
        return circuit.charge(bytes)
      },
    }
    return {
      answer: { type: 'status', status: RELAY_STATUS.ok, limit: this.#limit() },
      circuit: {
        join: (near) => void splice(near, far, limits).finally(() => circuit.leave()),
        cancel: (error) => {
          far.abort(error)
          circuit.leave()
        },
      },
    }
  }

  /**
   * Whoever reserved, and while half of all circuits are free, whoever is connected and takes
   * circuits: a public peer has no reservation, and some are let out to a relay and nowhere else.
   */
  async #mayReach(to: PeerId): Promise<boolean> {
    if (this.#accounts.isReserved(to)) return true
    if (2 * this.#accounts.usage().circuits >= this.#config.relayCircuitsMax) return false
    return (await this.#deps.protocolsOf(to)).includes(STOP_PROTOCOL)
  }

  /** Asks the peer whom somebody wants; what it accepts is the other half of the circuit. */
  async #stop(connection: Connection, from: PeerId, signal: AbortSignal): Promise<Stream> {
    const stream = await connection.newStream(STOP_PROTOCOL, {
      signal,
      maxOutboundStreams: STOP_STREAMS_MAX,
    })
    const frames = framesOf(stream, RELAY_MESSAGE_BYTES_MAX)
    try {
      const request = encodeStop({ type: 'connect', peer: from, limit: this.#limit() })
      await frames.write(request, signal)
      const { type, status } = decodeStop(await frames.read(signal))
      if (type === 'status' && status === RELAY_STATUS.ok) return frames.unwrap()
      throw NetError.RELAY_REFUSED({ relay: peerOf(connection), reason: relayStatusText(status) })
    } catch (error) {
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
      throw error
    }
  }

  #limit(): CircuitLimit {
    const { relayCircuitBytesMax, relayCircuitTimeoutMs } = this.#config
    return { bytes: relayCircuitBytesMax, seconds: Math.ceil(relayCircuitTimeoutMs / 1_000) }
  }

  #refuse(status: keyof typeof RELAY_STATUS, { peer }: Client, reason: string): Answer {
    const { log, metrics } = this.#deps
    metrics.relayRefusals.add(1, { reason: status })
    log.debug('relay request refused', { peer, status, reason })
    return { answer: { type: 'status', status: RELAY_STATUS[status] } }
  }
}

function clientOf(connection: Connection): Client {
  return { peer: peerOf(connection), ip: ipOfConnection(connection) }
}

function peerOf(connection: Connection): PeerId {
  return peerId(connection.remotePeer.toString())
}
