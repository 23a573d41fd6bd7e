/**
 * A fixed amount of something that many use at once, so shared that nobody can take all of it. Sans
 * I/O.
 *
 * What one account may hold grows with what is free (dynamic thresholds: Choudhury and Hahne,
 * IEEE/ACM Transactions on Networking 6(2), 1998): a factor times as much as would be left. Alone
 * it has nearly all; the more others hold, the less it may; and there is always something left for
 * whoever holds nothing. Nobody has to be counted who might still come.
 */

export interface SharesOptions {
  /** Asked for at each use: the configuration may change. */
  readonly max: () => number
  /** For the first account that something is taken on, the second, and so on. */
  readonly factors: readonly number[]
}

export class Shares {
  readonly #options: SharesOptions
  readonly #held = new Map<string, number>()
  #used = 0

  constructor(options: SharesOptions) {
    this.#options = options
  }

  get used(): number {
    return this.#used
  }

  /** Accounts that hold something: none when all was given back. */
  get accounts(): number {
    return this.#held.size
  }

  /** What `account` holds. */
  heldBy(account: string): number {
    return this.#held.get(account) ?? 0
  }

  /** Whether this much may be taken on all these accounts. */
  fits(accounts: readonly string[], amount = 1): boolean {
    const left = this.#options.max() - this.#used - amount
    if (left < 0) return false
    return accounts.every((account, i) => {
      const held = this.#held.get(account)
      return held === undefined || held + amount <= (this.#options.factors[i] ?? 1) * left
    })
  }

  /** Takes it, or nothing at all where it does not fit. */
  take(accounts: readonly string[], amount = 1): boolean {
    if (!this.fits(accounts, amount)) return false
    this.#used += amount
    for (const account of accounts) this.#held.set(account, this.heldBy(account) + amount)
    return true
  }

  /** Gives back what was taken before. */
  give(accounts: readonly string[], amount = 1): void {
    this.#used -= amount
    for (const account of accounts) {
      const held = this.heldBy(account) - amount
      if (held > 0) this.#held.set(account, held)
      else this.#held.delete(account)
    }
  }
}
