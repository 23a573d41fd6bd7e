/**
 * Addresses that others told us of peers. Sans I/O.
 *
 * Nobody signs them, so they are kept apart by who said it and taken in turns: one liar cannot push
 * out what others say, and cannot make the list longer than a dial will try.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

/** How many addresses of one peer one source may tell. */
export const ADDRESSES_PER_SOURCE_MAX = 8
const SOURCES_PER_PEER_MAX = 4

interface Told {
  readonly source: PeerId
  readonly addresses: readonly string[]
}

export class AddressBook {
  readonly #told: TtlMap<PeerId, readonly Told[]>

  constructor(limits: { readonly peersMax: number; readonly ageMaxMs: number }, clock: Clock) {
    this.#told = new TtlMap({ entriesMax: limits.peersMax, ttlMs: limits.ageMaxMs, clock })
  }

  /** What `source` says replaces what it said before; the source silent longest makes room. */
  learn(peer: PeerId, addresses: readonly string[], source: PeerId): void {
    const others = (this.#told.get(peer) ?? []).filter((told) => told.source !== source)
    const kept = others.slice(-(SOURCES_PER_PEER_MAX - 1))
    const own = [...new Set(addresses)].slice(0, ADDRESSES_PER_SOURCE_MAX)
    this.#told.set(peer, [...kept, { source, addresses: own }])
  }

  /** The newest source's first address, the next source's first, …, then the second of each. */
  of(peer: PeerId): readonly string[] {
    const told = (this.#told.get(peer) ?? []).toReversed()
    const turns = Array.from({ length: ADDRESSES_PER_SOURCE_MAX }, (_, turn) =>
      told.flatMap(({ addresses }) => addresses[turn] ?? []),
    )
    return [...new Set(turns.flat())]
  }
}
