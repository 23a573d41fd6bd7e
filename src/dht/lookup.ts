/**
 * One iterative lookup over disjoint paths, sans I/O (S/Kademlia §4.4).
 *
 * The seeds are dealt out to d paths, and each path asks whom it heard of, closest first, until
 * its share of k peers has answered and nobody closer is left. No peer answers for two paths, so a
 * liar misleads the one path that met it. A path claims a peer by its answer, never by hearing of
 * it: else a liar could name honest peers under dead addresses and so take them from every path.
 * Sets are exact for the same reason. A failure, too, counts only for the path that saw it.
 *
 * Who is slow loses its place: the path goes on, other paths may ask the peer for themselves, and
 * its answer still counts when it comes before the lookup ends. So silence costs a path little.
 *
 * When the paths are done, a last sweep asks those among the k closest heard of that no path
 * asked; it makes the result exact and is bounded, for liars can always name somebody closer.
 */

import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, compareDistance, type DhtKey } from './key.ts'
import { emptyPath, type Flight, insert, type Path } from './lookup-path.ts'

export interface LookupConfig {
  readonly k: number
  /** Questions on their way at once, when there are fewer paths than this. */
  readonly alpha: number
  readonly paths: number
  /** Questions of one lookup, shared out among its paths; each of the two sweeps has k more. */
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
  /** The same of those that we knew before, or that were named on two paths. */
  readonly vouched: readonly Contact[]
  readonly asked: readonly PeerId[]
  readonly answered: readonly PeerId[]
  /** Asked, and no answer came. */
  readonly failed: readonly PeerId[]
  /** How many answers led to the closest: 1 for a peer that we knew before, 0 for none. */
  readonly hops: number
  /** Whether somebody was asked, and nobody closer that we heard of is left to ask. */
  readonly complete: boolean
}

interface Heard {
  /** The path on which the peer was named first. */
  readonly first: Path
  /** Whether we knew it before, or it was named on another path as well. */
  vouched: boolean
  /** How many answers led to it, and its own. */
  readonly hops: number
}

/** Whom a sweep asks. */
type Sweep = 'all' | 'vouched'

/** Names of one answer that are heard; the wire carries no more. */
const NAMES_MAX = 20

