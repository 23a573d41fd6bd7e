/**
 * Who of those that hand on our announcements has not heard the last one, and when it is said again
 * for them; sans I/O. What is said before a mesh forms reaches nobody beyond it: without this, who
 * comes then waits for the next announcement, minutes later.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

/** Not more often, however many come. */
export const AGAIN_MS = 10_000
/** Among so few agents each that comes is told of all; among many the status says it. */
export const GREETED_AGENTS_MAX = 32
/** A mesh has twelve peers at most; these come and go. */
const TOLD_MAX = 256

export class Newcomers {
  readonly #told: TtlMap<PeerId, true>

  /** Who was told is told again for its sake only after `ttlMs`. */
  constructor(clock: Clock, ttlMs: number) {
    this.#told = new TtlMap({ entriesMax: TOLD_MAX, ttlMs, clock })
  }

  /** Whether one of these was not told. */
  among(mesh: readonly PeerId[]): boolean {
    return mesh.some((peer) => !this.#told.has(peer))
  }

  told(mesh: readonly PeerId[]): void {
    for (const peer of mesh) this.#told.set(peer, true)
  }
}
