/**
 * What we do when asked: admit, decode, check, act, answer, in this order.
 *
 * Any libp2p peer may ask for peers, providers and values, on a stream or by datagram: both come
 * here. Storing is another matter (`writes.ts`): a value only as a record of ours, a provider only
 * by itself. Whoever speaks nonsense or over its quota loses the stream, or gets no datagram.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, equalBytes, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, DhtError } from './errors.ts'
import { dhtKey } from './key.ts'
import type { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import { Naming, type NamingDeps, type Over } from './naming.ts'
import type { Records } from './records.ts'
import { decodeQuestion, encodeMessage, type Message, PEERS_MAX, type PeerInfo } from './wire.ts'
import { Writes } from './writes.ts'

export interface HandlerDeps extends NamingDeps {
  readonly policy: Policy
  readonly records: Records
  readonly members: Pick<Members, 'closest'>
  /** The public network that a peer speaks from; undefined when it is private or not known. */
  readonly siteOf: (peer: PeerId) => string | undefined
  /** Says what a peer on a stream speaks; without one, all who ask are nodes of this project. */
  readonly host?: Pick<Host, 'protocolsOf'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: DhtMetrics
}

const OURS = '/p2p-foundation/'

export class Handler {
  readonly #deps: HandlerDeps
  readonly #config: DhtConfig
  readonly #writes: Writes
  readonly #naming: Naming
  readonly #life = new AbortController()

  constructor(deps: HandlerDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
    this.#writes = new Writes(deps, config)
    this.#naming = new Naming(deps)
  }

  /** Answers one peer's questions in their order, for as long as it keeps asking. Never rejects. */
  async serve(channel: Channel): Promise<void> {
    const { peer } = channel
    try {
      for (;;) {
        const frame = await this.#read(channel)
        if (frame === undefined) break
        const answer = await this.answer(peer, frame)
        if (isRefusal(answer)) await this.#refuse(peer)
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
    let before: Message | undefined
    policy.admit(peer, 'dht.query')
    for (const message of messages) {
      if (before !== undefined) policy.admit(peer, 'dht.query')
      const over = isReceiptFor(before, message) ? 'receipt' : 'datagram'
      answer = await this.#answer(peer, message, over)
      before = message
    }
    return answer
  }

  stop(): void {
    this.#life.abort(DhtError.STOPPED({ key: 'answers' }))
  }

  /**
   * A write that is answered without a record is refused, to nodes of ours. go-libp2p's kad-dht
   * 0.36 ends its process over such an answer, so others lose their stream instead.
   */
  async #refuse(peer: PeerId): Promise<void> {
    const spoken = (await this.#deps.host?.protocolsOf(peer)) ?? [OURS]
    if (spoken.some((protocol) => protocol.startsWith(OURS))) return
    throw DhtError.REFUSED({ peer, reason: 'its value was not taken' })
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
    const wanted = await this.#naming.target(key, over)
    if (wanted === undefined) return { type: 'findNode', key, closer }
    // What is said of the one that is wanted may be more than what is said of others.
    const others = closer.filter((info) => info.peer !== wanted.peer)
    return { type: 'findNode', key, closer: [wanted, ...others].slice(0, PEERS_MAX) }
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
    if (over === 'receipt') {
      const own = asker.map((provider) => ({ peer: provider, addresses: [] }))
      return { type: 'getProviders', key, providers: own }
    }
    const others = all.filter((provider) => provider !== peer)
    const chosen = [...asker, ...others].slice(0, PEERS_MAX)
    const providers = await this.#naming.infos(chosen)
    return { type: 'getProviders', key, providers, closer: await this.#closer(peer, key, over) }
  }

  #putValue(peer: PeerId, message: Message): Message {
    const key = keyOf(peer, message)
    const record = this.#writes.putValue(peer, key, message.record)
    return record === undefined ? { type: 'putValue', key } : { type: 'putValue', key, record }
  }

  async #addProvider(peer: PeerId, message: Message): Promise<undefined> {
    const own = this.#writes.addProvider(peer, keyOf(peer, message), message.providers)
    if (own !== undefined) await this.#naming.learn(own)
  }

  /** The closest peers that we know an address of, without the one who asks. */
  async #closer(peer: PeerId, key: Uint8Array, over: Over): Promise<PeerInfo[]> {
    const near = this.#deps.members.closest(dhtKey(key), this.#config.k + 1)
    const others = near.filter((contact) => contact.peer !== peer).slice(0, this.#config.k)
    return this.#naming.closer(
      others.map((contact) => contact.peer),
      over,
    )
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

/** Who announces itself has looked for the place a moment ago: it wants to know if it was taken. */
function isReceiptFor(before: Message | undefined, { type, key = NO_KEY }: Message): boolean {
  if (before?.type !== 'addProvider' || type !== 'getProviders') return false
  return equalBytes(before.key ?? NO_KEY, key)
}

const NO_KEY = new Uint8Array()

function keyOf(peer: PeerId, message: Message): Uint8Array {
  const { key, type } = message
  if (key !== undefined && key.length > 0) return key
  throw DhtError.REFUSED({ peer, reason: `its ${type} has no key` })
}

function isRefusal(answer: Message | undefined): boolean {
  return answer?.type === 'putValue' && answer.record === undefined
}
