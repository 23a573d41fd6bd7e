/**
 * Whose result is that of the call, where several were asked. One that goes to its caller in parts
 * is it from its first part on: nobody is asked any more, who was asked is not heard, and where it
 * breaks off, so does the call.
 */

import type { PeerId } from '../identity/index.ts'
import { McpError } from './errors.ts'
import type { OnLarge, ReadOptions } from './result-reader.ts'

export class HandedOn {
  readonly #onlarge: OnLarge | undefined
  #by: PeerId | undefined

  /** `onlarge` is the caller's, who may take none in parts. */
  constructor(onlarge: OnLarge | undefined) {
    this.#onlarge = onlarge
  }

  /** Whether the result of `peer` is that of the call; if so, no other one is from now on. */
  claim(peer: PeerId): boolean {
    this.#by ??= peer
    return this.#by === peer
  }

  /** Takes the result of `peer` in parts, for as long as the call. */
  takerOf(peer: PeerId, signal: AbortSignal): Pick<ReadOptions, 'onlarge' | 'takenUntil'> {
    const onlarge = this.#onlarge
    if (onlarge === undefined) return {}
    const once: OnLarge = (result) => {
      if (this.isBegun) throw McpError.PIPE_ENDED({ wanted: 'take a second result' })
      this.claim(peer)
      return onlarge(result)
    }
    return { onlarge: once, takenUntil: signal }
  }

  /** Whether there is a result of the call, at least the first part of it. */
  get isBegun(): boolean {
    return this.#by !== undefined
  }

  /** Whether that of `peer` was handed on, as far as it came. */
  isBy(peer: PeerId): boolean {
    return this.#by === peer
  }

  /** Whether the result of `peer` would be a second one. */
  isByAnother(peer: PeerId): boolean {
    return this.isBegun && !this.isBy(peer)
  }
}
