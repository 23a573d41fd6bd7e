/**
 * Early questions: a first question that is answered at once, without the round trip of a cookie.
 *
 * It fills a whole packet, so the answer is never longer than what was sent, whoever sent it. Where
 * a cookie would stand it says when it was sealed. Who is asked believes a time near its own, and
 * later than all that it may have forgotten: so a packet that was captured counts no second time.
 * Of the sender's address it believes nothing. Agreeing on keys is what cookies keep from being
 * forced: so early questions have a rate of their own, for each host and for all together, and
 * beyond it a cookie must come first.
 *
 *   0 when it was sealed, ms (6)
 *   6 zeros (10)
 */

import type { PeerId } from '../identity/index.ts'
import type { UdpEndpoint } from '../net/index.ts'
import { wholeQuestion } from './datagram-fit.ts'
import { COOKIE_BYTES } from './datagram-packet.ts'
import { HostRates } from './datagram-rates.ts'
import { DhtError } from './errors.ts'
import { decodeQuestion, type Message, type MessageType } from './wire.ts'

/** How far the clocks of two nodes may differ. */
export const SKEW_MS_MAX = 10_000
/** About 2 % of a core; an address may be forged, so that of one host protects no other. */
const ALL_PER_SECOND = 256
const HOST_PER_SECOND = 32
/** Made-up peers at a victim's address: so many whole packets of ours come there. */
const SENT_PER_SECOND = 2
const TIME_BYTES = 6
const ALL = 'all'
/** Many nodes of one machine meet there, and nobody from outside does. */
const LOOPBACK = /^(?:127\.|::1$)/
/** What changes nothing where it is asked. */
const READS: ReadonlySet<MessageType> = new Set(['findNode', 'getValue', 'getProviders'])

/** Whether messages of these kinds may be asked together before the address is proven. */
export function mayBeEarly(types: readonly MessageType[]): boolean {
  return types.length === 1 && types.every((type) => READS.has(type))
}

/** Reads each message of a question when it is taken. An early one may be from anywhere. */
export function* readQuestions(question: {
  readonly peer: PeerId
  readonly early: boolean
  readonly messages: readonly Uint8Array[]
}): Iterable<Message> {
  const { peer, early, messages } = question
  for (const bytes of messages) {
    const message = decodeQuestion(bytes)
    const { type } = message
    if (early && (messages.length > 1 || !READS.has(type))) {
      throw DhtError.REFUSED({ peer, reason: `it may not ask ${type} early` })
    }
    yield wholeQuestion(message)
  }
}

/** Whether `host` is this machine itself. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** What an early question has in place of a cookie. */
export function earlyStamp(nowMs: number): Uint8Array {
  const stamp = Buffer.alloc(COOKIE_BYTES)
  stamp.writeUIntBE(Math.max(0, Math.floor(nowMs)), 0, TIME_BYTES)
  return stamp
}

/** When an early question says it was sealed; `undefined` for what is no such stamp. */
export function sealedAt(cookie: Uint8Array): number | undefined {
  for (let at = TIME_BYTES; at < COOKIE_BYTES; at += 1) if (cookie[at] !== 0) return undefined
  return Buffer.from(cookie.buffer, cookie.byteOffset, TIME_BYTES).readUIntBE(0, TIME_BYTES)
}

/** Whether two clocks that differ by no more than they may could say so. */
export function isNear(sealedMs: number, nowMs: number): boolean {
  return Math.abs(sealedMs - nowMs) <= SKEW_MS_MAX
}

/** How many early questions are read. */
export class EarlyRates {
  readonly #hosts = new HostRates(HOST_PER_SECOND)
  readonly #all = new HostRates(ALL_PER_SECOND)

  /** Whether one more may come from `host`; if so, that was it. */
  take(host: string, nowMs: number): boolean {
    return this.#hosts.take(host, nowMs) && this.#all.take(ALL, nowMs)
  }
}

/** How many early questions are sent to addresses that nobody has proven to us. */
export class EarlySendRates {
  readonly #hosts = new HostRates(SENT_PER_SECOND)

  /** Whether one more may go there; if so, that was it. */
  take({ host }: UdpEndpoint, nowMs: number): boolean {
    return isLoopback(host) || this.#hosts.take(host, nowMs)
  }
}
