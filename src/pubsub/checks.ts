/**
 * What becomes of a message of a peer, in two steps: before its signature is verified, which costs
 * most, and after it, when we know whose it is. Only what passes both is delivered and passed on.
 *
 *   admits   subscribed topic → size → quota of who hands it on → bytes of that peer, and of all
 *   judge    not our own → time and number (`replay-guard`) → quota of its author → the topic's
 *            rate → decode → schema → whether its author may say it
 *
 * A message that no node could read, or that its author may not say, is the fault of who handed it
 * on (`reject`: GossipSub counts it against that peer). What only our limits or our schema refuse
 * is not (`ignore`): another node may have another version of the schema.
 */

import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { PubsubConfig } from './config.ts'
import { reasonOf } from './errors.ts'
import type { PubsubMetrics } from './metrics.ts'
import { Rates } from './rates.ts'
import type { Repair } from './repair.ts'
import { type Counted, decodeCounted } from './repair-protocol.ts'
import type { ReplayGuard, ReplayRefusal } from './replay-guard.ts'
import type { Message } from './subscription.ts'
import { isBare, isSaidBy, readBy, type Topic, type Topics } from './topics.ts'

/** What this room asks of the policy. */
export interface Admission {
  /** Returns when `peer` may, and throws when it may not. */
  admit(peer: PeerId, action: 'stream' | 'pubsub.message'): void
}

/** A message whose signature was verified. */
export interface Signed {
  readonly author: PeerId
  /** Its author's time in nanoseconds, or what its author counts up. */
  readonly sequence: bigint
  readonly data: Uint8Array
}

/** What GossipSub does with a message: pass it on, forget it, or count it against the sender. */
export type Verdict = 'accept' | 'ignore' | 'reject'

type Refusal =
  | 'not subscribed'
  | 'size'
  | 'quota'
  | 'bytes'
  | 'total'
  | 'own'
  | ReplayRefusal['reason']
  | 'author quota'
  | 'rate'
  | 'decode'
  | 'schema'
  | 'author'

export interface ChecksDeps {
  readonly self: () => PeerId | undefined
  readonly topics: Topics
  readonly policy: Admission
  readonly replays: ReplayGuard
  readonly repair: Pick<Repair, 'isRepaired' | 'noted'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<PubsubMetrics, 'refusals' | 'received' | 'clockOff'>
}

/** What is in the data of a message; `counted` in topics with repair. */
interface Content {
  readonly bytes: Uint8Array
  readonly counted?: Counted
  readonly isRepaired: boolean
}

type ChecksConfig = Pick<
  PubsubConfig,
  'messagesPerSecondMax' | 'bytesPerSecondMax' | 'bytesPerPeerPerSecondMax'
>

const WARN_MS = 600_000

export class Checks {
  readonly #deps: ChecksDeps
  readonly #config: ChecksConfig
  readonly #rates: Rates
  #warnedAtMs = Number.NEGATIVE_INFINITY

  constructor(deps: ChecksDeps, config: ChecksConfig) {
    this.#deps = deps
    this.#config = config
    this.#rates = new Rates(deps.clock)
  }

