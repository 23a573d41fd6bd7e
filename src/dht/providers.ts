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
import { type Contact, dhtKey } from './key.ts'
import type { Members } from './members.ts'
import { providerKey } from './provider-key.ts'
import type { Questions } from './questions.ts'
import type { Records } from './records.ts'
import type { Failure, Search, TimedOptions } from './search.ts'
import { ADDRESSES_MAX, type Message, type PeerInfo } from './wire.ts'

/** More than anybody can choose among; a bound on what liars can make us remember. */
const FOUND_MAX = 512

/** How an announcement went. */
export interface ProvideReport {
  readonly name: string
  /** Who of the close group names us as a provider now. */
  readonly stored: readonly PeerId[]
  readonly failed: readonly Failure[]
  readonly wanted: number
}

/** One peer that a search for providers found. */
export interface Provider {
  readonly peer: PeerId
  /** Multiaddrs known for it, without its peer id; empty for this node itself. */
  readonly addresses: readonly string[]
}

/** Whom a search for providers found: "nobody" needs `complete`, and `failed` to be empty. */
export interface ProvidersReport {
  readonly name: string
  readonly providers: readonly Provider[]
  readonly answered: readonly PeerId[]
  readonly failed: readonly Failure[]
  readonly complete: boolean
}

export interface ProvidersDeps {
  readonly host: Pick<Host, 'self' | 'addresses' | 'addressesOf' | 'learn'>
  readonly records: Pick<Records, 'addProvider' | 'removeProvider' | 'providers'>
  readonly members: Pick<Members, 'selfAmong'>
  readonly questions: Pick<Questions, 'ask'>
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
    const { replication, mode } = this.#config
    const key = providerKey(name)
    const stored: PeerId[] = []
    const failed: Failure[] = []
    const belongsHere = mode === 'server' && members.selfAmong(dhtKey(key), replication)
    const own = this.#addHere(key)
    if (own !== undefined) failed.push({ peer: host.self, code: own })
    else if (belongsHere) stored.push(host.self)

    const { closest } = await search.run({ type: 'findNode', key }, options)
    const others = closest.slice(0, belongsHere ? replication - 1 : replication)
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
    return { name, stored, failed, wanted: replication }
  }

  /** Takes our own row away; rows at other peers expire, for kad-dht has no message to recall. */
  unprovide(name: string): void {
    this.#deps.records.removeProvider(dhtKey(providerKey(name)), this.#deps.host.self)
  }

  async find(name: string, options: TimedOptions = {}): Promise<ProvidersReport> {
    const { host, records, search } = this.#deps
    const key = providerKey(name)
    const found = new Map<PeerId, { info: PeerInfo; source: PeerId }[]>()
    const note = (info: PeerInfo, source: PeerId): void => {
      const known = found.get(info.peer)
      if (known !== undefined) known.push({ info, source })
      else if (found.size < FOUND_MAX) found.set(info.peer, [{ info, source }])
    }
    for (const peer of records.providers(dhtKey(key), this.#config.providersPerKeyMax)) {
      note({ peer, addresses: [] }, host.self)
    }
    const report = await search.run(
      { type: 'getProviders', key },
      {
        ...options,
        onAnswer: (source, { providers = [] }) => {
          for (const info of providers) note(info, source)
          return false
        },
      },
    )
    const providers: Provider[] = []
    for (const [peer, told] of found) providers.push(await this.#resolve(peer, told))
    const { failed, complete } = report
    return { name, providers, answered: [host.self, ...report.answered], failed, complete }
  }

  /** The host filters what each source may tell; what it keeps is what we pass on. */
  async #resolve(
    peer: PeerId,
    told: readonly { info: PeerInfo; source: PeerId }[],
  ): Promise<Provider> {
    const { host } = this.#deps
    if (peer === host.self) return { peer, addresses: [] }
    for (const { info, source } of told.slice(0, ADDRESSES_MAX)) {
      if (info.addresses.length > 0) await host.learn(peer, info.addresses, source)
    }
    return { peer, addresses: await host.addressesOf(peer) }
  }

  async #announce(peer: PeerId, key: Uint8Array, options: CallOptions): Promise<boolean> {
    const { host, questions } = this.#deps
    const self = { peer: host.self, addresses: host.addresses() }
    const messages: Message[] = [
      { type: 'addProvider', key, providers: [self] },
      { type: 'getProviders', key },
    ]
    const answer = await questions.ask(peer, messages, options)
    return (answer.providers ?? []).some((info) => info.peer === host.self)
  }

  #addHere(key: Uint8Array): string | undefined {
    try {
      this.#deps.records.addProvider(dhtKey(key), this.#deps.host.self)
      return undefined
    } catch (error) {
      if (isCoded(error)) return error.code
      throw error
    }
  }
}
