/**
 * Topics with repair: their messages are counted, the last ones are kept, and what is missing here
 * is asked of peers in the mesh, over the way that the composition root gives us (`asking`).
 *
 * It promises that a message which one of the neighbours asked still keeps comes, late and marked
 * as repaired, also the last one of an author (`catch-up`). It promises nothing about messages from
 * before we listened, and about order.
 */

import { type Clock, either, type Logger, type Random, shuffled } from '../base/index.ts'
import { type PeerId, peerIdFromBytes } from '../identity/index.ts'
import type { Cbor } from '../wire/index.ts'
import { CatchUp } from './catch-up.ts'
import { PubsubError, reasonOf } from './errors.ts'
import { type Gap, Gaps } from './gaps.ts'
import type { Router } from './gossip.ts'
import { Kept, sizeOf } from './kept.ts'
import type { PubsubMetrics } from './metrics.ts'
import { Rates } from './rates.ts'
import {
  ANSWER_BYTES_MAX,
  answerFromCbor,
  answerToCbor,
  type Counted,
  decodeCounted,
  encodeCounted,
  headsQuestionFromCbor,
  headsToCbor,
  questionFromCbor,
  questionToCbor,
} from './repair-protocol.ts'
import type { RawMessage } from './stock.ts'
import { isBare, type Topics } from './topics.ts'

/** How one peer is asked for missing messages, and how we are asked. */
export interface Asking {
  ask(peer: PeerId, question: Cbor, options: { readonly signal: AbortSignal }): Promise<Cbor>
  serve(answer: (question: Cbor, from: PeerId) => Promise<Cbor>): void
}

export interface RepairDeps {
  readonly asking: Asking | undefined
  readonly gossip: Pick<Router, 'self' | 'mesh' | 'take' | 'onChange'>
  readonly topics: Topics
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Pick<PubsubMetrics, 'repairs'>
}

/** Questions a second that we answer to one peer, and that we ask of all. */
const ANSWERS_PER_SECOND_MAX = 4
/** Bytes a second that we give to one peer, and to all: a question costs who asks nothing. */
const BYTES_PER_PEER_PER_SECOND_MAX = ANSWER_BYTES_MAX
const BYTES_PER_SECOND_MAX = 8 * ANSWER_BYTES_MAX
const QUESTIONS_PER_SECOND_MAX = 8
/** So long a question may take, packets that are lost and sent again included. */
const ANSWER_BEATS = 4

export class Repair {
  readonly #deps: RepairDeps
  readonly #gaps: Gaps
  readonly #rates: Rates
  readonly #beatMs: number
  readonly #kept = new Map<string, Kept>()
  /** What we publish ourselves, by topic. */
  readonly #counts = new Map<string, { readonly run: number; count: number }>()
  /** Names of messages that are being judged, and came because we asked. */
  readonly #given = new Set<string>()
  readonly #stopped = new AbortController()
  readonly #catchUp: CatchUp | undefined
  #isAsking = false

