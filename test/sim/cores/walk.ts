/**
 * One lookup of one node, driven by the production `Lookup` over the network of a world, as
 * `Search` drives it in a node: asks whom the core names, hands it the answers, ends with what it
 * has when time is over.
 */

import type { Contact, DhtKey } from '../../../src/dht/key.ts'
import { Lookup, type LookupConfig, type LookupReport, type Step } from '../../../src/dht/lookup.ts'
import { SLOW_MS_MIN } from '../../../src/dht/patience.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import type { EventHeap } from './heap.ts'
import type { Named, Network } from './network.ts'
import type { SimNode, World } from './world.ts'

/** What is looked at of a report; only ours says who was vouched for. */
export type WalkReport = Pick<LookupReport, 'closest' | 'answered'> &
  Partial<Pick<LookupReport, 'vouched'>>

/** What decides whom to ask next: ours, or a model of another. */
export interface Core extends Pick<Lookup, 'start' | 'answered' | 'failed'> {
  report(): WalkReport
  /** Whoever is slow loses its place; the model of another waits. */
  slow?: Lookup['slow']
}

export interface WalkDeps {
  readonly world: World
  readonly heap: EventHeap
  readonly network: Pick<Network, 'ask'>
  /** The production `Lookup` when left out. */
  readonly core?: (target: DhtKey, self: PeerId, seeds: readonly Contact[]) => Core
  /** `lookupTimeoutMs` when left out. */
  readonly timeoutMs?: number
}

export interface WalkResult {
  readonly report: WalkReport
  readonly questions: number
  readonly tookMs: number
  /** How many questions in a row led to each peer: 1 for those in our own table. */
  readonly hops: ReadonlyMap<PeerId, number>
}

/** Looks for `target` from `from`; tells `done` when the lookup has ended. */
export function walk(
  deps: WalkDeps,
  from: SimNode,
  target: DhtKey,
  done: (result: WalkResult) => void,
): void {
  const { world, heap, network } = deps
  const { config } = world
  const seeds = from.table.closest(target, config.k)
  const lookup = (deps.core ?? oursOf(config))(target, from.contact.peer, seeds)
  const startedMs = heap.nowMs
  const hops = new Map<PeerId, number>()
  // As in `Search`, what any answer tells of addresses helps every path that asks the peer later.
  const reachable = new Set<PeerId>()
  for (const { peer } of seeds) {
    hops.set(peer, 1)
    reachable.add(peer)
  }
  let questions = 0
  let ended = false

  const end = (): void => {
    if (ended) return
    ended = true
    done({ report: lookup.report(), questions, tookMs: heap.nowMs - startedMs, hops })
  }
  const go = (step: Step): void => {
    if (ended) return
    for (const contact of step.ask) ask(contact)
    if (step.done) end()
  }
  const ask = (contact: Contact): void => {
    questions += 1
    const named: Named = { ...contact, dead: !reachable.has(contact.peer) }
    let over = false
    let late = false
    heap.after(SLOW_MS_MIN, () => {
      if (over || ended || lookup.slow === undefined) return
      late = true
      go(lookup.slow(contact.peer))
    })
    network.ask(from, named, target, (closer) => {
      over = true
      if (ended) return
      if (closer === undefined) {
        go(lookup.failed(contact.peer, late))
        return
      }
      const next = (hops.get(contact.peer) ?? 0) + 1
      for (const { peer, dead } of closer) {
        if (!hops.has(peer)) hops.set(peer, next)
        if (dead !== true) reachable.add(peer)
      }
      go(lookup.answered(contact.peer, closer))
    })
  }
  heap.after(deps.timeoutMs ?? config.lookupTimeoutMs, end)
  go(lookup.start())
}

function oursOf(config: LookupConfig): NonNullable<WalkDeps['core']> {
  return (target, self, seeds) => new Lookup(target, self, seeds, config)
}
