/** Bytes that wait for a slow reader, counted over all of them, so that no crowd fills memory. */

export class ByteBudget {
  readonly limit: number
  #used = 0

  constructor(limit: number) {
    this.limit = limit
  }

  fits(bytes: number): boolean {
    return this.#used + bytes <= this.limit
  }

  /** Takes the bytes, or nothing when they do not fit. */
  take(bytes: number): boolean {
    if (!this.fits(bytes)) return false
    this.#used += bytes
    return true
  }

  give(bytes: number): void {
    this.#used -= bytes
  }
}
