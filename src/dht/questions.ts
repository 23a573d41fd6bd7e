/**
 * Asking peers: by datagram whoever takes them, else over one line to each, opened when first
 * needed, the idlest closed to make room.
 *
 * The datagram face of a peer is found in passing: whoever answers over a stream is asked once for
 * its own addresses, which say where it takes datagrams. What does not fit a datagram goes over the
 * line, and so do questions to a peer that never answered one.
 *
 * A peer that could not be reached is not tried again for a while, unless it has other addresses
 * by then. So the paths of a lookup may each try a peer for themselves and pay for it only once,
 * and a liar with dead addresses cannot keep us from the peer's true ones.
 */

import { type Clock, type CodedError, race, TtlMap } from '../base/index.ts'
import { type PeerId, peerIdToBytes } from '../identity/index.ts'
import { scopeOf } from '../ip/index.ts'
import type { CallOptions, Host, Protocol } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import type { DatagramFace } from './datagram-face.ts'
import { fitQuestion, wholeAnswer } from './datagram-fit.ts'
import { codeOf, DhtError, isCoded, isOurBusyness } from './errors.ts'
import { Line } from './line.ts'
import type { DhtMetrics } from './metrics.ts'
import { datagramEndpoint } from './multiaddrs.ts'
import { decodeMessage, encodeMessage, type Message } from './wire.ts'

const UNREACHABLE_MAX = 4_096
/** Peers that were asked where they take datagrams, and when they may be asked again. */
const FACES_MAX = 1_024
const FACE_MS = 10 * 60_000
const HOST_OF = /^\/ip[46]\/([^/]+)/

export interface QuestionsDeps {
  readonly host: Pick<
    Host,
    'self' | 'open' | 'addresses' | 'addressesOf' | 'learn' | 'connections' | 'isBehindRelay'
  >
  readonly clock: Clock
  readonly metrics: DhtMetrics
  /** Absent where there is none: then all goes over streams. */
  readonly face?: DatagramFace | undefined
}

export class Questions {
  readonly #deps: QuestionsDeps
  readonly #config: DhtConfig
  readonly #protocol: Protocol
  /** Least recently used first. */
  readonly #lines = new Map<PeerId, Line>()
  /** The addresses at which a peer could not be reached. */
  readonly #unreachable: TtlMap<PeerId, string>
  readonly #facesAsked: TtlMap<PeerId, Promise<CodedError | undefined>>
  #stopped = false

