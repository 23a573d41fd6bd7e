/**
 * One iterative lookup over disjoint paths, sans I/O (S/Kademlia §4.4).
 *
 * The seeds are dealt out to d paths, and each path asks whom it heard of, closest first, until
 * its share of k peers has answered and nobody closer is left. No peer answers for two paths, so a
 * liar misleads the one path that met it. A path claims a peer by its answer, never by hearing of
 * it: else a liar could name honest peers under dead addresses and so take them from every path.
 * Sets are exact for the same reason. A failure, too, counts only for the path that saw it.
 *
 * When the paths are done, a last sweep asks those among the k closest heard of that no path
 * asked; it makes the result exact and is bounded, for liars can always name somebody closer.
 */

import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, compareDistance, type DhtKey } from './key.ts'

export interface LookupConfig {
  readonly k: number
  /** Questions on their way at once, when there are fewer paths than this. */
  readonly alpha: number
  readonly paths: number
  /** Questions of one lookup, shared out among its paths; the sweep has k more. */
  readonly questionsMax: number
}

/** What to do next: peers to ask, each to be reported back once; `done` when none will follow. */
export interface Step {
  readonly ask: readonly Contact[]
  readonly done: boolean
}

export interface LookupReport {
  /** The closest peers that answered, at most k, closest first. */
  readonly closest: readonly Contact[]
  readonly asked: readonly PeerId[]
  readonly answered: readonly PeerId[]
  /** Asked, and no answer came. */
  readonly failed: readonly PeerId[]
  /** Whether the lookup came to its end: nobody closer that we heard of is left to ask. */
  readonly complete: boolean
}

interface Path {
  /** Heard of and not dealt with, closest first. */
  waiting: Contact[]
  readonly heard: Set<PeerId>
  /** Who answered to this path, closest first. */
  readonly answered: Contact[]
  /** Answers after which only closer peers are worth asking. */
  readonly share: number
  readonly width: number
  readonly questionsMax: number
  questions: number
  flying: number
}

export class Lookup {
  readonly #target: DhtKey
  readonly #self: PeerId
  readonly #config: LookupConfig
  readonly #paths: Path[]
  #sweep: Path | undefined
  readonly #flying = new Map<PeerId, { path: Path; contact: Contact }>()
  readonly #answered = new Map<PeerId, Contact>()
  readonly #failed = new Set<PeerId>()
  #done = false
  #cut = false

  constructor(target: DhtKey, self: PeerId, seeds: readonly Contact[], config: LookupConfig) {
    this.#target = target
    this.#self = self
    this.#config = config
    const sorted = closestTo(target, seeds, seeds.length)
    const count = Math.max(1, Math.min(config.paths, sorted.length))
    const limits = {
      share: count === 1 ? config.k : Math.ceil(config.k / count) + 1,
      width: Math.ceil(config.alpha / count),
      questionsMax: Math.ceil(config.questionsMax / count),
    }
    this.#paths = Array.from({ length: count }, () => emptyPath(limits))
    for (const [i, contact] of sorted.entries()) this.#hear(this.#paths[i % count], contact)
  }

  start(): Step {
    return this.#step()
  }

  /** The answer of a peer we were told to ask; only its first k names are heard. */
  answered(peer: PeerId, closer: readonly Contact[]): Step {
    const asked = this.#land(peer)
    if (asked === undefined) return { ask: [], done: this.#done }
    const { path, contact } = asked
    this.#answered.set(peer, contact)
    this.#failed.delete(peer)
    insert(this.#target, path.answered, contact)
    for (const named of closer.slice(0, this.#config.k)) this.#hear(path, named)
    return this.#step()
  }

  /** The peer did not answer, for whatever reason. */
  failed(peer: PeerId): Step {
    const asked = this.#land(peer)
    if (asked === undefined) return { ask: [], done: this.#done }
    this.#failed.add(peer)
    return this.#step()
  }

  /** How far the lookup has come; at any time. */
  report(): LookupReport {
    const flying = [...this.#flying.keys()].filter((peer) => !this.#failed.has(peer))
    const failed = [...this.#failed, ...flying]
    const answered = [...this.#answered.keys()]
    return {
      closest: closestTo(this.#target, [...this.#answered.values()], this.#config.k),
      asked: [...answered, ...failed],
      answered,
      failed,
      complete: this.#done && !this.#cut,
    }
  }

  #step(): Step {
    if (this.#done) return { ask: [], done: true }
    const ask =
      this.#sweep === undefined
        ? this.#paths.flatMap((path) => this.#pick(path))
        : this.#pick(this.#sweep)
    if (ask.length > 0 || this.#flying.size > 0) return { ask, done: false }
    if (this.#sweep === undefined) {
      this.#sweep = this.#makeSweep()
      return this.#step()
    }
    this.#done = true
    return { ask, done: true }
  }

  /** Whom `path` asks now. Peers on their way for another path are passed over, not given up. */
  #pick(path: Path): Contact[] {
    const picked: Contact[] = []
    const kept: Contact[] = []
    const bar = path.answered[path.share - 1]
    for (const [i, contact] of path.waiting.entries()) {
      if (this.#answered.has(contact.peer)) continue
      const far = bar !== undefined && compareDistance(this.#target, contact.key, bar.key) > 0
      if (far || path.flying >= path.width) {
        kept.push(...path.waiting.slice(i))
        break
      }
      if (this.#flying.has(contact.peer)) kept.push(contact)
      else if (path.questions >= path.questionsMax) {
        this.#cut = true
        kept.push(...path.waiting.slice(i))
        break
      } else {
        path.questions += 1
        path.flying += 1
        this.#flying.set(contact.peer, { path, contact })
        picked.push(contact)
      }
    }
    path.waiting = kept
    return picked
  }

  /** One path over all that was heard, with k questions for those that no path asked. */
  #makeSweep(): Path {
    const { k, alpha, paths } = this.#config
    const sweep = emptyPath({ share: k, width: Math.max(alpha, paths), questionsMax: k })
    for (const contact of this.#answered.values()) insert(this.#target, sweep.answered, contact)
    for (const { waiting } of this.#paths) {
      for (const contact of waiting) if (!this.#failed.has(contact.peer)) this.#hear(sweep, contact)
    }
    return sweep
  }

  #hear(path: Path | undefined, contact: Contact): void {
    if (path === undefined || contact.peer === this.#self || path.heard.has(contact.peer)) return
    path.heard.add(contact.peer)
    insert(this.#target, path.waiting, contact)
  }

  #land(peer: PeerId): { path: Path; contact: Contact } | undefined {
    const asked = this.#flying.get(peer)
    if (asked === undefined) return undefined
    this.#flying.delete(peer)
    asked.path.flying -= 1
    return asked
  }
}

function emptyPath(limits: Pick<Path, 'share' | 'width' | 'questionsMax'>): Path {
  return { ...limits, waiting: [], heard: new Set(), answered: [], questions: 0, flying: 0 }
}

/** Puts `contact` at its place in a list that is sorted by distance to `target`. */
function insert(target: DhtKey, sorted: Contact[], contact: Contact): void {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const there = sorted[middle]
    if (there !== undefined && compareDistance(target, there.key, contact.key) <= 0) {
      low = middle + 1
    } else high = middle
  }
  sorted.splice(low, 0, contact)
}
