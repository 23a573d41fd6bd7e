/**
 * A result that goes to its caller in parts is that of the call from then on: nobody else is asked
 * or heard any more, and where it breaks off, so does the call. Unless its caller can begin again.
 */

import type { PeerId } from '../identity/index.ts'
import { McpError } from './errors.ts'
import type { OnLarge, ReadOptions } from './result-reader.ts'

export interface Taking {
  /** The caller's, who may take none in parts. */
  readonly onlarge?: OnLarge | undefined
  /** Whether it may be given that of another peer after one that broke off. */
  readonly takesAgain?: boolean | undefined
}

export class HandedOn {
  readonly #taking: Taking
  #by: PeerId | undefined

  constructor(taking: Taking) {
    this.#taking = taking
  }

  /** Takes the result of `peer` in parts; for as long as the call unless it can begin again. */
  takerOf(peer: PeerId, signal: AbortSignal): Pick<ReadOptions, 'onlarge' | 'takenUntil'> {
    const { onlarge, takesAgain = false } = this.#taking
    if (onlarge === undefined || takesAgain) return { onlarge }
    const once: OnLarge = (result) => {
      if (this.#by !== undefined) throw McpError.PIPE_ENDED({ wanted: 'take a second result' })
      this.#by = peer
      return onlarge(result)
    }
    return { onlarge: once, takenUntil: signal }
  }

  /** Whether that of `peer` was handed on, as far as it came. */
  isBy(peer: PeerId): boolean {
    return this.#by === peer
  }

  /** Whether the result of `peer` would be a second one. */
  isByAnother(peer: PeerId): boolean {
    return this.#by !== undefined && this.#by !== peer
  }
}
