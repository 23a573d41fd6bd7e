/**
 * What peers want stored here: admitted, checked, stored or refused, and refusals counted.
 *
 * kad-dht has no answer that says no, so a refused value is answered without a record and a refused
 * provider by silence. Whoever sends what can never be stored, or goes on after its share is full,
 * pays `access` for it and is soon not read at all. What is refused for our own reasons (no room,
 * not our concern, a broken disk) is nobody's fault.
 */

import type { Policy } from '../access/index.ts'
import { type Clock, equalBytes, hasCode, type Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { DhtConfig } from './config.ts'
import { DhtError, isCoded } from './errors.ts'
import { dhtKey } from './key.ts'
import type { DhtMetrics } from './metrics.ts'
import { Penalties } from './penalties.ts'
import { isProviderKey } from './provider-key.ts'
import type { Sender } from './quotas.ts'
import type { Records } from './records.ts'
import { parseRecordNameBytes } from './validators.ts'
import type { KadRecord, PeerInfo } from './wire.ts'

export interface WritesDeps {
  readonly policy: Policy
  readonly records: Pick<Records, 'put' | 'addProvider' | 'count'>
  /** The public network that a peer speaks from; undefined when it is private or not known. */
  readonly siteOf: (peer: PeerId) => string | undefined
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  readonly metrics: DhtMetrics
}

type Kind = 'putValue' | 'addProvider'

export class Writes {
  readonly #deps: WritesDeps
  readonly #penalties: Penalties

  constructor(deps: WritesDeps, config: DhtConfig) {
    this.#deps = deps
    this.#penalties = new Penalties(deps.clock, config)
  }

  /** The record that lies here afterwards: the one given, or a newer one; nothing if refused. */
  putValue(peer: PeerId, key: Uint8Array, given: KadRecord | undefined): KadRecord | undefined {
    const { records, metrics, clock } = this.#deps
    return this.#write(peer, 'putValue', () => {
      if (given === undefined || !equalBytes(given.key, key)) {
        throw DhtError.REFUSED({ peer, reason: 'the key of the message is not that of the record' })
      }
      const outcome = records.put(parseRecordNameBytes(key), given.value, this.#senderOf(peer))
      metrics.recordsStored.set(records.count)
      if (outcome.kind === 'stored') return given
      return { key, value: outcome.held.bytes, receivedMs: clock.now() }
    })
  }

  /** What the sender says of itself, once it is noted as a provider; nothing if refused. */
  addProvider(
    peer: PeerId,
    key: Uint8Array,
    announced: readonly PeerInfo[] = [],
  ): PeerInfo | undefined {
    return this.#write(peer, 'addProvider', () => {
      if (!isProviderKey(key)) throw DhtError.REFUSED({ peer, reason: 'the key is no SHA-256' })
      const own = announced.find((info) => info.peer === peer)
      if (own === undefined) {
        throw DhtError.REFUSED({ peer, reason: 'a provider is announced by itself only' })
      }
      this.#deps.records.addProvider(dhtKey(key), this.#senderOf(peer))
      return own
    })
  }

  /** Throws only what the policy does: then the peer has nothing left to pay with. */
  #write<T>(peer: PeerId, type: Kind, store: () => T): T | undefined {
    const { policy, metrics } = this.#deps
    policy.admit(peer, 'dht.put')
    if (this.#penalties.has(peer)) {
      metrics.writesRefused.add(1, { type, code: 'penalty' })
      policy.admit(peer, 'dht.refused')
      return undefined
    }
    try {
      return store()
    } catch (error) {
      if (!isCoded(error)) throw error
      this.#refused(peer, type, error)
      return undefined
    }
  }

  #refused(peer: PeerId, type: Kind, error: Error & { readonly code: string }): void {
    const { policy, log, metrics } = this.#deps
    const { code } = error
    metrics.writesRefused.add(1, { type, code })
    log.debug('write of a peer refused', { peer, type, code })
    if (hasCode(error, ...NOBODYS_FAULT) || isOfAnother(peer, error)) return
    if (this.#penalties.refused(peer)) {
      metrics.penalties.add(1)
      log.warn('writes of a peer are not read for a while', { peer, code })
    }
    policy.admit(peer, 'dht.refused')
  }

  #senderOf(peer: PeerId): Sender {
    return { peer, site: this.#deps.siteOf(peer) ?? null }
  }
}

/** Who mends what it read cannot know that its publisher has no share left here. */
function isOfAnother(peer: PeerId, error: unknown): boolean {
  if (!hasCode(error, 'DHT_PUBLISHER_QUOTA')) return false
  const { publisher } = error.facts as { readonly publisher: PeerId }
  return publisher !== peer
}

/** Another peer of its network may have filled that network's share. */
const NOBODYS_FAULT = [
  'DHT_NOT_RESPONSIBLE',
  'DHT_CROWDED',
  'DHT_SITE_QUOTA',
  'DHT_STORE_FULL',
  'DHT_STORE_FAILED',
  'DHT_STORE_BROKEN',
] as const
