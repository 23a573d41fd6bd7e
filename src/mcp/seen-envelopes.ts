/**
 * Which relayed calls came before: a relay may hand over what it holds as often as it likes, and
 * each is taken once. Entries go when the call would be refused for its age; nothing makes room
 * before that, because what is forgotten could come again.
 */

import { toHex } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { ENVELOPE_AGE_MS_MAX, type Envelope } from './envelope.ts'
import { McpError } from './errors.ts'

const PER_CALLER_MAX = 1_024
const MAX = 16_384

export class SeenEnvelopes {
  /** Until when each is kept, by caller and id. */
  readonly #byCaller = new Map<PeerId, Map<string, number>>()
  #size = 0

  has({ from, id }: Pick<Envelope, 'from' | 'id'>): boolean {
    return this.#byCaller.get(from)?.has(toHex(id)) === true
  }

  /** Notes one whose signature holds. Throws where there is no room to remember it. */
  add({ from, id, sentAtMs }: Pick<Envelope, 'from' | 'id' | 'sentAtMs'>, nowMs: number): void {
    const known = this.#byCaller.get(from)
    if ((known?.size ?? 0) >= PER_CALLER_MAX || this.#size >= MAX) this.#sweep(nowMs)
    const own = this.#byCaller.get(from) ?? new Map<string, number>()
    if (own.size >= PER_CALLER_MAX) {
      throw McpError.BUSY({ what: `the relayed calls of ${from}`, limit: PER_CALLER_MAX })
    }
    if (this.#size >= MAX) throw McpError.BUSY({ what: 'the relayed calls of all', limit: MAX })
    own.set(toHex(id), sentAtMs + ENVELOPE_AGE_MS_MAX)
    this.#byCaller.set(from, own)
    this.#size += 1
  }

  #sweep(nowMs: number): void {
    for (const [caller, own] of this.#byCaller) {
      for (const [id, untilMs] of own) {
        if (untilMs >= nowMs) continue
        own.delete(id)
        this.#size -= 1
      }
      if (own.size === 0) this.#byCaller.delete(caller)
    }
  }
}
