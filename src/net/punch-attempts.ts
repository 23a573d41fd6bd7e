/** The last tries to leave a relay, kept for whoever wants to know why one is still there. */

import type { PeerId } from '../identity/index.ts'
import type { PunchKind } from './punch-targets.ts'

/** One try, as `p2p status --json` shows it. */
export interface PunchAttempt {
  readonly peer: PeerId
  readonly atMs: number
  readonly kind: PunchKind | 'dial'
  readonly role: 'caller' | 'called'
  readonly targets: readonly string[]
  readonly outcome: 'connected' | 'failed'
  readonly tookMs: number
  readonly reason?: string
}

const KEPT_MAX = 64

export class PunchAttempts {
  readonly #all: PunchAttempt[] = []

  /** The newest last. */
  get all(): readonly PunchAttempt[] {
    return this.#all
  }

  add(attempt: PunchAttempt): void {
    this.#all.push(attempt)
    if (this.#all.length > KEPT_MAX) this.#all.shift()
  }
}
