/**
 * Whether others reach us at an address: what was tried, by whom, and what follows. Sans I/O.
 *
 * Evidence is a connection that somebody made to us at the address, asked to (AutoNAT) or not, or
 * one that they could not make. Like reports, it counts once for each network, for an hour.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { groupOf } from '../ip/index.ts'

export type Verdict = 'public' | 'private' | 'unknown'

/** One try to reach us. */
export interface Evidence {
  readonly by: PeerId
  readonly from: string
  readonly atMs: number
  readonly what: 'dialled back' | 'connected' | 'not reached'
}

export interface AddressVerdict {
  readonly address: string
  readonly verdict: Verdict
  /** Networks that reached us there, that did not, and how many were wanted for a verdict. */
  readonly reached: number
  readonly missed: number
  readonly wanted: number
  readonly evidence: readonly Evidence[]
}

const VOICES_WANTED = 4
const ADDRESSES_MAX = 32
const EVIDENCE_MAX = 16
const EVIDENCE_MS = 3_600_000
const NETWORK_BITS = { v4: 16, v6: 32 }

export class Verdicts {
  readonly #evidence: TtlMap<string, readonly Evidence[]>

  constructor(clock: Clock) {
    this.#evidence = new TtlMap({ entriesMax: ADDRESSES_MAX, ttlMs: EVIDENCE_MS, clock })
  }

  /** The newest word of a network replaces the one before. */
  add(address: string, evidence: Evidence): void {
    const others = this.#of(address).filter((one) => networkOf(one) !== networkOf(evidence))
    this.#evidence.set(address, [...others, evidence].slice(-EVIDENCE_MAX))
  }

  clear(): void {
    for (const [address] of this.#evidence.entries()) this.#evidence.delete(address)
  }

  /** Whether this network has said something of the address since. */
  heard(address: string, from: string, sinceMs: number): boolean {
    const network = groupOf(from, NETWORK_BITS)
    return this.#of(address).some((one) => networkOf(one) === network && one.atMs >= sinceMs)
  }

  /** `networks` is how many could be asked: with fewer than four, fewer decide. */
  of(address: string, networks: number): AddressVerdict {
    const evidence = this.#of(address)
    const reached = evidence.filter(({ what }) => what !== 'not reached').length
    const missed = evidence.length - reached
    const wanted = Math.max(1, Math.min(VOICES_WANTED, networks))
    const verdict =
      reached >= wanted && reached > missed
        ? 'public'
        : missed >= wanted && missed >= reached
          ? 'private'
          : 'unknown'
    return { address, verdict, reached, missed, wanted, evidence }
  }

  #of(address: string): readonly Evidence[] {
    return this.#evidence.get(address) ?? []
  }
}

function networkOf({ from }: Evidence): string {
  return groupOf(from, NETWORK_BITS)
}
