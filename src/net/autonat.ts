/**
 * AutoNAT v2: asks peers to dial us at an address and say a number that only they and we know, and
 * does the same for others.
 *
 * What we dial for others is bounded by rate, is global, is never where our own listening port
 * would have opened their NAT already, and costs them 30 KB first when it is not where they are:
 * so nobody gains by letting us dial a third party.
 */

import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { type Clock, type Logger, type Random, race } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import { AutonatCounts } from './autonat-counts.ts'
import {
  AUTONAT_MESSAGE_BYTES_MAX,
  AUTONAT_STATUS,
  type AutonatMessage,
  DATA_BYTES_MAX,
  DIAL_BACK_PROTOCOL,
  DIAL_REQUEST_PROTOCOL,
  DIAL_STATUS,
  decodeAutonat,
  decodeNonce,
  encodeAutonat,
  encodeDialBackAnswer,
  encodeNonce,
} from './autonat-protocol.ts'
import type { NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import { askOnce, type Frames, framesOf } from './frames.ts'
import { ipOfConnection, isRelayed } from './paths.ts'
import { type Address, parseAny, reaches, withPeer } from './transports.ts'

export interface AutonatDeps {
  readonly libp2p: Pick<Libp2p, 'handle'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Dials one address directly. */
  dial(to: Multiaddr, options: { readonly signal: AbortSignal }): Promise<Connection>
  /** How far an address must reach to be dialled for others, and asked for. */
  scope(): Scope
  /** Whether dials of this kind leave from the port that we listen on. */
  dialsFromListenPort(transport: Address['transport']): boolean
}

export type AutonatConfig = Pick<NetConfig, 'negotiationTimeoutMs' | 'addressTimeoutMs'>

/** What one asking found out; `undefined` when the other side did not try. */
export interface AskedAddress {
  readonly address: string
  readonly reached: boolean
}

/** A request is one message, which comes with the stream that it comes on. */
const READ_TIMEOUT_MS = 2_000
const COST_BYTES = 30_000
/** What we pay at most when we are asked to. */
const COST_PAID_BYTES_MAX = 100_000
const STREAMS_MAX = 4

export class Autonat {
  readonly #deps: AutonatDeps
  readonly #config: AutonatConfig
  /** Numbers that somebody is to say to us: one for each asking under way. */
  readonly #awaited = new Map<bigint, () => void>()
  readonly #counts: AutonatCounts

  constructor(deps: AutonatDeps, config: AutonatConfig) {
    this.#deps = deps
    this.#config = config
    this.#counts = new AutonatCounts(deps.clock)
  }

  async start(): Promise<void> {
    const { libp2p } = this.#deps
    const options = { maxInboundStreams: STREAMS_MAX, runOnLimitedConnection: false }
    const serve = (stream: Stream, via: Connection) => void this.#serve(stream, via)
    await libp2p.handle(DIAL_REQUEST_PROTOCOL, serve, options)
    await libp2p.handle(DIAL_BACK_PROTOCOL, (stream) => void this.#hear(stream), options)
  }

  /** Asks the other side to dial the first of `addresses` that it can; says what came of it. */
  async ask(
    connection: Connection,
    addresses: readonly string[],
    signal: AbortSignal,
  ): Promise<AskedAddress | undefined> {
    const nonce = Buffer.from(this.#deps.random.bytes(8)).readBigUInt64BE()
    let heard = false
    this.#awaited.set(nonce, () => {
      heard = true
    })
    const stream = await connection.newStream(DIAL_REQUEST_PROTOCOL, { signal })
    try {
      const frames = framesOf(stream, AUTONAT_MESSAGE_BYTES_MAX)
      await frames.write(encodeAutonat({ kind: 'request', addresses, nonce }), signal)
      let answer = decodeAutonat(await frames.read(signal))
      if (answer.kind === 'dataRequest' && answer.bytes <= COST_PAID_BYTES_MAX) {
        await this.#pay(frames, answer.bytes, signal)
        answer = decodeAutonat(await frames.read(signal))
      }
      await stream.close({ signal })
      return judged(answer, addresses, heard)
    } catch (error) {
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
      throw error
    } finally {
      this.#awaited.delete(nonce)
    }
  }

  async #pay(frames: Frames, bytes: number, signal: AbortSignal): Promise<void> {
    for (let left = bytes; left > 0; left -= DATA_BYTES_MAX) {
      const data = this.#deps.random.bytes(Math.min(left, DATA_BYTES_MAX))
      await frames.write(encodeAutonat({ kind: 'data', data }), signal)
    }
  }

  /** Somebody dialled us, and says which number it was asked to say. */
  async #hear(stream: Stream): Promise<void> {
    using deadline = this.#deps.clock.deadline(this.#config.negotiationTimeoutMs)
    const { signal } = deadline
    try {
      const frames = framesOf(stream, AUTONAT_MESSAGE_BYTES_MAX)
      const awaited = this.#awaited.get(decodeNonce(await frames.read(signal)))
      if (awaited === undefined) throw NetError.CONNECTION_DROPPED({ reason: 'nobody asked' })
      awaited()
      await frames.write(encodeDialBackAnswer(), signal)
      await stream.close({ signal })
    } catch (error) {
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
    }
  }

  async #serve(stream: Stream, connection: Connection): Promise<void> {
    const { clock, log } = this.#deps
    const { negotiationTimeoutMs: timeoutMs } = this.#config
    const displaced = new AbortController()
    const leave = this.#counts.wait(ipOfConnection(connection), () => {
      displaced.abort(NetError.CONNECTION_DROPPED({ reason: 'others ask, and this one does not' }))
    })
    try {
      if (leave === undefined) throw NetError.CONNECTION_DROPPED({ reason: 'it asks too often' })
      const frames = framesOf(stream, AUTONAT_MESSAGE_BYTES_MAX)
      const request = await this.#read(frames, displaced.signal)
      using paying = clock.deadline(timeoutMs, displaced.signal)
      const answer = await this.#answer(request, {
        ...{ frames, connection, leave },
        signal: paying.signal,
      })
      using closing = clock.deadline(timeoutMs)
      await frames.write(encodeAutonat(answer), closing.signal)
      await stream.close({ signal: closing.signal })
    } catch (error) {
      log.debug('dial-back request failed', { why: reasonOf(error) })
      stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
    } finally {
      leave?.()
    }
  }

  async #read(frames: Frames, until: AbortSignal): Promise<AutonatMessage> {
    using reading = this.#deps.clock.deadline(READ_TIMEOUT_MS, until)
    return decodeAutonat(await frames.read(reading.signal))
  }

  async #answer(
    request: AutonatMessage,
    { frames, connection, signal, leave }: Served,
  ): Promise<AutonatMessage> {
    const ip = ipOfConnection(connection)
    if (request.kind !== 'request' || isRelayed(connection) || !this.#counts.admit(ip)) {
      return response(AUTONAT_STATUS.rejected)
    }
    const peer = peerId(connection.remotePeer.toString())
    const index = request.addresses.findIndex((text) => this.#isDialled(text, peer))
    const text = request.addresses[index]
    if (text === undefined) return response(AUTONAT_STATUS.refused)
    const address = parseAny(text)
    if (address.host?.value !== ip) {
      const asked = encodeAutonat({ kind: 'dataRequest', index, bytes: COST_BYTES })
      await frames.write(asked, signal)
      await collect(frames, signal)
    }
    leave()
    const done = this.#counts.dial()
    if (done === undefined) return response(AUTONAT_STATUS.rejected)
    try {
      const dial = await this.#dialBack(withPeer(address.text, peer), request.nonce)
      return { kind: 'response', status: AUTONAT_STATUS.ok, index, dial }
    } finally {
      done()
    }
  }

  async #dialBack(to: string, nonce: bigint): Promise<number> {
    const { clock } = this.#deps
    using deadline = clock.deadline(this.#config.addressTimeoutMs)
    let connection: Connection
    try {
      const dialled = this.#deps.dial(multiaddr(to), { signal: deadline.signal })
      connection = await race(dialled, deadline.signal)
    } catch {
      return DIAL_STATUS.failed
    }
    const asking = { protocol: DIAL_BACK_PROTOCOL, bytesMax: AUTONAT_MESSAGE_BYTES_MAX }
    try {
      const request = encodeNonce(nonce)
      await askOnce(connection, asking, { request, signal: deadline.signal })
      return DIAL_STATUS.ok
    } catch {
      return DIAL_STATUS.dialBackFailed
    } finally {
      void connection.close().catch(() => undefined)
    }
  }

  /** Addresses that name another peer, a name, a system's port or ourselves as a NAT are not. */
  #isDialled(text: string, peer: PeerId): boolean {
    if (text === '') return false
    let address: Address
    try {
      address = parseAny(text)
    } catch {
      return false
    }
    const { transport, port = 0, host } = address
    if (transport !== 'tcp' && transport !== 'quic') return false
    if (host?.kind !== 'ip4' && host?.kind !== 'ip6') return false
    if (address.peer !== undefined && address.peer !== peer) return false
    if (port <= SYSTEM_PORT_MAX && !PORTS_FOR_PEERS.includes(port)) return false
    return reaches(address, this.#deps.scope()) && !this.#deps.dialsFromListenPort(transport)
  }
}

