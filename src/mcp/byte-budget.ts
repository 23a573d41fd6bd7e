/** Bytes that wait for a slow reader, counted over all of them, so that no crowd fills memory. */

import { Shares } from './shares.ts'

/** Half to whoever is alone, half of the rest to the next. */
const FACTORS = [1]

export class ByteBudget {
  readonly limit: number
  readonly #shares: Shares

  constructor(limit: number) {
    this.limit = limit
    this.#shares = new Shares({ max: () => limit, factors: FACTORS })
  }

  fits(bytes: number): boolean {
    return this.#shares.fits([], bytes)
  }

  /** Takes the bytes, or nothing when they do not fit. */
  take(bytes: number): boolean {
    return this.#shares.take([], bytes)
  }

  give(bytes: number): void {
    this.#shares.give([], bytes)
  }

  /** The share of one reader, who cannot take all by reading nothing. */
  of(reader: string): Pick<ByteBudget, 'limit' | 'fits' | 'take' | 'give'> {
    const account = [reader]
    return {
      limit: this.limit,
      fits: (bytes) => this.#shares.fits(account, bytes),
      take: (bytes) => this.#shares.take(account, bytes),
      give: (bytes) => this.#shares.give(account, bytes),
    }
  }
}
