/** The best address of this node as words, found anew whenever its addresses change. */

import type { Logger } from '../base/index.ts'
import { bestWords } from './spoken-address.ts'

export class OwnWords {
  readonly #addresses: () => readonly string[]
  readonly #log: Logger
  #words: string | null = null

  constructor(addresses: () => readonly string[], log: Logger) {
    this.#addresses = addresses
    this.#log = log
  }

  /** Null while there is none. */
  get words(): string | null {
    return this.#words
  }

  /** Addresses may change while the words of earlier ones are looked up; the last ones count. */
  async find(): Promise<void> {
    const addresses = this.#addresses()
    try {
      const words = await bestWords(addresses)
      if (String(addresses) === String(this.#addresses())) this.#words = words
    } catch (error) {
      this.#log.error('addresses not put into words', { addresses, error })
    }
  }
}