interface Served {
  readonly frames: Frames
  readonly connection: Connection
  readonly signal: AbortSignal
  /** It waits for us from now on, and no longer we for it. */
  leave(): void
}

const SYSTEM_PORT_MAX = 1_023
/** System ports behind which peers do listen, where a firewall lets out nothing else. */
const PORTS_FOR_PEERS: readonly number[] = [443]

function response(status: number): AutonatMessage {
  return { kind: 'response', status, index: 0, dial: DIAL_STATUS.unused }
}

/** Reads what the asker pays for a dial to where it is not. */
async function collect(frames: Frames, signal: AbortSignal): Promise<void> {
  for (let got = 0; got < COST_BYTES; ) {
    const message = decodeAutonat(await frames.read(signal))
    if (message.kind !== 'data' || message.data.length === 0) {
      throw NetError.CONNECTION_DROPPED({ reason: 'it did not pay for the dial' })
    }
    got += message.data.length
  }
}

/** An answer counts only with the number: whoever says "reached" without it is not believed. */
function judged(
  answer: AutonatMessage,
  addresses: readonly string[],
  heard: boolean,
): AskedAddress | undefined {
  if (answer.kind !== 'response' || answer.status !== AUTONAT_STATUS.ok) return undefined
  const address = addresses[answer.index]
  if (address === undefined) return undefined
  if (answer.dial === DIAL_STATUS.ok && heard) return { address, reached: true }
  return answer.dial === DIAL_STATUS.failed ? { address, reached: false } : undefined
}
