/**
 * Questions on their way as datagrams: what waits for which answer, and what is sent again when.
 * Sans I/O: packets go out through `send`, time comes in through `tick`.
 *
 * Each sending has a counter of its own, and an answer to any of them will do: so the round trip is
 * measured exactly, and the other side's window needs no exception. A challenge is believed only by
 * who could have seen the packet; anybody else could make us ask in vain.
 */

import { equalBytes } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { UdpEndpoint } from '../net/index.ts'
import { type DatagramBook, isSame } from './datagram-book.ts'
import { COOKIE_MS_MAX, issuedAt } from './datagram-cookies.ts'
import { EarlySendRates, earlyStamp } from './datagram-early.ts'
import type { DatagramKeys } from './datagram-keys.ts'
import {
  type AnswerPacket,
  type ChallengePacket,
  COOKIE_BYTES,
  PARTIAL,
  PROOF_BYTES,
  padded,
  questionHead,
  REFUSED,
  readAnswerBody,
} from './datagram-packet.ts'

/** Questions that wait, in all and for one peer. */
export const WAITING_MAX = 2_048
export const WAITING_PER_PEER_MAX = 64
const TRIES_MAX = 3
/** Who never answered is not waited for so long: there may be a stream to it. */
const TRIES_UNKNOWN_MAX = 2
const CHALLENGES_MAX = 2
const NO_COOKIE = new Uint8Array(COOKIE_BYTES)

/** How a question ended. */
export type Outcome =
  /** `early`: the peer does not know yet that we are where we are. */
  | { readonly kind: 'answered'; readonly message: Uint8Array; readonly early: boolean }
  /** Not all of it fitted: a stream has room. */
  | { readonly kind: 'partial' }
  | { readonly kind: 'refused' }
  /** `known`: it used to answer. */
  | { readonly kind: 'silent'; readonly known: boolean }

export interface AskingDeps {
  readonly keys: Pick<DatagramKeys, 'seal' | 'openAnswer' | 'nextCounter'>
  readonly book: DatagramBook
  readonly publicKey: Uint8Array
  readonly boot: Uint8Array
  /** What stands in the flags of our questions. */
  readonly flags: number
  readonly send: (bytes: Uint8Array, to: UdpEndpoint) => void
}

/** What is asked of whom. */
export interface Asked {
  readonly peer: PeerId
  readonly publicKey: Uint8Array
  readonly at: UdpEndpoint
  readonly body: Uint8Array
  /** Whether it may be answered before our address is proven, as only what reads may. */
  readonly mayBeEarly?: boolean
  readonly settle: (outcome: Outcome) => void
}

interface Waiting extends Asked {
  readonly known: boolean
  readonly counters: { readonly counter: number; readonly sentMs: number }[]
  /** What it was sent under without a cookie, to be answered at once. */
  earlyCounter: number | undefined
  /** The last bytes of the packet sent last. */
  proof: Uint8Array
  tries: number
  challenges: number
  dueMs: number
}

/** One whose time is over is worth nothing, if our clocks agree. */
function mayBeGood(cookie: Uint8Array, nowMs: number): boolean {
  return nowMs - issuedAt(cookie) < COOKIE_MS_MAX
}

export class Asking {
  readonly #deps: AskingDeps
  /** By each counter that it was sent under. */
  readonly #byCounter = new Map<number, Waiting>()
  readonly #waiting = new Set<Waiting>()
  readonly #perPeer = new Map<PeerId, number>()
  readonly #early = new EarlySendRates()

  constructor(deps: AskingDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#waiting.size
  }

  /** How many questions wait for `peer`; none more is taken at the bound. */
  waitingFor(peer: PeerId): number {
    return this.#perPeer.get(peer) ?? 0
  }

  isFull(peer: PeerId): boolean {
    return this.size >= WAITING_MAX || this.waitingFor(peer) >= WAITING_PER_PEER_MAX
  }

  /** Sends a question; it settles once. Whatever `send` throws, it throws, and nothing waits. */
  ask(asked: Asked, nowMs: number): void {
    const waiting: Waiting = {
      ...asked,
      known: this.#deps.book.answers(asked.peer),
      counters: [],
      earlyCounter: undefined,
      proof: NO_COOKIE,
      tries: 0,
      challenges: 0,
      dueMs: 0,
    }
    this.#waiting.add(waiting)
    this.#perPeer.set(asked.peer, this.waitingFor(asked.peer) + 1)
    try {
      this.#send(waiting, nowMs)
    } catch (error) {
      this.#forget(waiting)
      throw error
    }
  }

