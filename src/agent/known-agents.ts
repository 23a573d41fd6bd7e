/**
 * Records of agents as they were last heard or read, by address; sans I/O, bounded.
 *
 * For some minutes such a record is taken as it is; after that the network is asked, and only where
 * that has no answer the old one serves, for as long as its binding holds: an agent that is away
 * can still be written to. A record with a lower version never takes the place of a higher one.
 */

import { type Clock, RecentMap } from '../base/index.ts'
import type { EthValue } from '../dht/index.ts'
import type { Binding, EthAddress, PeerId } from '../identity/index.ts'
import { type PreKey, readPreKey } from './pre-keys.ts'

/** How long a record is taken as it is. */
export const FRESH_MS = 300_000
const KNOWN_MAX = 8_192

/** Who speaks for an address, and by which keys it is written to. */
export interface KnownAgent {
  readonly peer: PeerId
  readonly binding: Binding
  readonly preKeys: readonly PreKey[]
}

interface Entry {
  readonly agent: KnownAgent
  readonly heardMs: number
}

export class KnownAgents {
  readonly #moved: (agent: KnownAgent) => void
  readonly #clock: Pick<Clock, 'now'>
  readonly #network: string
  readonly #entries = new RecentMap<EthAddress, Entry>(KNOWN_MAX)

  /** Calls `moved` when a known address speaks through another peer from now on. */
  constructor(
    clock: Pick<Clock, 'now'>,
    network: string,
    moved: (agent: KnownAgent) => void = () => undefined,
  ) {
    this.#moved = moved
    this.#clock = clock
    this.#network = network
  }

  /** Notes a record whose binding holds, and returns the one that is the newest. */
  note(record: Omit<EthValue, 'binding'> & { readonly binding: Binding }): KnownAgent {
    const { binding } = record
    const known = this.#entries.get(binding.address)?.agent
    if (known !== undefined && known.binding.version > binding.version) return known
    const agent = { peer: binding.peer, binding, preKeys: this.#preKeysOf(record) }
    this.#entries.set(binding.address, { agent, heardMs: this.#clock.now() })
    if (known !== undefined && known.peer !== agent.peer) this.#moved(agent)
    return agent
  }

  /** Of a record without keys only that a known address speaks through another peer counts. */
  noteMove(record: Omit<EthValue, 'binding'> & { readonly binding: Binding }): void {
    const { address, peer } = record.binding
    const known = this.#entries.get(address)?.agent
    if (known === undefined || known.peer === peer) return
    this.note(record)
    this.forget(address)
  }

  /** The highest binding of an address that was ever seen here and is not forgotten. */
  newest(address: EthAddress): Binding | undefined {
    return this.#entries.get(address)?.agent.binding
  }

  /** One that was heard a moment ago. */
  fresh(address: EthAddress): KnownAgent | undefined {
    const entry = this.#entries.get(address)
    if (entry === undefined || entry.heardMs <= this.#clock.now() - FRESH_MS) return undefined
    return this.stale(address)
  }

  /** One that may have been replaced, and that holds. */
  stale(address: EthAddress): KnownAgent | undefined {
    const agent = this.#entries.get(address)?.agent
    if (agent === undefined) return undefined
    const nowMs = this.#clock.now()
    if (agent.binding.expiresMs <= nowMs) return undefined
    const preKeys = agent.preKeys.filter(({ expiresAtMs }) => expiresAtMs > nowMs)
    return preKeys.length === agent.preKeys.length ? agent : { ...agent, preKeys }
  }

  /** Is not taken as it is any more: what it says was found to be wrong. */
  forget(address: EthAddress): void {
    const entry = this.#entries.get(address)
    if (entry !== undefined) {
      this.#entries.set(address, { ...entry, heardMs: Number.NEGATIVE_INFINITY })
    }
  }

  /** Those that the peer signed and that can be used; one that is bad spoils no other. */
  #preKeysOf({ binding, preKeys }: Pick<EthValue, 'preKeys'> & { readonly binding: Binding }) {
    const at = { peer: binding.peer, network: this.#network, nowMs: this.#clock.now() }
    return preKeys.flatMap((packed) => {
      try {
        return [readPreKey(packed, at)]
      } catch {
        return []
      }
    })
  }
}
