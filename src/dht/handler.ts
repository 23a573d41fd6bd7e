/**
 * What we do when asked: admit, decode, check, act, answer, in this order.
 *
 * Any libp2p peer may ask for peers, providers and values, on a stream or by datagram: both come
 * here. Storing is another matter (`writes.ts`): a value only as a record of ours, a provider only
 * by itself. Whoever speaks nonsense or over its quota loses the stream, or gets no datagram.
 *
 * Each answer names up to 20 peers with their addresses, and the same ones again and again, so
 * what was read of them is kept for some seconds: the host reads it from its store each time.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, hasCode, type Logger, RecentMap } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, DhtError } from './errors.ts'
import { dhtKey } from './key.ts'
import type { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import type { Records } from './records.ts'
import {
  ADDRESSES_MAX,
  decodeQuestion,
  encodeMessage,
  type Message,
  PEERS_MAX,
  type PeerInfo,
} from './wire.ts'
import { Writes } from './writes.ts'

/** How long addresses that were read are named without reading them again, and of how many. */
const INFO_MS = 5_000
const INFOS_MAX = 1_024

export interface HandlerDeps {
  /** Where peers are: those of ourselves are our own. */
  readonly book: Pick<Host, 'addressesOf' | 'learn'> & {
    /** Where a peer takes datagrams, known without waiting. */
    readonly datagramAddressOf?: (peer: PeerId) => string | undefined
  }
  readonly policy: Policy
  readonly records: Records
  readonly members: Pick<Members, 'closest'>
  /** The public network that a peer speaks from; undefined when it is private or not known. */
  readonly siteOf: (peer: PeerId) => string | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: DhtMetrics
}

/** What a question came by, and its answer goes by. */
type Over = 'stream' | 'datagram'

interface Known {
  readonly info: PeerInfo
  readonly untilMs: number
}

export class Handler {
  readonly #deps: HandlerDeps
  readonly #config: DhtConfig
  readonly #writes: Writes
  readonly #known = new RecentMap<PeerId, Known>(INFOS_MAX)
  readonly #life = new AbortController()

  constructor(deps: HandlerDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
    this.#writes = new Writes(deps, config)
  }

  /** Answers one peer's questions in their order, for as long as it keeps asking. Never rejects. */
  async serve(channel: Channel): Promise<void> {
    const { peer } = channel
    try {
      for (;;) {
        const frame = await this.#read(channel)
        if (frame === undefined) break
        const answer = await this.answer(peer, frame)
        if (answer !== undefined) await this.#write(channel, encodeMessage(answer))
      }
      await channel.close()
    } catch (error) {
      const code = codeOf(error)
      if (!this.#life.signal.aborted) this.#deps.log.debug('stream of a peer ended', { peer, code })
      channel.abort(
        error instanceof Error ? error : DhtError.REFUSED({ peer, reason: 'the stream broke' }),
      )
    }
  }

  /** What `frame` is answered with; nothing for the kinds that kad-dht leaves unanswered. */
  async answer(peer: PeerId, frame: Uint8Array): Promise<Message | undefined> {
    const { policy, metrics } = this.#deps
    policy.admit(peer, 'dht.query')
    let message: Message
    try {
      message = decodeQuestion(frame)
    } catch (error) {
      metrics.answers.add(1, { type: 'malformed', outcome: codeOf(error) })
      throw error
    }
    return this.#answer(peer, message, 'stream')
  }

  /**
   * As `answer`, to messages that came together in a datagram: the answer to the last of them. They
   * may be read only as they are taken, so the first is admitted before that.
   */
  async answerMessages(peer: PeerId, messages: Iterable<Message>): Promise<Message | undefined> {
    const { policy } = this.#deps
    let answer: Message | undefined
    let taken = 0
    policy.admit(peer, 'dht.query')
    for (const message of messages) {
      if (taken > 0) policy.admit(peer, 'dht.query')
      taken += 1
      answer = await this.#answer(peer, message, 'datagram')
    }
    return answer
  }

  stop(): void {
    this.#life.abort(DhtError.STOPPED({ key: 'answers' }))
  }

  async #answer(peer: PeerId, message: Message, over: Over): Promise<Message | undefined> {
    const { type } = message
    const { answers } = this.#deps.metrics
    try {
      const answer = await this.#act(peer, message, over)
      answers.add(1, { type, outcome: 'ok' })
      return answer
    } catch (error) {
      answers.add(1, { type, outcome: codeOf(error) })
      throw error
    }
  }

