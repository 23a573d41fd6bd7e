/**
 * Sums over what is stored, by account, kept as rows come and go: quotas are asked at every write,
 * and a flood must not make us count rows each time. It holds no more sums than there are rows.
 */

import type { Account, StoredRecord, Usage } from './storage.ts'

const NOTHING: Usage = { records: 0, bytes: 0 }

/** The accounts that one row is on; null where it is on none of that kind. */
export type Accounts<Kind extends string> = Readonly<Record<Kind, string | null>>

export class Tally<Kind extends string> {
  #all = NOTHING
  readonly #sums = new Map<string, Usage>()

  get all(): Usage {
    return this.#all
  }

  of(kind: Kind, id: string): Usage {
    return this.#sums.get(`${kind} ${id}`) ?? NOTHING
  }

  /** Adds to the sum in all; the sums by account are set apart when they are read from a disk. */
  grow({ records, bytes }: Usage): void {
    this.#all = { records: this.#all.records + records, bytes: this.#all.bytes + bytes }
  }

  growOf(kind: Kind, id: string, { records, bytes }: Usage): void {
    const name = `${kind} ${id}`
    const old = this.#sums.get(name) ?? NOTHING
    const sum = { records: old.records + records, bytes: old.bytes + bytes }
    if (sum.records === 0) this.#sums.delete(name)
    else this.#sums.set(name, sum)
  }

  add(accounts: Accounts<Kind>, bytes: number): void {
    this.#row(accounts, { records: 1, bytes })
  }

  remove(accounts: Accounts<Kind>, bytes: number): void {
    this.#row(accounts, { records: -1, bytes: -bytes })
  }

  #row(accounts: Accounts<Kind>, change: Usage): void {
    this.grow(change)
    for (const kind of Object.keys(accounts) as Kind[]) {
      const id = accounts[kind]
      if (id !== null) this.growOf(kind, id, change)
    }
  }
}

/** The accounts that a record is on. */
export function accountsOf({ publisher, sender, site }: StoredRecord): Accounts<Account> {
  return { publisher, sender, site }
}
