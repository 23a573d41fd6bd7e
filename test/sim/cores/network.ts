/**
 * Questions between nodes of a world: each is a message on the heap, and so is each answer.
 *
 * Who is asked answers from its own table as the handler does: the k closest it knows, without the
 * one who asks. Both learn of each other as the production code lets them: who asks and serves is
 * met, who answers is seen, who is silent has failed. The doubted are pinged.
 */

import type { Contact, DhtKey } from '../../../src/dht/key.ts'
import type { Chance } from './chance.ts'
import type { EventHeap } from './heap.ts'
import type { SimNode, World } from './world.ts'

/** Kinds of messages, as they stand in the event hash. */
const KIND = { question: 1, answer: 2, ping: 3, pong: 4, silence: 5 } as const
/** In the event hash: a peer that is no node of the world. */
const STRANGER = -1

export interface NetworkOptions {
  readonly oneWayMs: number
  /** Each message takes between 1 − jitter and 1 + jitter of `oneWayMs`. */
  readonly jitter: number
}

export const LINK: NetworkOptions = { oneWayMs: 25, jitter: 0.1 }

/** A peer as an answer names it. */
export interface Named extends Contact {
  /** Named under addresses at which nobody answers. */
  readonly dead?: boolean
}

/** What a peer says when asked for those closest to `target`; undefined when it keeps silent. */
export type Answerer = (
  asked: Contact,
  target: DhtKey,
  asker: SimNode,
) => readonly Named[] | undefined

export interface NetworkDeps {
  readonly world: World
  readonly heap: EventHeap
  readonly chance: Chance
  /** Answers for whoever is not honest or no node at all; silent when left out. */
  readonly adversary?: Answerer
}

/** How a question ended: with the contacts named, or with nothing in time. */
export type Reply = (closer: readonly Named[] | undefined) => void

export class Network {
  /** Questions sent, pings among them. */
  questions = 0
  /** Questions whose end nobody has heard of yet: none when all has come to rest. */
  flying = 0
  readonly #deps: NetworkDeps
  readonly #options: NetworkOptions

  constructor(deps: NetworkDeps, options: NetworkOptions = LINK) {
    this.#deps = deps
    this.#options = options
  }

  /** Asks `to` for the peers closest to `target`; a dead address is asked in vain. */
  ask(from: SimNode, to: Named, target: DhtKey, reply: Reply): void {
    const { heap, world } = this.#deps
    this.questions += 1
    this.flying += 1
    const node = world.nodeOf(to.peer)
    const there = node?.index ?? STRANGER
    heap.after(this.#travelMs(), () => {
      heap.note(from.index, there, KIND.question)
      const closer = to.dead === true ? undefined : this.#answerOf(from, to, target)
      if (closer === undefined) {
        this.#timeOut(from, to, () => reply(undefined))
        return
      }
      heap.after(this.#travelMs(), () => {
        this.flying -= 1
        heap.note(there, from.index, KIND.answer)
        this.#seen(from, to)
        reply(closer)
      })
    })
  }

  #answerOf(from: SimNode, to: Contact, target: DhtKey): readonly Named[] | undefined {
    const { world, adversary } = this.#deps
    const node = world.nodeOf(to.peer)
    if (node?.alive === false) return undefined
    if (node === undefined || !node.honest) return adversary?.(to, target, from)
    this.#seen(node, from.contact)
    return closestOf(node, target, from, world.config.k)
  }

  /** A peer spoke to `node`; when that puts another in doubt, it is pinged. */
  #seen(node: SimNode, peer: Contact): void {
    const { world, heap } = this.#deps
    const speaker = world.nodeOf(peer.peer)
    if (speaker === undefined) return
    const doubted = node.table.seen(speaker.contact, heap.nowMs, speaker.site)
    if (doubted !== undefined) this.#ping(node, doubted)
  }

  #ping(from: SimNode, to: Contact): void {
    const { heap, world } = this.#deps
    this.questions += 1
    this.flying += 1
    const node = world.nodeOf(to.peer)
    const there = node?.index ?? STRANGER
    heap.after(this.#travelMs(), () => {
      heap.note(from.index, there, KIND.ping)
      if (node?.alive !== true) {
        this.#timeOut(from, to, () => undefined)
        return
      }
      heap.after(this.#travelMs(), () => {
        this.flying -= 1
        heap.note(there, from.index, KIND.pong)
        this.#seen(from, to)
      })
    })
  }

  #timeOut(from: SimNode, to: Contact, then: () => void): void {
    const { heap, world } = this.#deps
    heap.after(world.config.questionTimeoutMs, () => {
      this.flying -= 1
      heap.note(from.index, world.nodeOf(to.peer)?.index ?? STRANGER, KIND.silence)
      from.table.failed(to.peer)
      then()
    })
  }

  #travelMs(): number {
    const { oneWayMs, jitter } = this.#options
    return oneWayMs * (1 - jitter + 2 * jitter * this.#deps.chance.float())
  }
}

/** What the handler answers: the k closest it knows, without the one who asks. */
export function closestOf(node: SimNode, target: DhtKey, asker: SimNode, k: number): Contact[] {
  return node.table
    .closest(target, k + 1)
    .filter(({ peer }) => peer !== asker.contact.peer)
    .slice(0, k)
}