  async #act(peer: PeerId, message: Message, over: Over): Promise<Message | undefined> {
    switch (message.type) {
      case 'ping':
        return { type: 'ping' }
      case 'findNode':
        return this.#findNode(peer, keyOf(peer, message), over)
      case 'getValue':
        return this.#getValue(peer, keyOf(peer, message), over)
      case 'getProviders':
        return this.#getProviders(peer, keyOf(peer, message), over)
      case 'putValue':
        return this.#putValue(peer, message)
      case 'addProvider':
        return this.#addProvider(peer, message)
    }
  }

  async #findNode(peer: PeerId, key: Uint8Array, over: Over): Promise<Message> {
    const closer = await this.#closer(peer, key, over)
    const wanted = await this.#infoOfTarget(key, over)
    if (wanted === undefined || closer.some((info) => info.peer === wanted.peer)) {
      return { type: 'findNode', key, closer }
    }
    return { type: 'findNode', key, closer: [wanted, ...closer].slice(0, PEERS_MAX) }
  }

  async #getValue(peer: PeerId, key: Uint8Array, over: Over): Promise<Message> {
    const { records, clock } = this.#deps
    const value = records.bytesAt(dhtKey(key))
    const closer = await this.#closer(peer, key, over)
    if (value === undefined) return { type: 'getValue', key, closer }
    return { type: 'getValue', key, closer, record: { key, value, receivedMs: clock.now() } }
  }

  /** Whoever asks finds itself first: so it can tell that its announcement was taken. */
  async #getProviders(peer: PeerId, key: Uint8Array, over: Over): Promise<Message> {
    const { providersPerKeyMax } = this.#config
    const all = this.#deps.records.providers(dhtKey(key), providersPerKeyMax)
    const asker = all.filter((provider) => provider === peer)
    const others = all.filter((provider) => provider !== peer)
    const chosen = [...asker, ...others].slice(0, PEERS_MAX)
    const providers = await this.#infos(chosen)
    return { type: 'getProviders', key, providers, closer: await this.#closer(peer, key, over) }
  }

  #putValue(peer: PeerId, message: Message): Message {
    const key = keyOf(peer, message)
    const record = this.#writes.putValue(peer, key, message.record)
    return record === undefined ? { type: 'putValue', key } : { type: 'putValue', key, record }
  }

  async #addProvider(peer: PeerId, message: Message): Promise<undefined> {
    const own = this.#writes.addProvider(peer, keyOf(peer, message), message.providers)
    if (own !== undefined) await this.#deps.book.learn(peer, own.addresses, peer)
  }

  /** The closest peers that we know an address of, without the one who asks. */
  async #closer(peer: PeerId, key: Uint8Array, over: Over): Promise<PeerInfo[]> {
    const near = this.#deps.members.closest(dhtKey(key), this.#config.k + 1)
    const others = near.filter((contact) => contact.peer !== peer).slice(0, this.#config.k)
    const peers = others.map((contact) => contact.peer)
    const infos = (over === 'datagram' && this.#brief(peers)) || (await this.#infos(peers))
    return infos.filter(({ addresses }) => addresses.length > 0)
  }

  /** The peer that `key` names, even if it is in no table: a client, or we ourselves. */
  async #infoOfTarget(key: Uint8Array, over: Over): Promise<PeerInfo | undefined> {
    try {
      const peer = peerIdFromBytes(key)
      const [brief] = (over === 'datagram' && this.#brief([peer])) || []
      const info = brief ?? (await this.#info(peer))
      return info.addresses.length > 0 ? info : undefined
    } catch (error) {
      if (hasCode(error, 'IDENTITY_PEER_ID_INVALID')) return undefined
      throw error
    }
  }

  /** A datagram names peers by where they take datagrams: nothing else of them need be read. */
  #brief(peers: readonly PeerId[]): PeerInfo[] | undefined {
    const infos: PeerInfo[] = []
    for (const peer of peers) {
      const address = this.#deps.book.datagramAddressOf?.(peer)
      if (address === undefined) return undefined
      infos.push({ peer, addresses: [address] })
    }
    return infos
  }

  /** Without waiting when all of them were read a moment ago, as nearly always. */
  async #infos(peers: readonly PeerId[]): Promise<PeerInfo[]> {
    const recent = peers.map((peer) => this.#recent(peer)).filter((info) => info !== undefined)
    if (recent.length === peers.length) return recent
    return Promise.all(peers.map((peer) => this.#info(peer)))
  }

  /** What was read of a peer a moment ago. */
  #recent(peer: PeerId): PeerInfo | undefined {
    const known = this.#known.get(peer)
    return known !== undefined && this.#deps.clock.now() < known.untilMs ? known.info : undefined
  }

  async #info(peer: PeerId): Promise<PeerInfo> {
    const recent = this.#recent(peer)
    if (recent !== undefined) return recent
    const { book, clock } = this.#deps
    const addresses = (await book.addressesOf(peer)).slice(0, ADDRESSES_MAX)
    const info = { peer, addresses }
    // Of whom nothing is known yet we may hear the next moment.
    if (addresses.length > 0) this.#known.set(peer, { info, untilMs: clock.now() + INFO_MS })
    return info
  }

  async #read(channel: Channel): Promise<Uint8Array | undefined> {
    const { streamIdleMs } = this.#config
    using idle = this.#deps.clock.deadline(streamIdleMs, this.#life.signal)
    try {
      return await channel.read({ signal: idle.signal })
    } catch (error) {
      if (idle.signal.aborted) return undefined
      throw error
    }
  }

  async #write(channel: Channel, frame: Uint8Array): Promise<void> {
    const { questionTimeoutMs } = this.#config
    using deadline = this.#deps.clock.deadline(questionTimeoutMs, this.#life.signal)
    await channel.write(frame, { signal: deadline.signal })
  }
}

function keyOf(peer: PeerId, message: Message): Uint8Array {
  const { key, type } = message
  if (key !== undefined && key.length > 0) return key
  throw DhtError.REFUSED({ peer, reason: `its ${type} has no key` })
}
