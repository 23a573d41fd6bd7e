/**
 * Being asked by datagram: the checks, cheapest first, and the answer. Sans I/O.
 *
 * What fails a check is dropped without a word; only a cookie that is not ours is answered, with
 * fewer bytes than came. Before a packet opens nothing is remembered but when its host may send the
 * next one, apart for hosts that have proven their address and for early questions, whose host may
 * be anybody.
 */

import { equalBytes } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { UdpEndpoint } from '../net/index.ts'
import { type DatagramBook, isSame } from './datagram-book.ts'
import { COOKIE_MS_MAX, type Cookies } from './datagram-cookies.ts'
import { EarlyRates, isLoopback, isNear, SKEW_MS_MAX, sealedAt } from './datagram-early.ts'
import type { DatagramKeys, PeerKeys, Shown } from './datagram-keys.ts'
import {
  answerBody,
  answerHead,
  encodeChallenge,
  isPadded,
  type QuestionPacket,
  readQuestionBody,
  SERVES,
  type StreamPorts,
} from './datagram-packet.ts'
import { HostRates } from './datagram-rates.ts'

/**
 * Agreeing on keys costs a few times what the rest of a question does. The many nodes of one
 * machine meet over loopback, where nobody from outside comes from.
 */
const STRANGERS_PER_SECOND = 128

export interface AnsweringDeps {
  readonly keys: Pick<DatagramKeys, 'seal' | 'openQuestion' | 'known' | 'nextCounter'>
  readonly book: Pick<DatagramBook, 'spoke'>
  readonly cookies: Cookies
  readonly boot: Uint8Array
  /** What stands in the flags of our answers. */
  readonly flags: number
  readonly send: (bytes: Uint8Array, to: UdpEndpoint) => void
}

/** A question whose sender is proven. */
export interface Question {
  readonly peer: PeerId
  /** Of the address it came from nothing is proven: it may only read, and nobody is noted. */
  readonly early: boolean
  readonly serves: boolean
  readonly from: UdpEndpoint
  /** kad-dht messages as they came, not decoded yet. */
  readonly messages: readonly Uint8Array[]
  readonly packet: QuestionPacket
  readonly cookieMs: number
}

/** What became of a packet, as the metric names it. */
export type Verdict = 'challenged' | 'busy' | 'forged' | 'replayed' | 'malformed'

export class Answering {
  readonly #deps: AnsweringDeps
  readonly #hosts: HostRates
  readonly #strangers = new HostRates(STRANGERS_PER_SECOND)
  readonly #early = new EarlyRates()

  constructor(deps: AnsweringDeps, perHostMax: number) {
    this.#deps = deps
    this.#hosts = new HostRates(perHostMax)
  }

  /** The question in `packet`, or why there is none. */
  asked(packet: QuestionPacket, from: UdpEndpoint, nowMs: number): Question | Verdict {
    const { keys, book } = this.#deps
    const known = keys.known(packet.key)
    const shown = this.#shown(packet, from, { known, nowMs })
    if (shown === undefined) return this.#challenge(packet, from, nowMs)
    const early = shown.early === true
    if (!early && !this.#mayAsk(from.host, known, nowMs)) return 'busy'
    const opened = keys.openQuestion(packet, shown, nowMs)
    if (opened.kind === 'stale') return this.#challenge(packet, from, nowMs)
    if (opened.kind !== 'opened') return opened.kind
    const { peer } = opened
    const body = readBody(opened.body)
    if (body === undefined) return 'malformed'
    if (!early) book.spoke(peer, from, body.ports)
    const serves = (packet.flags & SERVES) !== 0
    return { peer, early, serves, from, messages: body.messages, packet, cookieMs: shown.issuedMs }
  }

  /** Sends the answer; `flags` beside our own say what is wrong with it. */
  answer(
    question: Question,
    said: { readonly message: Uint8Array; readonly flags: number; readonly ports: StreamPorts },
    nowMs: number,
  ): void {
    const { keys, cookies, boot, flags, send } = this.#deps
    const { peer, early, from, packet, cookieMs } = question
    // A young cookie goes back as it came: it will do for the next questions too.
    const isYoung = !early && nowMs - cookieMs < COOKIE_MS_MAX / 2
    const cookie = isYoung ? packet.cookie : cookies.make(from, packet.key, nowMs)
    const counter = keys.nextCounter()
    const head = answerHead(flags | said.flags, packet.counter, { boot, counter, cookie })
    const to = { peer, publicKey: packet.key }
    const body = answerBody(said.ports, said.message)
    send(keys.seal(to, { head, counter, boot: packet.boot }, body), from)
  }

  /** Whether somebody who showed a cookie is read; strangers cost an agreement. */
  #mayAsk(host: string, known: PeerKeys | undefined, nowMs: number): boolean {
    if (!this.#hosts.take(host, nowMs)) return false
    return known !== undefined || isLoopback(host) || this.#strangers.take(host, nowMs)
  }

  /**
   * The cookie in the packet, if it is good; one that was good a moment ago is not hashed again.
   */
  #shown(
    packet: QuestionPacket,
    from: UdpEndpoint,
    { known, nowMs }: { readonly known: PeerKeys | undefined; readonly nowMs: number },
  ): Shown | undefined {
    const { cookie, key } = packet
    const sealedMs = sealedAt(cookie)
    if (sealedMs !== undefined) return this.#shownEarly(packet, from, { sealedMs, nowMs })
    const last = known?.shown
    if (last !== undefined && isSame(last.from, from) && equalBytes(last.cookie, cookie)) {
      const ageMs = nowMs - last.issuedMs
      return ageMs >= 0 && ageMs <= COOKIE_MS_MAX ? last : undefined
    }
    const issuedMs = this.#deps.cookies.check(cookie, from, key, nowMs)
    return issuedMs === undefined ? undefined : { cookie: Uint8Array.from(cookie), from, issuedMs }
  }

  /**
   * An early question, if it is as long as its answer can be and there is time for it. The clock of
   * its sender may be ahead of ours: at worst it was sealed so much earlier than it says.
   */
  #shownEarly(
    packet: QuestionPacket,
    from: UdpEndpoint,
    { sealedMs, nowMs }: { readonly sealedMs: number; readonly nowMs: number },
  ): Shown | undefined {
    if (!isPadded(packet) || !isNear(sealedMs, nowMs)) return undefined
    const { host } = from
    const rates = isLoopback(host) ? this.#hosts : this.#early
    if (!rates.take(host, nowMs)) return undefined
    return { cookie: packet.cookie, from, issuedMs: sealedMs - SKEW_MS_MAX, early: true }
  }

  /** Nothing is remembered of it, and it has fewer bytes than any question. */
  #challenge(packet: QuestionPacket, from: UdpEndpoint, nowMs: number): Verdict {
    const cookie = this.#deps.cookies.make(from, packet.key, nowMs)
    this.#deps.send(encodeChallenge(packet.counter, packet.proof, cookie), from)
    return 'challenged'
  }
}

function readBody(body: Uint8Array): ReturnType<typeof readQuestionBody> | undefined {
  try {
    return readQuestionBody(body)
  } catch {
    return undefined
  }
}