  /** Returns whether the packet was an answer to a question of ours. */
  answered(packet: AnswerPacket, from: UdpEndpoint, nowMs: number): boolean {
    const waiting = this.#byCounter.get(packet.echo)
    if (waiting === undefined || !isSame(waiting.at, from)) return false
    const body = this.#deps.keys.openAnswer(waiting, packet)
    if (body === undefined) return false
    const sent = waiting.counters.find(({ counter }) => counter === packet.echo)
    const { ports, message } = readAnswerBody(body)
    const rttMs = Math.max(0, nowMs - (sent?.sentMs ?? nowMs))
    this.#deps.book.answered(waiting.peer, from, { ports, cookie: packet.cookie, rttMs })
    if ((packet.flags & REFUSED) !== 0) this.#settle(waiting, { kind: 'refused' })
    else if ((packet.flags & PARTIAL) !== 0) this.#settle(waiting, { kind: 'partial' })
    else {
      const early = packet.echo === waiting.earlyCounter
      this.#settle(waiting, { kind: 'answered', message, early })
    }
    return true
  }

  /** Returns whether the question was sent again with the cookie. */
  challenged(packet: ChallengePacket, from: UdpEndpoint, nowMs: number): boolean {
    const waiting = this.#byCounter.get(packet.echo)
    if (waiting === undefined || !isSame(waiting.at, from)) return false
    if (!equalBytes(waiting.proof, packet.proof)) return false
    if (waiting.challenges >= CHALLENGES_MAX) return false
    waiting.challenges += 1
    waiting.tries -= 1
    this.#deps.book.challenged(waiting.peer, Uint8Array.from(packet.cookie))
    return this.#sendAgain(waiting, nowMs)
  }

  /** Sends again what is due, gives up what was sent often enough. */
  tick(nowMs: number): void {
    for (const waiting of [...this.#waiting]) {
      // Further ahead than it can be: the clock was set back.
      const isDue = waiting.dueMs <= nowMs || waiting.dueMs > nowMs + 60_000
      if (!isDue) continue
      const triesMax = waiting.known ? TRIES_MAX : TRIES_UNKNOWN_MAX
      if (waiting.tries < triesMax && this.#sendAgain(waiting, nowMs)) continue
      this.#giveUp(waiting, nowMs)
    }
  }

  /** Waits so much longer: while we were busy nobody could be heard, and silence means nothing. */
  delay(ms: number): void {
    for (const waiting of this.#waiting) waiting.dueMs += ms
  }

  /** When `tick` has something to do; `undefined` while nothing waits. */
  dueMs(): number | undefined {
    let dueMs: number | undefined
    for (const waiting of this.#waiting) {
      if (dueMs === undefined || waiting.dueMs < dueMs) dueMs = waiting.dueMs
    }
    return dueMs
  }

  /** Ends all that waits as if nobody had answered. */
  stop(): void {
    for (const waiting of [...this.#waiting]) {
      this.#settle(waiting, { kind: 'silent', known: true })
    }
  }

  #sendAgain(waiting: Waiting, nowMs: number): boolean {
    try {
      this.#send(waiting, nowMs)
      return true
    } catch {
      // The address was good a moment ago; now the question fails as one that nobody answers.
      return false
    }
  }

  #send(waiting: Waiting, nowMs: number): void {
    const { keys, book, publicKey, boot, flags, send } = this.#deps
    const counter = keys.nextCounter()
    const known = book.cookieOf(waiting.peer)
    const isGood = known !== undefined && mayBeGood(known, nowMs)
    const early = !isGood && this.#goesEarly(waiting, nowMs)
    if (early) waiting.earlyCounter = counter
    const cookie = early ? earlyStamp(nowMs) : (known ?? NO_COOKIE)
    const head = questionHead(flags, publicKey, { boot, counter, cookie })
    const body = early ? padded(waiting.body) : waiting.body
    const packet = keys.seal(waiting, { head, counter }, body)
    waiting.proof = packet.subarray(packet.length - PROOF_BYTES)
    waiting.counters.push({ counter, sentMs: nowMs })
    this.#byCounter.set(counter, waiting)
    waiting.dueMs = nowMs + book.patienceMs(waiting.peer) * 2 ** waiting.tries
    waiting.tries += 1
    // Last: a port in memory may bring the answer before it returns.
    send(packet, waiting.at)
  }

  /** Once for a question: who does not answer may be a victim of whoever named it. */
  #goesEarly({ mayBeEarly, tries, challenges, known, at }: Waiting, nowMs: number): boolean {
    if (mayBeEarly !== true || tries + challenges > 0) return false
    return known || this.#early.take(at, nowMs)
  }

  #giveUp(waiting: Waiting, nowMs: number): void {
    const { peer, at } = waiting
    this.#deps.book.silent(peer, at, nowMs)
    this.#settle(waiting, { kind: 'silent', known: waiting.known })
  }

  #settle(waiting: Waiting, outcome: Outcome): void {
    this.#forget(waiting)
    waiting.settle(outcome)
  }

  #forget(waiting: Waiting): void {
    for (const { counter } of waiting.counters) this.#byCounter.delete(counter)
    this.#waiting.delete(waiting)
    const left = this.waitingFor(waiting.peer) - 1
    if (left > 0) this.#perPeer.set(waiting.peer, left)
    else this.#perPeer.delete(waiting.peer)
  }
}
