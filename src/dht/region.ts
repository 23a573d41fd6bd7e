/**
 * Asking everybody in the region around a key, sans I/O: what a lookup becomes where made-up peers
 * crowd the honest out (`density.ts`).
 *
 * Made-up peers nearest to a key name one another, and are what honest peers name first: a lookup
 * for the key ends among them. The honest peers of the region lie beyond, on the branches of the
 * tree of keys that turn off on the way to it. So somebody is looked for on each branch
 * (`probeKeys`), where nobody made up a peer, and all who are named within the radius are asked.
 *
 * Questions are bounded, and an attacker may name as many peers as it likes. So the branches take
 * turns: to keep the honest of one from being asked, it must be filled, and the widest of them is
 * as wide as the region of ten honest peers.
 */

import type { Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { distanceShare } from './density.ts'
import { type Contact, commonPrefixLength, type DhtKey, dhtKey, KEY_BYTES } from './key.ts'
import type { Step } from './lookup.ts'

/** Branches that are looked at: the region and three times half of what is left of it. */
export const PROBES_MAX = 4
/** A hash takes a microsecond; 30 ms are enough for branches of half a million peers. */
const PROBE_TRIES_MAX = 1 << 15

export interface RegionConfig {
  readonly radius: number
  readonly questionsMax: number
  /** Questions on their way at once. */
  readonly width: number
}

/** Asks whoever is heard of within the radius; used as a `Lookup` is. */
export class RegionWalk {
  readonly #target: DhtKey
  readonly #self: PeerId
  readonly #config: RegionConfig
  readonly #known = new Set<PeerId>()
  /** Heard of and not asked, by the length of the prefix shared with the key. */
  readonly #branches = new Map<number, Contact[]>()
  readonly #flying = new Map<PeerId, Contact>()
  /** Asked, and slow to answer. */
  readonly #late = new Map<PeerId, Contact>()
  readonly #answered: Contact[] = []
  readonly #failed: PeerId[] = []
  readonly #branchMax: number
  #questions = 0
  /** Whether somebody was heard of whom the walk has no room to remember. */
  #overfull = false

  /** `answered` were asked before, and are asked no more. */
  constructor(target: DhtKey, self: PeerId, answered: readonly Contact[], config: RegionConfig) {
    this.#target = target
    this.#self = self
    this.#config = config
    this.#branchMax = widestBranch(config.radius) + PROBES_MAX - 1
    for (const contact of answered) {
      this.#known.add(contact.peer)
      if (this.#isWithin(contact)) this.#answered.push(contact)
    }
  }

  /** Hears of peers; those beyond the radius are not of interest. */
  hear(contacts: readonly Contact[]): void {
    for (const contact of contacts) {
      const { peer, key } = contact
      if (peer === this.#self || this.#known.has(peer) || !this.#isWithin(contact)) continue
      // What is nearer than the last branch shares one turn, for only an attacker is deep in it.
      const branch = Math.min(commonPrefixLength(this.#target, key), this.#branchMax)
      const waiting = this.#branches.get(branch) ?? []
      if (waiting.length >= this.#config.questionsMax) {
        this.#overfull = true
        continue
      }
      this.#known.add(peer)
      waiting.push(contact)
      this.#branches.set(branch, waiting)
    }
  }

  start(): Step {
    return this.#step()
  }

  answered(peer: PeerId, closer: readonly Contact[]): Step {
    const contact = this.#flying.get(peer) ?? this.#late.get(peer)
    if (contact !== undefined) {
      this.#flying.delete(peer)
      this.#late.delete(peer)
      this.#answered.push(contact)
      this.hear(closer)
    }
    return this.#step()
  }

  failed(peer: PeerId): Step {
    if (this.#flying.delete(peer) || this.#late.delete(peer)) this.#failed.push(peer)
    return this.#step()
  }

  /** The peer takes longer than others do: somebody else is asked in its place. */
  slow(peer: PeerId): Step {
    const contact = this.#flying.get(peer)
    if (contact !== undefined) {
      this.#flying.delete(peer)
      this.#late.set(peer, contact)
    }
    return this.#step()
  }

  report(): RegionReport {
    return {
      answered: this.#answered,
      failed: [...this.#failed, ...this.#flying.keys(), ...this.#late.keys()],
      complete: !this.#overfull && this.#flying.size === 0 && this.#branches.size === 0,
    }
  }

  #step(): Step {
    const ask: Contact[] = []
    while (this.#flying.size < this.#config.width && this.#questions < this.#config.questionsMax) {
      const contact = this.#next()
      if (contact === undefined) break
      this.#questions += 1
      this.#flying.set(contact.peer, contact)
      ask.push(contact)
    }
    return { ask, done: this.#flying.size === 0 }
  }

  /** From the branch whose turn it is; it then waits until all others had theirs. */
  #next(): Contact | undefined {
    for (const [branch, waiting] of this.#branches) {
      const contact = waiting.shift()
      this.#branches.delete(branch)
      if (waiting.length > 0) this.#branches.set(branch, waiting)
      if (contact !== undefined) return contact
    }
    return undefined
  }

  #isWithin({ key }: Contact): boolean {
    return distanceShare(this.#target, key) <= this.#config.radius
  }
}

export interface RegionReport {
  /** Everybody within the radius who answered, now or before; in no order. */
  readonly answered: readonly Contact[]
  readonly failed: readonly PeerId[]
  /** Whether all who were heard of within the radius were asked. */
  readonly complete: boolean
}

/**
 * What to ask for to be shown each of the widest branches of the region: keys of FIND_NODE, which
 * are hashed, so that they must be tried for. Nobody knows them before.
 */
export function probeKeys(target: DhtKey, radius: number, random: Random): Uint8Array[] {
  const widest = widestBranch(radius)
  const found: Uint8Array[] = []
  const missing = new Set(Array.from({ length: PROBES_MAX }, (_, i) => widest + i))
  for (let tries = 0; missing.size > 0 && tries < PROBE_TRIES_MAX; tries += 1) {
    const bytes = random.bytes(KEY_BYTES)
    if (missing.delete(commonPrefixLength(target, dhtKey(bytes)))) found.push(bytes)
  }
  return found
}

/** The prefix shared with the key by those farthest from it in the region. */
function widestBranch(radius: number): number {
  return Math.max(0, Math.floor(-Math.log2(radius)))
}