  /** Whether a message that `source` hands us is worth verifying. */
  admits(source: PeerId, wire: string, bytes: number): boolean {
    const topic = this.#deps.topics.onWire(wire)
    if (topic === undefined || topic.readers.size === 0) {
      return this.#refuse('not subscribed', source)
    }
    if (bytes > topic.rules.bytesMax) return this.#refuse('size', source)
    if (!this.#isAdmitted(source)) return this.#refuse('quota', source)
    const { bytesPerPeerPerSecondMax, bytesPerSecondMax, messagesPerSecondMax } = this.#config
    const rates = this.#rates
    if (!rates.take(`bytes ${source}`, bytes, bytesPerPeerPerSecondMax)) {
      return this.#refuse('bytes', source)
    }
    const fits =
      rates.take('all messages', 1, messagesPerSecondMax) &&
      rates.take('all bytes', bytes, bytesPerSecondMax)
    return fits || this.#refuse('total', source)
  }

  /** What becomes of a signed message that `source` handed us; delivers it if it is good. */
  judge(source: PeerId, wire: string, message: Signed): Verdict {
    const { topics, self, metrics, repair, replays } = this.#deps
    const topic = topics.onWire(wire)
    if (topic === undefined) return this.#ignore('not subscribed', source)
    const { author, sequence, data } = message
    if (author === self()) return this.#ignore('own', source)
    if (isBare(topic.rules, data)) return this.#judgeBare(topic, source, message)
    const content = this.#content(topic, author, data)
    if (content === undefined) return this.#reject('decode', source)
    // What we asked for is known to be missing, however old it is.
    if (!content.isRepaired && this.#isReplay(topic, source, message)) return 'ignore'
    if (author !== source && !this.#isAdmitted(author)) return this.#ignore('author quota', source)
    if (!this.#rates.take(`${author} ${wire}`, 1, topic.rules.perPeerPerSecond)) {
      return this.#ignore('rate', source)
    }
    const read = this.#read(topic, content.bytes, { source, author })
    if ('verdict' in read) return read.verdict
    if (!isSaidBy(topic.rules, read.value, author)) {
      topic.rules.refused?.(author)
      return this.#reject('author', source)
    }
    metrics.received.add(1)
    // A number that is random says nothing about those in other topics.
    if (topic.rules.replay !== 'cache') replays.note(author, sequence)
    if (content.counted !== undefined) repair.noted(wire, author, content.counted)
    this.#deliver(topic, message, { ...content, value: read.value })
    return 'accept'
  }

  /** What nodes say that do not count: ours to read, and nobody else's business through us. */
  #judgeBare(topic: Topic, source: PeerId, message: Signed): Verdict {
    const { rules, wire } = topic
    const perSecond = rules.bare?.perPeerPerSecond ?? 0
    if (!this.#rates.take(`bare ${source} ${wire}`, 1, perSecond)) {
      return this.#ignore('rate', source)
    }
    const read = this.#read(topic, message.data, { source })
    if ('verdict' in read) return 'ignore'
    this.#deps.metrics.received.add(1)
    this.#deliver(topic, message, { value: read.value, isRepaired: false })
    return 'ignore'
  }

  #content({ rules, wire }: Topic, author: PeerId, data: Uint8Array): Content | undefined {
    if (rules.repair === undefined) return { bytes: data, isRepaired: false }
    try {
      const counted = decodeCounted(data)
      const isRepaired = this.#deps.repair.isRepaired(wire, author, counted)
      return { bytes: counted.bytes, counted, isRepaired }
    } catch {
      return undefined
    }
  }

  #isReplay({ rules }: Topic, source: PeerId, { author, sequence }: Signed): boolean {
    const { clock, replays, metrics, log } = this.#deps
    const { replay: rule } = rules
    const refusal = replays.refusal(author, sequence, { nowMs: clock.now(), rule })
    if (refusal === undefined) return false
    const { reason, offMs } = refusal
    metrics.refusals.add(1, { reason })
    log.debug('gossip refused', { peer: source, author, reason, offMs })
    if (reason !== 'replay') {
      metrics.clockOff.observe(Math.abs(offMs) / 1_000)
      this.#warnOfTime(author, offMs)
    }
    return true
  }

  /** Once in a while, as a node whose own clock is wrong hears nobody and nobody tells it. */
  #warnOfTime(author: PeerId, offMs: number): void {
    const nowMs = this.#deps.clock.now()
    if (nowMs - this.#warnedAtMs < WARN_MS) return
    this.#warnedAtMs = nowMs
    const why = 'an old message sent again, or a clock that is wrong: the author’s or ours'
    this.#deps.log.warn('message refused for its time', { author, offMs, why })
  }

  #read(
    { rules }: Topic,
    data: Uint8Array,
    { source, author }: { readonly source: PeerId; readonly author?: PeerId },
  ): { value: unknown } | { verdict: Verdict } {
    let decoded: unknown
    try {
      decoded = rules.codec.decode(data)
    } catch (error) {
      return { verdict: this.#reject('decode', source, error) }
    }
    try {
      return { value: readBy(rules, decoded) }
    } catch (error) {
      if (author !== undefined) rules.refused?.(author, error)
      return { verdict: this.#ignore('schema', source, error) }
    }
  }

  #deliver(
    { name, readers }: Topic,
    { author, sequence, data }: Signed,
    { value, isRepaired }: { readonly value: unknown; readonly isRepaired: boolean },
  ): void {
    const message: Message<unknown> = {
      topic: name,
      from: author,
      value,
      atMs: this.#deps.clock.now(),
      id: messageId(author, sequence),
      ...(isRepaired && { repaired: true }),
    }
    for (const reader of readers) reader.push(message, data.length)
  }

  #isAdmitted(peer: PeerId): boolean {
    try {
      this.#deps.policy.admit(peer, 'pubsub.message')
      return true
    } catch {
      return false
    }
  }

  #ignore(reason: Refusal, source: PeerId, error?: unknown): 'ignore' {
    this.#refuse(reason, source, error)
    return 'ignore'
  }

  #reject(reason: Refusal, source: PeerId, error?: unknown): 'reject' {
    this.#refuse(reason, source, error)
    return 'reject'
  }

  #refuse(reason: Refusal, peer: PeerId, error?: unknown): false {
    const { metrics, log } = this.#deps
    metrics.refusals.add(1, { reason })
    log.debug('gossip refused', {
      peer,
      reason,
      ...(error === undefined ? {} : { why: reasonOf(error) }),
    })
    return false
  }
}

function messageId(author: PeerId, sequence: bigint): string {
  return `${author}/${sequence.toString(16)}`
}