export class Lookup {
  readonly #target: DhtKey
  readonly #self: PeerId
  readonly #config: LookupConfig
  readonly #paths: Path[]
  /** What is being asked: the paths, then the sweeps, one after the other. */
  #active: readonly Path[]
  readonly #sweeps: readonly Sweep[]
  #swept = 0
  /** Oldest first for each peer; more than one only of those that were slow. */
  readonly #flying = new Map<PeerId, Flight[]>()
  /** How many of these have their place. */
  #prompt = 0
  readonly #slow = new Set<PeerId>()
  readonly #answered = new Map<PeerId, Contact>()
  readonly #failed = new Set<PeerId>()
  readonly #heard = new Map<PeerId, Heard>()
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
    this.#active = this.#paths
    // One path has nobody who could vouch.
    this.#sweeps = count === 1 ? ['all'] : ['all', 'vouched']
    for (const [i, contact] of sorted.entries()) {
      const path = this.#paths[i % count]
      if (path === undefined) continue
      this.#heard.set(contact.peer, { first: path, vouched: true, hops: 1 })
      this.#hear(path, contact, { hops: 1, voice: path })
    }
  }

  start(): Step {
    return this.#step()
  }

  /** The answer of a peer we were told to ask; only its first 20 names are heard. */
  answered(peer: PeerId, closer: readonly Contact[]): Step {
    const flights = this.#flying.get(peer) ?? []
    const asked = flights.find(({ late }) => !late) ?? flights[0]
    if (asked === undefined) return { ask: [], done: this.#done }
    for (const flight of [...flights]) this.#land(flight)
    const { path, contact } = asked
    this.#answered.set(peer, contact)
    this.#failed.delete(peer)
    const hops = (this.#heard.get(peer)?.hops ?? 0) + 1
    const voice = this.#voiceOf(peer, path)
    // What comes late for a path that is done is news for the sweep.
    const into = this.#active.includes(path) ? path : (this.#active[0] ?? path)
    if (!into.vouchedOnly || this.#isVouched(peer)) insert(this.#target, into.answered, contact)
    for (const named of closer.slice(0, NAMES_MAX)) this.#hear(into, named, { hops, voice })
    return this.#step()
  }

  /** The peer takes longer than others do: somebody else is asked in its place. */
  slow(peer: PeerId): Step {
    const flight = this.#flying.get(peer)?.find(({ late }) => !late)
    if (flight === undefined) return { ask: [], done: this.#done }
    this.#slow.add(peer)
    this.#free(flight)
    return this.#step()
  }

  /** A question of the peer's has failed, for whatever reason; `late`: after it was slow. */
  failed(peer: PeerId, late = false): Step {
    const flights = this.#flying.get(peer) ?? []
    const asked = flights.find((one) => one.late === late) ?? flights[0]
    if (asked === undefined) return { ask: [], done: this.#done }
    this.#land(asked)
    this.#failed.add(peer)
    return this.#step()
  }

  /** How far the lookup has come; at any time. */
  report(): LookupReport {
    const flying = [...this.#flying.keys()].filter((peer) => !this.#failed.has(peer))
    const failed = [...this.#failed, ...flying]
    const answered = [...this.#answered.keys()]
    const here = [...this.#answered.values()]
    const { k } = this.#config
    const vouched = here.filter(({ peer }) => this.#isVouched(peer))
    const closest = closestTo(this.#target, here, k)
    const [nearest] = closest
    return {
      closest,
      hops: nearest === undefined ? 0 : (this.#heard.get(nearest.peer)?.hops ?? 0),
      vouched: closestTo(this.#target, vouched, k),
      asked: [...answered, ...failed],
      answered,
      failed,
      complete: this.#done && !this.#cut && answered.length + failed.length > 0,
    }
  }

  /** Everybody that was heard of and not asked, in no order; some will not exist. */
  unasked(): Contact[] {
    const heard = new Map<PeerId, Contact>()
    for (const { waiting } of [...this.#paths, ...this.#active]) {
      for (const contact of waiting) {
        if (!this.#answered.has(contact.peer)) heard.set(contact.peer, contact)
      }
    }
    return [...heard.values()]
  }

  #step(): Step {
    if (this.#done) return { ask: [], done: true }
    const ask: Contact[] = []
    for (const path of this.#active) this.#pick(path, ask)
    if (ask.length > 0 || this.#prompt > 0) return { ask, done: false }
    const sweep = this.#sweeps[this.#swept]
    if (sweep !== undefined) {
      this.#active = [this.#makeSweep(sweep)]
      this.#swept += 1
      return this.#step()
    }
    this.#done = true
    return { ask, done: true }
  }

  /**
   * Whom `path` asks now. Peers on their way for another path are passed over, not given up; those
   * that are slow there it asks itself, for it may know them at other addresses.
   */
  #pick(path: Path, picked: Contact[]): void {
    const { waiting } = path
    const bar = path.answered[path.share - 1]
    let kept = 0
    let at = 0
    for (; at < waiting.length && path.flying < path.width; at += 1) {
      const contact = waiting[at]
      if (contact === undefined || this.#answered.has(contact.peer)) continue
      if (bar !== undefined && compareDistance(this.#target, contact.key, bar.key) > 0) break
      if (this.#flying.has(contact.peer) && !this.#slow.has(contact.peer)) {
        waiting[kept] = contact
        kept += 1
        continue
      }
      if (path.questions >= path.questionsMax) {
        this.#cut = true
        break
      }
      this.#launch(path, contact)
      picked.push(contact)
    }
    if (kept < at) waiting.splice(kept, at - kept)
  }

  /** One path over all that was heard, with k questions for those that no path asked. */
  #makeSweep(whom: Sweep): Path {
    const { k, alpha, paths } = this.#config
    const limits = { share: k, width: Math.max(alpha, paths), questionsMax: k }
    const sweep = emptyPath(limits, whom === 'vouched')
    const counts = ({ peer }: Contact) => whom === 'all' || this.#isVouched(peer)
    const answered = [...this.#answered.values()].filter(counts)
    sweep.answered.push(...closestTo(this.#target, answered, answered.length))
    const isOut = ({ peer }: Contact) => this.#failed.has(peer) || this.#slow.has(peer)
    const waiting = this.unasked().filter((one) => counts(one) && !isOut(one))
    for (const one of waiting) sweep.heard.add(one.peer)
    sweep.waiting.push(...closestTo(this.#target, waiting, waiting.length))
    return sweep
  }

  #isVouched(peer: PeerId): boolean {
    return this.#paths.length === 1 || (this.#heard.get(peer)?.vouched ?? false)
  }

  /**
   * For which path a peer speaks that answers on `path`. In a sweep one who is not vouched for
   * speaks for the path that led to it: else those one liar made up would vouch for each other.
   */
  #voiceOf(peer: PeerId, path: Path): Path {
    const heard = this.#heard.get(peer)
    if (heard === undefined || heard.vouched || this.#paths.includes(path)) return path
    return heard.first
  }

  #hear(path: Path, contact: Contact, { hops, voice }: { hops: number; voice: Path }): void {
    const { peer } = contact
    if (peer === this.#self) return
    const known = this.#heard.get(peer)
    if (known === undefined) this.#heard.set(peer, { first: voice, vouched: false, hops })
    else if (known.first !== voice) known.vouched = true
    if (path.heard.has(peer)) return
    path.heard.add(peer)
    if (this.#answered.has(peer) || (path.vouchedOnly && !this.#isVouched(peer))) return
    insert(this.#target, path.waiting, contact)
  }

  #launch(path: Path, contact: Contact): void {
    path.questions += 1
    path.flying += 1
    this.#prompt += 1
    const flight = { path, contact, late: false }
    const flights = this.#flying.get(contact.peer)
    if (flights === undefined) this.#flying.set(contact.peer, [flight])
    else flights.push(flight)
  }

  #free(flight: Flight): void {
    if (flight.late) return
    flight.late = true
    flight.path.flying -= 1
    this.#prompt -= 1
  }

  #land(flight: Flight): void {
    this.#free(flight)
    const { peer } = flight.contact
    const others = (this.#flying.get(peer) ?? []).filter((one) => one !== flight)
    if (others.length > 0) this.#flying.set(peer, others)
    else this.#flying.delete(peer)
  }
}
