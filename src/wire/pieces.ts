/**
 * Bytes that come in pieces until they are whole, in time and memory in proportion to the bytes,
 * however small the pieces.
 *
 * Large pieces wait as they are and are copied once, when all is taken; small ones, and those that
 * would keep a much larger buffer alive, are copied into one that doubles as it fills.
 */

import { concatBytes } from '../base/index.ts'

/** From here on a piece costs more to copy than to hold. */
const PIECE_BYTES_MIN = 16 * 1_024

export class Pieces {
  /** Large pieces, then what `#kept` holds in its first `#keptSize` bytes. */
  #pieces: Uint8Array[] = []
  #kept = new Uint8Array()
  #keptSize = 0
  #size = 0

  /** Bytes that wait. */
  get size(): number {
    return this.#size
  }

  /** Puts `bytes` behind the others; at most `room` more come, those among them. */
  add(bytes: Uint8Array, room: number): void {
    if (bytes.length >= PIECE_BYTES_MIN && 2 * bytes.length >= bytes.buffer.byteLength) {
      this.#seal()
      this.#pieces.push(bytes)
    } else {
      this.#copy(bytes, room)
    }
    this.#size += bytes.length
  }

  /** Everything in one, with `last` behind it; nothing waits afterwards. */
  take(last: Uint8Array = new Uint8Array()): Uint8Array {
    if (this.#size === 0) return last
    if (this.#pieces.length > 0) {
      this.#seal()
      this.#pieces.push(last)
    } else {
      this.#copy(last, last.length)
    }
    const whole = this.#pieces.length > 0 ? concatBytes(...this.#pieces) : this.#keptBytes()
    this.clear()
    return whole
  }

  clear(): void {
    this.#pieces = []
    this.#kept = new Uint8Array()
    this.#keptSize = 0
    this.#size = 0
  }

  #copy(bytes: Uint8Array, room: number): void {
    const size = this.#keptSize + bytes.length
    if (size > this.#kept.length) {
      const most = this.#keptSize + room
      const larger = new Uint8Array(Math.max(size, Math.min(most, 2 * this.#kept.length)))
      larger.set(this.#keptBytes())
      this.#kept = larger
    }
    this.#kept.set(bytes, this.#keptSize)
    this.#keptSize = size
  }

  #keptBytes(): Uint8Array {
    return this.#kept.subarray(0, this.#keptSize)
  }

  /** What was copied becomes a piece among the others. */
  #seal(): void {
    if (this.#keptSize > 0) this.#pieces.push(this.#keptBytes())
    this.#kept = new Uint8Array()
    this.#keptSize = 0
  }
}
