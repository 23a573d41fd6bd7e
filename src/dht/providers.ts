/**
 * Who provides what: announced to the peers closest to the key, gathered from them.
 *
 * kad-dht does not answer an announcement, so ours is followed by the question who the providers
 * are, on the same stream: only a peer that then names us has taken it.
 */

import type { Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, isCoded } from './errors.ts'
import { gatherProviders, type Provider } from './gather.ts'
import { holdersOf } from './holders.ts'
import { type Contact, contactOf, dhtKey } from './key.ts'
import type { Members } from './members.ts'
import { providerKey } from './provider-key.ts'
import type { Questions } from './questions.ts'
import type { Records } from './records.ts'
import type { Failure, Search, TimedOptions } from './search.ts'
import type { Message } from './wire.ts'

/** How an announcement went. */
export interface ProvideReport {
  readonly name: string
  /** Who of the close group names us as a provider now. */
  readonly stored: readonly PeerId[]
  readonly failed: readonly Failure[]
  readonly wanted: number
  /** There where made-up peers crowd around the key, so that all of its region was asked. */
  readonly crowded?: true
}

/** Whom a search for providers found: "nobody" needs `complete`, and `failed` to be empty. */
export interface ProvidersReport {
  readonly name: string
  readonly providers: readonly Provider[]
  readonly answered: readonly PeerId[]
  readonly failed: readonly Failure[]
  readonly complete: boolean
  /** There where made-up peers crowd around the key, so that all of its region was asked. */
  readonly crowded?: true
}

export interface ProvidersDeps {
  readonly host: Pick<Host, 'self' | 'addressesOf'>
  readonly records: Pick<Records, 'addProvider' | 'removeProvider' | 'providers'>
  readonly members: Pick<Members, 'selfAmong' | 'density'>
  readonly questions: Pick<Questions, 'ask' | 'addressesOf' | 'learn'>
  readonly search: Pick<Search, 'run'>
  readonly log: Logger
}

export class Providers {
  readonly #deps: ProvidersDeps
  readonly #config: DhtConfig

  constructor(deps: ProvidersDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
  }

  async provide(name: string, options: CallOptions = {}): Promise<ProvideReport> {
    const { host, members, search } = this.#deps
    const key = providerKey(name)
    const own = this.#addHere(key)
    const found = await search.run(
      { type: 'findNode', key },
      { ...options, region: 'when-crowded' },
    )
    const holding = { self: contactOf(host.self), members }
    const { here, others, wanted } = holdersOf(dhtKey(key), found, holding, this.#config)
    const stored: PeerId[] = []
    const failed: Failure[] = []
    if (own !== undefined) failed.push({ peer: host.self, code: own })
    else if (here) stored.push(host.self)

    const announce = async ({ peer }: Contact): Promise<void> => {
      try {
        if (await this.#announce(peer, key, options)) stored.push(peer)
        else failed.push({ peer, code: 'DHT_PUT_REFUSED' })
      } catch (error) {
        options.signal?.throwIfAborted()
        failed.push({ peer, code: codeOf(error) })
      }
    }
    await Promise.all(others.map(announce))
    const report = { name, stored, failed, wanted }
    return found.crowded ? { ...report, crowded: true } : report
  }

  /** Takes our own row away; rows at other peers expire, for kad-dht has no message to recall. */
  unprovide(name: string): void {
    this.#deps.records.removeProvider(dhtKey(providerKey(name)), this.#deps.host.self)
  }

  async find(name: string, options: TimedOptions = {}): Promise<ProvidersReport> {
    const { host, records, search, questions } = this.#deps
    const key = providerKey(name)
    const known = records.providers(dhtKey(key), this.#config.providersPerKeyMax)
    const gathering = { self: host.self, host, questions, search }
    const found = await gatherProviders(gathering, key, known, options)
    const { providers, failed, complete, crowded } = found
    const answered = [host.self, ...found.answered]
    const report = { name, providers, answered, failed, complete }
    return crowded ? { ...report, crowded } : report
  }

  async #announce(peer: PeerId, key: Uint8Array, options: CallOptions): Promise<boolean> {
    const { host, questions } = this.#deps
    const self = { peer: host.self, addresses: await questions.addressesOf(host.self) }
    const messages: Message[] = [
      { type: 'addProvider', key, providers: [self] },
      { type: 'getProviders', key },
    ]
    const answer = await questions.ask(peer, messages, options)
    return (answer.providers ?? []).some((info) => info.peer === host.self)
  }

  #addHere(key: Uint8Array): string | undefined {
    try {
      this.#deps.records.addProvider(dhtKey(key))
      return undefined
    } catch (error) {
      if (isCoded(error)) return error.code
      throw error
    }
  }
}