  constructor(deps: QuestionsDeps, config: DhtConfig, protocol: Protocol) {
    this.#deps = deps
    this.#config = config
    this.#protocol = protocol
    this.#unreachable = new TtlMap({
      entriesMax: UNREACHABLE_MAX,
      ttlMs: config.peerRetryMs,
      clock: deps.clock,
    })
    this.#facesAsked = new TtlMap({ entriesMax: FACES_MAX, ttlMs: FACE_MS, clock: deps.clock })
  }

  /**
   * Sends `messages` and resolves with the answer to the last. Those before it are of kinds that
   * kad-dht does not answer. A caller that gives up is let go; the answer is then dropped.
   */
  async ask(peer: PeerId, messages: readonly Message[], options: CallOptions): Promise<Message> {
    const last = messages[messages.length - 1]
    if (last === undefined) throw DhtError.PEER_FAILED({ peer, reason: 'nothing was asked' })
    const { metrics } = this.#deps
    const { type } = last
    try {
      options.signal?.throwIfAborted()
      if (this.#unreachable.has(peer)) await this.#checkReachable(peer)
      if (this.#wantsFace(peer)) {
        const failure = await race(this.findFace(peer), options.signal)
        if (failure !== undefined) throw failure
      }
      const answer =
        (await this.#askByDatagram(peer, messages, options)) ??
        (await this.#askByStream(peer, messages, options))
      this.#unreachable.delete(peer)
      metrics.questions.add(1, { type, outcome: 'ok' })
      return answer
    } catch (error) {
      options.signal?.throwIfAborted()
      const code = codeOf(error)
      metrics.questions.add(1, { type, outcome: code })
      if (!isOurBusyness(error)) await this.#noteUnreachable(peer)
      throw error
    }
  }

  /** The peer is there after all: it has just spoken to us. */
  reachable(peer: PeerId): void {
    this.#unreachable.delete(peer)
  }

  /**
   * Asks a peer over a stream for itself, and so for where it takes datagrams, before anything
   * else: then already the first question tells it where we take them. It can tell others, who
   * would have to connect to us otherwise. Resolves with why the peer could not be asked; never
   * rejects.
   */
  async findFace(peer: PeerId): Promise<CodedError | undefined> {
    if (!this.#wantsFace(peer)) return undefined
    const known = this.#facesAsked.get(peer)
    if (known !== undefined) return known
    const asked = this.#askFace(peer)
    this.#facesAsked.set(peer, asked)
    // It may fail before it was noted: a failure that stayed would keep us from the peer.
    const failure = await asked
    if (failure !== undefined) this.#facesAsked.delete(peer)
    return failure
  }

  /** Notes what an answer of `source` told of `peer`: addresses for streams and for datagrams. */
  async learn(peer: PeerId, addresses: readonly string[], source: PeerId): Promise<void> {
    const { host, face } = this.#deps
    const streams: string[] = []
    for (const address of addresses) {
      const at = datagramEndpoint(address)
      if (at === undefined) streams.push(address)
      else face?.told(peer, at, this.#scopeOf(source))
    }
    if (streams.length === 0) return
    await host.learn(peer, streams, source, face?.provenOf(source)?.host)
  }

  /** Where `peer` is asked, by datagram first; for ourselves, where others find us. */
  async addressesOf(peer: PeerId): Promise<readonly string[]> {
    const { host, face } = this.#deps
    if (peer === host.self) return [...(face?.addresses() ?? []), ...host.addresses()]
    const datagram = this.datagramAddressOf(peer)
    const streams = await host.addressesOf(peer)
    return datagram === undefined ? streams : [datagram, ...streams]
  }

  /** Where `peer` takes datagrams, if anybody told; known without waiting. */
  datagramAddressOf(peer: PeerId): string | undefined {
    return this.#deps.face?.endpointOf(peer)?.address
  }

  /** Whether others must be told more of `peer` than where it takes datagrams. */
  isBehindRelay(peer: PeerId): boolean {
    return this.#deps.host.isBehindRelay?.(peer) === true
  }

  /** The IP at which the peer itself last spoke to us, if that is known. */
  hostOf(peer: PeerId): string | undefined {
    const { host, face } = this.#deps
    const proven = face?.provenOf(peer)?.host
    if (proven !== undefined) return proven
    // The address of a relayed connection is the relay's.
    const connection = host.connections().find((one) => one.peer === peer && one.path !== 'relayed')
    return HOST_OF.exec(connection?.address ?? '')?.[1]
  }

  stop(): void {
    this.#stopped = true
    for (const line of [...this.#lines.values()]) line.stop()
    this.#lines.clear()
  }

  /** `undefined` when this is for a stream. */
  async #askByDatagram(
    peer: PeerId,
    messages: readonly Message[],
    { signal }: CallOptions,
  ): Promise<Message | undefined> {
    const { face } = this.#deps
    if (face === undefined || !face.canAsk(peer)) return undefined
    const types = messages.map(({ type }) => type)
    const outcome = await race(face.ask(peer, messages.map(fitQuestion), types), signal)
    switch (outcome?.kind) {
      case 'answered': {
        const { type, key } = messages.at(-1) ?? {}
        const answer = wholeAnswer(decodeMessage(outcome.message), key)
        if (answer.type === type) return answer
        throw DhtError.PEER_FAILED({ peer, reason: `it answered ${answer.type} to ${type}` })
      }
      case 'refused':
        throw DhtError.PEER_FAILED({ peer, reason: 'it refused to answer' })
      case 'silent':
        if (!outcome.known) break
        throw DhtError.PEER_FAILED({ peer, reason: 'it answered no datagram' })
    }
    await this.learnStreams(peer)
    return undefined
  }

  async #askByStream(
    peer: PeerId,
    messages: readonly Message[],
    { signal }: CallOptions,
  ): Promise<Message> {
    const line = this.#lineTo(peer)
    const asked = line.ask(messages.map(encodeMessage), messages.at(-1)?.type ?? 'ping')
    return race(asked, signal)
  }

  #wantsFace(peer: PeerId): boolean {
    const { face } = this.#deps
    return face?.state.state === 'active' && face.endpointOf(peer) === undefined
  }

  /** Where a peer has spoken to us by datagram it is reached over streams too, at its ports. */
  async learnStreams(peer: PeerId): Promise<void> {
    const { host, face } = this.#deps
    const proven = face?.provenOf(peer)
    if (proven === undefined) return
    const at = `/ip${proven.host.includes(':') ? 6 : 4}/${proven.host}`
    const addresses = [
      ...(proven.quic > 0 ? [`${at}/udp/${proven.quic}/quic-v1`] : []),
      ...(proven.tcp > 0 ? [`${at}/tcp/${proven.tcp}`] : []),
    ]
    if (addresses.length > 0) await host.learn(peer, addresses, peer, proven.host)
  }

  async #askFace(peer: PeerId): Promise<CodedError | undefined> {
    const question = encodeMessage({ type: 'findNode', key: peerIdToBytes(peer) })
    try {
      const { closer = [] } = await this.#lineTo(peer).ask([question], 'findNode')
      const own = closer.find((info) => info.peer === peer)?.addresses ?? []
      await this.learn(
        peer,
        own.filter((one) => datagramEndpoint(one) !== undefined),
        peer,
      )
      return undefined
    } catch (error) {
      if (isCoded(error)) return error
      throw error
    }
  }

  /** How far away `source` is met: what it tells reaches no less far. */
  #scopeOf(source: PeerId) {
    if (source === this.#deps.host.self) return 'loopback'
    const host = this.hostOf(source)
    return host === undefined ? 'global' : scopeOf(host)
  }

  async #checkReachable(peer: PeerId): Promise<void> {
    const tried = this.#unreachable.get(peer)
    if (tried !== undefined && tried === (await this.#whereTried(peer))) {
      throw DhtError.PEER_FAILED({ peer, reason: 'it could not be reached a moment ago' })
    }
  }

  /** The first failure counts: the pause is not prolonged by being asked for. */
  async #noteUnreachable(peer: PeerId): Promise<void> {
    const addresses = await this.#whereTried(peer)
    if (this.#unreachable.get(peer) !== addresses) this.#unreachable.set(peer, addresses)
  }

  async #whereTried(peer: PeerId): Promise<string> {
    return (await this.addressesOf(peer)).toSorted().join(' ')
  }

  #lineTo(peer: PeerId): Line {
    if (this.#stopped) throw DhtError.PEER_FAILED({ peer, reason: 'the node is stopping' })
    const known = this.#lines.get(peer)
    if (known === undefined) this.#makeRoom(peer)
    const { host, clock } = this.#deps
    const ended = () => {
      if (this.#lines.get(peer)?.idle === true) this.#lines.delete(peer)
    }
    const line =
      known ?? new Line(peer, { host, clock, protocol: this.#protocol, ended }, this.#config)
    this.#lines.delete(peer)
    this.#lines.set(peer, line)
    return line
  }

  #makeRoom(peer: PeerId): void {
    if (this.#lines.size < this.#config.streamsMax) return
    const idlest = [...this.#lines.values()].find((line) => line.idle)
    if (idlest === undefined) throw DhtError.PEER_BUSY({ peer, waiting: this.#lines.size })
    this.#lines.delete(idlest.peer)
    idlest.stop()
  }
}
