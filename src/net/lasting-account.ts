/**
 * What a lasting channel keeps for its peer, in the accounts of the peer and of the node. It is no
 * stream's, for it stays while there is none.
 */

import type { LastingSession } from './lasting-session.ts'

/** Counts so many bytes more, or less where negative; false, and nothing, where it is too much. */
export type Keep = (bytes: number) => boolean

export class LastingAccount {
  readonly #session: LastingSession
  readonly #keep: Keep
  #countedBytes = 0
  #isClosed = false

  constructor(session: LastingSession, keep: Keep) {
    this.#session = session
    this.#keep = keep
  }

  /** Whether a frame may be written now; what it takes is counted. */
  mayWrite(bytes: number): boolean {
    if (!this.#session.hasRoom(bytes)) return false
    return this.#isClosed || this.#count(this.#countedBytes + bytes)
  }

  /** Counts what is kept by now; false where that is too much. */
  settle(): boolean {
    const { unconfirmedBytes, unreadBytes } = this.#session
    return this.#isClosed || this.#count(unconfirmedBytes + unreadBytes)
  }

  /** Nothing is kept any more. */
  close(): void {
    this.#count(0)
    this.#isClosed = true
  }

  #count(bytes: number): boolean {
    const more = bytes - this.#countedBytes
    if (more !== 0 && !this.#keep(more)) return false
    this.#countedBytes = bytes
    return true
  }
}
