/**
 * Whether it is worth while to send datagrams to peers that never answered one: there are networks
 * without UDP. Made-up peers are silent too, so those who answer count for more. Sans I/O.
 */

/** So many peers in a row without an answer, and none with for so long: no place for UDP. */
const MUTE_AFTER = 8
const MUTE_MS = 60_000
const PROBE_MS = 10_000

export class Mute {
  #silentRow = 0
  /** When a peer last answered us, or asked. */
  #heardMs = Number.NEGATIVE_INFINITY
  #probedMs = 0

  heard(nowMs: number): void {
    this.#silentRow = 0
    this.#heardMs = nowMs
  }

  /** A peer that never answered a datagram did not do so now. */
  silent(): void {
    this.#silentRow += 1
  }

  /** Whether one more of those that never answered may be asked. */
  mayTry(nowMs: number): boolean {
    if (this.#silentRow < MUTE_AFTER) return true
    // A liar that names eight must not keep us from the honest.
    if (nowMs - this.#heardMs < MUTE_MS) return true
    if (Math.abs(nowMs - this.#probedMs) < PROBE_MS) return false
    this.#probedMs = nowMs
    return true
  }
}
