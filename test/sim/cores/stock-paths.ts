/**
 * A model of how @libp2p/kad-dht 16.4.5 walks (`query/manager`, `query/query-path`), to be put
 * beside ours on the same network. Its logic, not its code:
 *
 *   - the k closest peers known are shuffled and dealt to as many paths as alpha (10);
 *   - each path asks up to alpha peers at once, closest first;
 *   - one set of peers seen is shared by all paths, and a peer enters it when it is queued: whoever
 *     is named to one path is lost to every other, whether it answers or not;
 *   - a path follows only names that are closer than the one who told them, and that are closer
 *     than the k-th closest that answered to this path; it ends when its queue is empty.
 *
 * The shared set is a cuckoo filter there; here it is exact, in its favour.
 */

import { shuffled } from '../../../src/base/index.ts'
import { type Contact, closestTo, compareDistance, type DhtKey } from '../../../src/dht/key.ts'
import type { Step } from '../../../src/dht/lookup.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import type { Chance } from './chance.ts'
import type { Core, WalkReport } from './walk.ts'

export const STOCK = { k: 20, alpha: 10, timeoutMs: 180_000 } as const

interface StockPath {
  /** Queued and not asked yet, closest first. */
  readonly queue: Contact[]
  /** The k closest that answered to this path, closest first. */
  answered: Contact[]
  flying: number
}

export class StockPaths implements Core {
  readonly #target: DhtKey
  readonly #self: PeerId
  readonly #paths: StockPath[]
  readonly #seen = new Set<PeerId>()
  readonly #flying = new Map<PeerId, { path: StockPath; contact: Contact }>()
  readonly #answered = new Map<PeerId, Contact>()

  constructor(target: DhtKey, self: PeerId, seeds: readonly Contact[], chance: Chance) {
    this.#target = target
    this.#self = self
    const count = Math.min(STOCK.alpha, seeds.length)
    this.#paths = Array.from({ length: count }, () => ({ queue: [], answered: [], flying: 0 }))
    for (const [i, contact] of shuffled(seeds, chance).entries()) {
      const path = this.#paths[i % count]
      if (path !== undefined) this.#enqueue(path, contact)
    }
  }

  start(): Step {
    return this.#step()
  }

  answered(peer: PeerId, closer: readonly Contact[]): Step {
    const asked = this.#land(peer)
    if (asked === undefined) return { ask: [], done: this.#flying.size === 0 }
    const { path, contact } = asked
    this.#answered.set(peer, contact)
    path.answered = closestTo(this.#target, [...path.answered, contact], STOCK.k)
    for (const named of closer) {
      const nearer = compareDistance(this.#target, named.key, contact.key) < 0
      if (this.#seen.has(named.peer) || named.peer === this.#self || !nearer) continue
      if (this.#mayEnter(path, named)) this.#enqueue(path, named)
    }
    return this.#step()
  }

  failed(peer: PeerId): Step {
    this.#land(peer)
    return this.#step()
  }

  report(): WalkReport {
    const closest = closestTo(this.#target, [...this.#answered.values()], STOCK.k)
    return { closest, answered: [...this.#answered.keys()] }
  }

  #step(): Step {
    const ask = this.#paths.flatMap((path) => this.#pick(path))
    return { ask, done: ask.length === 0 && this.#flying.size === 0 }
  }

  #pick(path: StockPath): Contact[] {
    const picked: Contact[] = []
    while (path.flying < STOCK.alpha) {
      const next = path.queue.shift()
      if (next === undefined) break
      if (!this.#mayEnter(path, next)) continue
      path.flying += 1
      this.#flying.set(next.peer, { path, contact: next })
      picked.push(next)
    }
    return picked
  }

  #mayEnter(path: StockPath, contact: Contact): boolean {
    const last = path.answered[STOCK.k - 1]
    return last === undefined || compareDistance(this.#target, contact.key, last.key) < 0
  }

  #enqueue(path: StockPath, contact: Contact): void {
    this.#seen.add(contact.peer)
    const after = path.queue.findIndex(
      (queued) => compareDistance(this.#target, contact.key, queued.key) < 0,
    )
    path.queue.splice(after < 0 ? path.queue.length : after, 0, contact)
  }

  #land(peer: PeerId): { path: StockPath; contact: Contact } | undefined {
    const asked = this.#flying.get(peer)
    if (asked === undefined) return undefined
    this.#flying.delete(peer)
    asked.path.flying -= 1
    return asked
  }
}
