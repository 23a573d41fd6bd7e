/**
 * Peers that could not be reached a moment ago, so that a dead one costs its time-outs once and not
 * each time somebody wants it. Sans I/O.
 *
 * A pause is 2 s at first and doubles with each dial that fails, up to 60 s. It ends at once when
 * the peer is connected, whoever dialled, and while an address is known that was not tried: so
 * whoever spreads dead addresses of a peer cannot keep us from its true ones.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Attempt } from './errors.ts'

const PAUSE_FIRST_MS = 2_000
const PAUSE_MAX_MS = 60_000
/** Failures further apart than this have nothing to do with each other. */
const REMEMBERED_MS = 5 * PAUSE_MAX_MS
const PEERS_MAX = 1_024
/** More than are ever known of a peer at once. */
const ADDRESSES_MAX = 64

interface Pause {
  /** Where nobody answered, in this dial or an earlier one; the newest last. */
  readonly addresses: readonly string[]
  readonly tried: readonly Attempt[]
  readonly failures: number
  readonly untilMs: number
}

export class DialPauses {
  readonly #clock: Pick<Clock, 'now'>
  readonly #pauses: TtlMap<PeerId, Pause>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#pauses = new TtlMap({ entriesMax: PEERS_MAX, ttlMs: REMEMBERED_MS, clock })
  }

  /** How long no dial of `peer` is due, whatever is known of it by now; zero for most. */
  leftMs(peer: PeerId): number {
    return Math.max(0, (this.#pauses.get(peer)?.untilMs ?? 0) - this.#clock.now())
  }

  /** What the last dial met with. */
  tried(peer: PeerId): readonly Attempt[] {
    return this.#pauses.get(peer)?.tried ?? []
  }

  /** Whether nobody answered at `address` lately. */
  isDead(peer: PeerId, address: string): boolean {
    return this.#pauses.get(peer)?.addresses.includes(address) === true
  }

  /** A dial went through `addresses`, and nobody answered at any of them. */
  failed(peer: PeerId, addresses: readonly string[], tried: readonly Attempt[]): void {
    const before = this.#pauses.get(peer)
    const failures = (before?.failures ?? 0) + 1
    const all = new Set([...(before?.addresses ?? []), ...addresses])
    this.#pauses.set(peer, {
      addresses: [...all].slice(-ADDRESSES_MAX),
      tried,
      failures,
      untilMs: this.#clock.now() + Math.min(PAUSE_MAX_MS, PAUSE_FIRST_MS * 2 ** (failures - 1)),
    })
  }

  /** The peer is connected. */
  end(peer: PeerId): void {
    this.#pauses.delete(peer)
  }
}
