/**
 * What becomes of a message of a peer, in two steps: before its signature is verified, which costs
 * most, and after it, when we know whose it is. Only what passes both is delivered and passed on.
 *
 *   admits   subscribed topic → size → quota of who hands it on → bytes of that peer, and of all
 *   judge    not our own → quota of its author → the topic's rate → decode → schema
 *
 * A message that no node could read is the fault of who handed it on (`reject`: GossipSub counts it
 * against that peer). What only our limits or our schema refuse is not (`ignore`): another node may
 * have another version of the schema.
 */

import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { PubsubConfig } from './config.ts'
import { reasonOf } from './errors.ts'
import type { PubsubMetrics } from './metrics.ts'
import { Rates } from './rates.ts'
import type { Message } from './subscription.ts'
import { readBy, type Topic, type Topics } from './topics.ts'

/** What this room asks of the policy. */
export interface Admission {
  /** Returns when `peer` may, and throws when it may not. */
  admit(peer: PeerId, action: 'stream' | 'pubsub.message'): void
}

/** A message whose signature was verified. */
export interface Signed {
  readonly author: PeerId
  /** Counted up by the author. */
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
  | 'author quota'
  | 'rate'
  | 'decode'
  | 'schema'

export interface ChecksDeps {
  readonly self: () => PeerId | undefined
  readonly topics: Topics
  readonly policy: Admission
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<PubsubMetrics, 'refusals' | 'received'>
}

type ChecksConfig = Pick<
  PubsubConfig,
  'messagesPerSecondMax' | 'bytesPerSecondMax' | 'bytesPerPeerPerSecondMax'
>

export class Checks {
  readonly #deps: ChecksDeps
  readonly #config: ChecksConfig
  readonly #rates: Rates

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
    const { topics, self, metrics } = this.#deps
    const topic = topics.onWire(wire)
    if (topic === undefined) return this.#ignore('not subscribed', source)
    const { author } = message
    if (author === self()) return this.#ignore('own', source)
    if (author !== source && !this.#isAdmitted(author)) return this.#ignore('author quota', source)
    if (!this.#rates.take(`${author} ${wire}`, 1, topic.rules.perPeerPerSecond)) {
      return this.#ignore('rate', source)
    }
    const read = this.#read(topic, message.data, source)
    if ('verdict' in read) return read.verdict
    metrics.received.add(1)
    this.#deliver(topic, message, read.value)
    return 'accept'
  }

  #read(
    { rules }: Topic,
    data: Uint8Array,
    source: PeerId,
  ): { value: unknown } | { verdict: Verdict } {
    let decoded: unknown
    try {
      decoded = rules.codec.decode(data)
    } catch (error) {
      this.#refuse('decode', source, error)
      return { verdict: 'reject' }
    }
    try {
      return { value: readBy(rules, decoded) }
    } catch (error) {
      return { verdict: this.#ignore('schema', source, error) }
    }
  }

  #deliver({ name, readers }: Topic, { author, sequence }: Signed, value: unknown): void {
    const message: Message<unknown> = {
      topic: name,
      from: author,
      value,
      atMs: this.#deps.clock.now(),
      id: messageId(author, sequence),
    }
    for (const reader of readers) reader.push(message)
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