  constructor(deps: RepairDeps, { heartbeatMs }: { readonly heartbeatMs: number }) {
    this.#deps = deps
    this.#beatMs = heartbeatMs
    // Paths of the mesh differ by less than one beat; GossipSub tells of messages with the next.
    this.#gaps = new Gaps({ patienceMs: 2 * heartbeatMs })
    this.#rates = new Rates(deps.clock)
    const { asking } = deps
    if (asking === undefined) return
    asking.serve(async (question, from) => this.#answer(question, from))
    const ask = (peer: PeerId, gap: Gap) => {
      deps.metrics.repairs.add(gap.counts.length, { outcome: 'asked' })
      return this.#ask(peer, gap)
    }
    const mayAsk = () => this.#mayAsk()
    this.#catchUp = new CatchUp({ ...deps, asking, gaps: this.#gaps, ask, mayAsk }, { heartbeatMs })
  }

  stop(): void {
    this.#stopped.abort()
    this.#catchUp?.stop()
  }

  /** The topic is read here from now on. */
  listen(wire: string): void {
    const rule = this.#deps.topics.onWire(wire)?.rules.repair
    if (rule !== undefined) this.#catchUp?.begin(wire)
  }

  /** The bytes of a message of ours with its count, which is used up. */
  seal(wire: string, bytes: Uint8Array): Uint8Array {
    const own = this.#counts.get(wire) ?? { run: this.#deps.clock.now(), count: 0 }
    this.#counts.set(wire, own)
    own.count += 1
    return encodeCounted({ ...own, bytes })
  }

  /** Whether it is missing here and comes because we asked: then it may be old. */
  isRepaired(wire: string, author: PeerId, message: Counted): boolean {
    if (!this.#given.has(nameOf(wire, author, message))) return false
    const gaps = this.#gaps
    return gaps.isMissing(wire, author, message) || gaps.isAbove(wire, author, message)
  }

  /** A message of somebody was taken. */
  noted(wire: string, author: PeerId, message: Counted): void {
    const { clock, metrics } = this.#deps
    const lost = this.#gaps.note(wire, author, message, clock.now())
    if (lost > 0) metrics.repairs.add(lost, { outcome: 'given_up' })
    if (this.#gaps.size > 0) this.#askInTime()
  }

  /** Keeps what passed all checks, ours included, as it was signed. */
  keep(message: RawMessage): void {
    const { topics, clock } = this.#deps
    const rules = topics.onWire(message.topic)?.rules
    const rule = rules?.repair
    if (rules === undefined || rule === undefined) return
    if (message.from === undefined || message.data === undefined) return
    if (isBare(rules, message.data)) return
    const kept = this.#kept.get(message.topic) ?? new Kept()
    this.#kept.set(message.topic, kept)
    const { run, count } = decodeCounted(message.data)
    const author = peerIdFromBytes(message.from)
    kept.add({ author, run, count, takenAtMs: clock.now() }, message, rule)
  }

  /** Nobody reads the topic here any more. */
  forget(wire: string): void {
    this.#catchUp?.end(wire)
    this.#gaps.forget(wire)
    this.#kept.delete(wire)
  }

  #answer(payload: Cbor, from: PeerId): Cbor {
    if (!this.#rates.take(`answer ${from}`, 1, ANSWERS_PER_SECOND_MAX)) {
      throw PubsubError.REPAIR_REFUSED({ reason: 'too many questions a second' })
    }
    const heads = headsQuestionFromCbor(payload)
    if (heads !== undefined) return this.#headsOf(heads.wire, heads.spanMs)
    const { wire, author, run, counts } = questionFromCbor(payload)
    const kept = this.#kept.get(wire)
    let bytes = 0
    const found: RawMessage[] = []
    for (const count of counts) {
      const message = kept?.get(author, { run, count })
      if (message === undefined) continue
      const sum = bytes + sizeOf(message)
      if (sum > ANSWER_BYTES_MAX && found.length > 0) break
      bytes = sum
      found.push(message)
    }
    const mayGive =
      this.#rates.take(`bytes ${from}`, bytes, BYTES_PER_PEER_PER_SECOND_MAX) &&
      this.#rates.take('bytes', bytes, BYTES_PER_SECOND_MAX)
    if (!mayGive) throw PubsubError.REPAIR_REFUSED({ reason: 'too many bytes a second' })
    this.#deps.metrics.repairs.add(found.length, { outcome: 'served' })
    return answerToCbor(found)
  }

  /** What was taken, but for what may still be on its way to who asks. */
  #headsOf(wire: string, spanMs: number): Cbor {
    const nowMs = this.#deps.clock.now()
    const times = { fromMs: nowMs - spanMs, untilMs: nowMs - 2 * this.#beatMs }
    return headsToCbor(this.#kept.get(wire)?.heads(times) ?? [])
  }

  /** Asks once in each beat, for as long as something is missing. */
  #askInTime(): void {
    if (this.#isAsking || this.#deps.asking === undefined) return
    this.#isAsking = true
    const { clock, log } = this.#deps
    const loop = async () => {
      while (this.#gaps.size > 0) {
        await clock.sleep(this.#beatMs, this.#stopped.signal)
        await this.#askAll()
      }
    }
    loop()
      .catch((error: unknown) => {
        if (!this.#stopped.signal.aborted) log.error('repair of topics ended', { error })
      })
      .finally(() => {
        this.#isAsking = false
      })
  }

  async #askAll(): Promise<void> {
    const { clock, gossip, metrics, random } = this.#deps
    const lost = this.#gaps.giveUp(clock.now())
    if (lost > 0) metrics.repairs.add(lost, { outcome: 'given_up' })
    // In any order, so that who makes up gaps without end does not stand before all others.
    const asked = shuffled(this.#gaps.due(clock.now()), random).map(async (gap) => {
      const others = gossip.mesh(gap.wire).filter((peer) => !gap.asked.has(peer))
      const [peer] = shuffled(others, random)
      // What has to wait for its turn is due again with the next beat.
      if (peer !== undefined && !this.#mayAsk()) return
      this.#gaps.asking(gap, peer, clock.now())
      if (peer === undefined) return
      metrics.repairs.add(gap.counts.length, { outcome: 'asked' })
      await this.#ask(peer, gap)
    })
    await Promise.all(asked)
  }

  #mayAsk(): boolean {
    return this.#rates.take('questions', 1, QUESTIONS_PER_SECOND_MAX)
  }

  async #ask(peer: PeerId, gap: Gap): Promise<void> {
    const { asking, clock, log, metrics } = this.#deps
    using deadline = clock.deadline(ANSWER_BEATS * this.#beatMs)
    using over = either(deadline.signal, this.#stopped.signal)
    try {
      const answer = await asking?.ask(peer, questionToCbor(gap), { signal: over.signal })
      for (const message of answerFromCbor(answer ?? [], gap.wire)) {
        if (await this.#take(peer, gap, message)) metrics.repairs.add(1, { outcome: 'repaired' })
      }
    } catch (error) {
      this.#gaps.unanswered(gap, peer)
      log.debug('missing messages not given', { peer, why: reasonOf(error) })
    }
  }

  async #take(peer: PeerId, gap: Gap, message: RawMessage): Promise<boolean> {
    const { run, count } = decodeCounted(message.data ?? new Uint8Array())
    if (run !== gap.run || !gap.counts.includes(count)) return false
    const name = nameOf(gap.wire, gap.author, { run, count })
    this.#given.add(name)
    try {
      return await this.#deps.gossip.take(peer, message)
    } finally {
      this.#given.delete(name)
    }
  }
}

function nameOf(wire: string, author: PeerId, place: { run: number; count: number }): string {
  return `${author} ${place.run} ${place.count} ${wire}`
}
