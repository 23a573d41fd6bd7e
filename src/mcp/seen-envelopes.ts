/**
 * Which relayed calls came before: a relay may hand over what it holds as often as it likes, and
 * each is taken once. Entries go when the call would be refused for its age; nothing makes room
 * before that, because what is forgotten could come again.
 *
 * Authors cost nothing, so what one peer carries is bounded as well, whoever signed it: alone a
 * quarter, and of the rest the next has a quarter, so that there is always some for another.
 */

import { toHex } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { ENVELOPE_AGE_MS_MAX, type Envelope } from './envelope.ts'
import { McpError } from './errors.ts'
import { Shares } from './shares.ts'

const PER_CALLER_MAX = 1_024
const MAX = 16_384
/** A third of what is left is a quarter of what there was. */
const FACTORS = [1 / 3]

interface Seen {
  readonly untilMs: number
  readonly via: PeerId
}

/** A call, and who carried it here. */
export interface Carried extends Pick<Envelope, 'from' | 'id' | 'sentAtMs'> {
  readonly via: PeerId
}

export class SeenEnvelopes {
  /** By caller and id. */
  readonly #byCaller = new Map<PeerId, Map<string, Seen>>()
  readonly #places = new Shares({ max: () => MAX, factors: FACTORS })

  has({ from, id }: Pick<Envelope, 'from' | 'id'>): boolean {
    return this.#byCaller.get(from)?.has(toHex(id)) === true
  }

  /** Notes one whose signature holds. Throws where there is no room to remember it. */
  add({ from, id, sentAtMs, via }: Carried, nowMs: number): void {
    const known = this.#byCaller.get(from)?.size ?? 0
    if (known >= PER_CALLER_MAX || !this.#places.fits([via])) this.#sweep(nowMs)
    const own = this.#byCaller.get(from) ?? new Map<string, Seen>()
    if (own.size >= PER_CALLER_MAX) {
      throw McpError.BUSY({ what: `the relayed calls of ${from}`, limit: PER_CALLER_MAX })
    }
    if (!this.#places.take([via])) {
      const limit = this.#places.heldBy(via)
      throw McpError.BUSY({ what: `what ${via} carried here of late`, limit })
    }
    own.set(toHex(id), { untilMs: sentAtMs + ENVELOPE_AGE_MS_MAX, via })
    this.#byCaller.set(from, own)
  }

  #sweep(nowMs: number): void {
    for (const [caller, own] of this.#byCaller) {
      for (const [id, { untilMs, via }] of own) {
        if (untilMs >= nowMs) continue
        own.delete(id)
        this.#places.give([via])
      }
      if (own.size === 0) this.#byCaller.delete(caller)
    }
  }
}
