/**
 * The memory behind libp2p's peer store, with a bound: the stock one keeps every peer that ever
 * connected. Our own entry is held apart, because identify cannot answer without it.
 */

import { NotFoundError } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import { type Clock, TtlMap } from '../base/index.ts'

type Datastore = NonNullable<Libp2pOptions['datastore']>

export interface DatastoreLimits {
  readonly entriesMax: number
  readonly ttlMs: number
  /** The text of the one key that is never pushed out. */
  readonly pinned: string
}

export function boundedDatastore(limits: DatastoreLimits, clock: Clock): Datastore {
  const { entriesMax, ttlMs, pinned } = limits
  const entries = new TtlMap<string, Stored>({ entriesMax, ttlMs, clock })
  let own: Stored | undefined

  const find = (key: Key): Stored | undefined =>
    key.toString() === pinned ? own : entries.get(key.toString())
  const matching = (prefix: string): Stored[] => {
    const all = entries.entries().map(([, stored]) => stored)
    if (own !== undefined) all.push(own)
    return all.filter(({ key }) => key.toString().startsWith(prefix))
  }
  const store: Datastore = {
    put(key, value) {
      if (key.toString() === pinned) own = { key, value }
      else entries.set(key.toString(), { key, value })
      return key
    },
    get(key) {
      const found = find(key)
      if (found === undefined) throw new NotFoundError()
      return found.value
    },
    has: (key) => find(key) !== undefined,
    delete: (key) => {
      entries.delete(key.toString())
    },
    async *putMany(source) {
      for await (const { key, value } of source) yield store.put(key, value)
    },
    async *getMany(source) {
      for await (const key of source) yield { key, value: await store.get(key) }
    },
    async *deleteMany(source) {
      for await (const key of source) {
        await store.delete(key)
        yield key
      }
    },
    *query({ prefix = '', filters = [], orders = [] }) {
      const found = matching(prefix).filter((pair) => filters.every((accepts) => accepts(pair)))
      for (const order of orders) found.sort(order)
      yield* found
    },
    *queryKeys({ prefix = '' }) {
      for (const { key } of matching(prefix)) yield key
    },
    batch: () => batchOver(store),
  }
  return store
}

function batchOver(store: Datastore): ReturnType<Datastore['batch']> {
  const work: (() => unknown)[] = []
  return {
    put: (key, value) => void work.push(() => store.put(key, value)),
    delete: (key) => void work.push(() => store.delete(key)),
    commit: () => {
      for (const step of work.splice(0)) step()
    },
  }
}

type Key = Parameters<Datastore['get']>[0]

interface Stored {
  readonly key: Key
  readonly value: Uint8Array
}
