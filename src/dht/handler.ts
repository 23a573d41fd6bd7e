/**
 * What we do when asked: admit, decode, check, act, answer, in this order.
 *
 * Any libp2p peer may ask for peers, providers and values. Storing is another matter: a value only
 * as a record of ours, a provider only by itself. kad-dht has no answer that says no, so a refused
 * value is answered without a record (whoever stored it would echo it), a refused provider by
 * silence, as an accepted one; and whoever speaks nonsense or over its quota loses the stream.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, equalBytes, hasCode, type Logger } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import type { Channel, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, DhtError, isCoded } from './errors.ts'
import { dhtKey } from './key.ts'
import type { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import { isProviderKey } from './provider-key.ts'
import type { Records } from './records.ts'
import { parseRecordNameBytes } from './validators.ts'
import {
  ADDRESSES_MAX,
  decodeQuestion,
  encodeMessage,
  type KadRecord,
  type Message,
  PEERS_MAX,
  type PeerInfo,
} from './wire.ts'

export interface HandlerDeps {
  readonly host: Pick<Host, 'self' | 'addresses' | 'addressesOf' | 'learn'>
  readonly policy: Policy
  readonly records: Records
  readonly members: Pick<Members, 'closest'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: DhtMetrics
}

export class Handler {
  readonly #deps: HandlerDeps
  readonly #config: DhtConfig
  readonly #life = new AbortController()

  constructor(deps: HandlerDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
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
    let type = 'malformed'
    try {
      const message = decodeQuestion(frame)
      type = message.type
      const answer = await this.#act(peer, message)
      metrics.answers.add(1, { type, outcome: 'ok' })
      return answer
    } catch (error) {
      metrics.answers.add(1, { type, outcome: codeOf(error) })
      throw error
    }
  }

  stop(): void {
    this.#life.abort(DhtError.STOPPED({ key: 'answers' }))
  }

  async #act(peer: PeerId, message: Message): Promise<Message | undefined> {
    switch (message.type) {
      case 'ping':
        return { type: 'ping' }
      case 'findNode':
        return this.#findNode(peer, keyOf(peer, message))
      case 'getValue':
        return this.#getValue(peer, keyOf(peer, message))
      case 'getProviders':
        return this.#getProviders(peer, keyOf(peer, message))
      case 'putValue':
        return this.#putValue(peer, message)
      case 'addProvider':
        return this.#addProvider(peer, message)
    }
  }

  async #findNode(peer: PeerId, key: Uint8Array): Promise<Message> {
    const closer = await this.#closer(peer, key)
    const wanted = await this.#infoOfTarget(key)
    if (wanted === undefined || closer.some((info) => info.peer === wanted.peer)) {
      return { type: 'findNode', key, closer }
    }
    return { type: 'findNode', key, closer: [wanted, ...closer].slice(0, PEERS_MAX) }
  }

  async #getValue(peer: PeerId, key: Uint8Array): Promise<Message> {
    const bytes = this.#deps.records.get(dhtKey(key))?.bytes
    const closer = await this.#closer(peer, key)
    if (bytes === undefined) return { type: 'getValue', key, closer }
    return { type: 'getValue', key, closer, record: this.#wrap(key, bytes) }
  }

  /** Whoever asks finds itself first: so it can tell that its announcement was taken. */
  async #getProviders(peer: PeerId, key: Uint8Array): Promise<Message> {
    const { providersPerKeyMax } = this.#config
    const all = this.#deps.records.providers(dhtKey(key), providersPerKeyMax)
    const asker = all.filter((provider) => provider === peer)
    const others = all.filter((provider) => provider !== peer)
    const chosen = [...asker, ...others].slice(0, PEERS_MAX)
    const providers = await Promise.all(chosen.map((provider) => this.#info(provider)))
    return { type: 'getProviders', key, providers, closer: await this.#closer(peer, key) }
  }

  async #putValue(peer: PeerId, message: Message): Promise<Message> {
    this.#deps.policy.admit(peer, 'dht.put')
    const key = keyOf(peer, message)
    const record = this.#store(peer, key, message.record)
    return record === undefined ? { type: 'putValue', key } : { type: 'putValue', key, record }
  }

  /** The record that lies here afterwards: the one given, or a newer one; nothing if refused. */
  #store(peer: PeerId, key: Uint8Array, given: KadRecord | undefined): KadRecord | undefined {
    const { records, metrics, log } = this.#deps
    try {
      if (given === undefined || !equalBytes(given.key, key)) {
        throw DhtError.REFUSED({ peer, reason: 'the key of the message is not that of the record' })
      }
      const outcome = records.put(parseRecordNameBytes(key), given.value)
      metrics.recordsStored.set(records.count)
      return outcome.kind === 'stored' ? given : this.#wrap(key, outcome.held.bytes)
    } catch (error) {
      if (!isCoded(error)) throw error
      log.warn('value of a peer refused', { peer, code: error.code })
      return undefined
    }
  }

  async #addProvider(peer: PeerId, message: Message): Promise<undefined> {
    const { policy, records, host, log } = this.#deps
    policy.admit(peer, 'dht.put')
    const key = keyOf(peer, message)
    const own = message.providers?.find((info) => info.peer === peer)
    try {
      if (!isProviderKey(key)) throw DhtError.REFUSED({ peer, reason: 'the key is no SHA-256' })
      if (own === undefined) {
        throw DhtError.REFUSED({ peer, reason: 'a provider is announced by itself only' })
      }
      records.addProvider(dhtKey(key), peer)
    } catch (error) {
      if (!isCoded(error)) throw error
      log.warn('provider refused', { peer, code: error.code })
      return undefined
    }
    await host.learn(peer, own.addresses, peer)
    return undefined
  }

  /** The closest peers that we know an address of, without the one who asks. */
  async #closer(peer: PeerId, key: Uint8Array): Promise<PeerInfo[]> {
    const near = this.#deps.members.closest(dhtKey(key), this.#config.k + 1)
    const others = near.filter((contact) => contact.peer !== peer).slice(0, this.#config.k)
    const infos = await Promise.all(others.map((contact) => this.#info(contact.peer)))
    return infos.filter(({ addresses }) => addresses.length > 0)
  }

  /** The peer that `key` names, even if it is in no table: a client, or we ourselves. */
  async #infoOfTarget(key: Uint8Array): Promise<PeerInfo | undefined> {
    try {
      const info = await this.#info(peerIdFromBytes(key))
      return info.addresses.length > 0 ? info : undefined
    } catch (error) {
      if (hasCode(error, 'IDENTITY_PEER_ID_INVALID')) return undefined
      throw error
    }
  }

  async #info(peer: PeerId): Promise<PeerInfo> {
    const { host } = this.#deps
    const addresses = peer === host.self ? host.addresses() : await host.addressesOf(peer)
    return { peer, addresses: addresses.slice(0, ADDRESSES_MAX) }
  }

  #wrap(key: Uint8Array, value: Uint8Array): KadRecord {
    return { key, value, receivedMs: this.#deps.clock.now() }
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
