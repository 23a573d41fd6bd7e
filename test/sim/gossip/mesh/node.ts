/**
 * One node of tier B: a model of the library's mesh, for one topic, around the modules that stand
 * around the library in production: topics, checks, replay guard, numbers, conduct, and the
 * bounded queues before each peer (`Outlets`).
 *
 * Modelled as `@libp2p/gossipsub` does it: heartbeat with D, D_low, D_high, D_score and D_out,
 * GRAFT, PRUNE and backoff, IHAVE and IWANT over a sliding cache, flood publish. Left out, as the
 * messages of these worlds never meet them: IDONTWANT (only above 512 bytes), peer exchange,
 * fan-out, and the scores for use (P1, P2); what we hold against a peer is in `conduct`.
 */

import { type Clock, type Random, shuffled, silentLog } from '../../../../src/base/index.ts'
import type { PeerId } from '../../../../src/identity/index.ts'
import { Checks } from '../../../../src/pubsub/checks.ts'
import { Conduct } from '../../../../src/pubsub/conduct.ts'
import type { PubsubConfig } from '../../../../src/pubsub/config.ts'
import type { PubsubMetrics } from '../../../../src/pubsub/metrics.ts'
import { kindOf, Outlets } from '../../../../src/pubsub/outlets.ts'
import { ReplayGuard } from '../../../../src/pubsub/replay-guard.ts'
import { Sequence } from '../../../../src/pubsub/sequence.ts'
import { gossipsubSettings } from '../../../../src/pubsub/settings.ts'
import type { OutboundStream } from '../../../../src/pubsub/stock.ts'
import { Subscription } from '../../../../src/pubsub/subscription.ts'
import { Topics } from '../../../../src/pubsub/topics.ts'
import { MeshFrame, type MeshRpc, type Sent } from './frame.ts'

const TOPIC = 'modelled'
/** As often as the library gives one message to one peer that asks. */
const GIVEN_MAX = 3

export interface MeshNodeDeps {
  readonly index: number
  readonly peer: PeerId
  readonly clock: Clock
  readonly random: Random
  readonly metrics: PubsubMetrics
  readonly config: PubsubConfig
  /** Who a place in the world belongs to. */
  readonly peerAt: (index: number) => PeerId
  readonly heard: (node: number, message: number) => void
  /** Called for each question to the policy. */
  readonly asked: () => void
}

/** A neighbour: how it is reached, and whether we dialled it. */
interface Neighbour {
  readonly stream: OutboundStream
  readonly isOutbound: boolean
  backoffUntilMs: number
}

export class MeshNode {
  readonly index: number
  readonly mesh = new Set<number>()
  readonly checks: Checks
  readonly replays: ReplayGuard
  readonly conduct: Conduct
  readonly outlets: Outlets
  readonly #deps: MeshNodeDeps
  readonly #settings: Required<ReturnType<typeof meshSettings>>
  readonly #sequence: Sequence
  readonly #wire: string
  readonly #neighbours = new Map<number, Neighbour>()
  readonly #seen = new Set<number>()
  readonly #kept = new Map<number, Sent>()
  readonly #given = new Map<string, number>()
  /** Messages by heartbeat, the newest first. */
  #windows: number[][] = [[]]

  constructor(deps: MeshNodeDeps) {
    const { clock, config, metrics, peer } = deps
    this.index = deps.index
    this.#deps = deps
    this.#settings = meshSettings(config)
    this.#sequence = new Sequence(clock)
    this.conduct = new Conduct(clock, config)
    const slow = (id: string) => void this.conduct.slow(id)
    this.outlets = new Outlets({ log: silentLog, metrics, slow }, config)
    this.replays = new ReplayGuard(config)
    const topics = new Topics('sim', { bytesMax: config.messageBytesMax }, () => undefined)
    topics.define(TOPIC, {})
    const { wire, readers } = topics.use(TOPIC)
    this.#wire = wire
    const nothing = () => undefined
    readers.add(
      new Subscription({ queueMax: 1, queueBytesMax: 1, dropped: nothing, left: nothing }),
    )
    const repair = { isRepaired: () => false, noted: nothing }
    const policy = { admit: () => deps.asked() }
    const parts = { topics, replays: this.replays, repair, policy, self: () => peer }
    this.checks = new Checks({ clock, metrics, log: silentLog, ...parts }, config)
  }

  /** Knows another from now on, which subscribes as we do. */
  meet(index: number, stream: OutboundStream, isOutbound: boolean): void {
    this.outlets.attach(this.#deps.peerAt(index), stream)
    this.#neighbours.set(index, { stream, isOutbound, backoffUntilMs: 0 })
  }

  get neighbours(): readonly number[] {
    return [...this.#neighbours.keys()]
  }

  /** Says something new to all that are near: flood publish. */
  publish(id: number, data: Uint8Array): void {
    const sent: Sent = { id, author: this.index, sequence: this.#sequence.next(), data }
    this.#remember(sent)
    const frame = { messages: [sent] }
    this.outlets.during(
      () => 'own',
      () => {
        for (const [index, { stream }] of this.#neighbours) {
          if (!this.#isCool(index)) stream.pushPrefixed(new MeshFrame(frame))
        }
      },
    )
  }

  receive(from: number, { messages = [], ihave = [], iwant = [], graft, prune }: MeshRpc): void {
    if (!this.conduct.isHeard(this.#deps.peerAt(from))) return
    for (const message of messages) this.#take(from, message)
    const wanted = this.#score(from) < 0 ? [] : ihave.filter((id) => !this.#seen.has(id))
    if (wanted.length > 0) this.#send(from, { iwant: wanted })
    const given = iwant.flatMap((id) => this.#give(from, id))
    if (given.length > 0) this.#send(from, { messages: given })
    if (graft === true) this.#grafted(from)
    if (prune === true) {
      this.mesh.delete(from)
      this.#backOff(from)
    }
  }

  /** What the library does once a second. */
  heartbeat(): void {
    for (const index of this.mesh) if (this.#score(index) < 0) this.#prune(index)
    const { low, wanted, high, out } = this.#settings
    const order = shuffled([...this.#neighbours.keys()], this.#deps.random)
    const isFree = (index: number) => !this.mesh.has(index) && this.#isWelcome(index)
    if (this.mesh.size < low) {
      for (const index of order.filter(isFree).slice(0, wanted - this.mesh.size)) {
        this.#graft(index)
      }
    }
    if (this.mesh.size > high) {
      for (const index of this.#excess()) this.#prune(index)
    }
    const outbound = [...this.mesh].filter((index) => this.#isOutbound(index)).length
    if (this.mesh.size >= low && outbound < out) {
      const more = order.filter((index) => isFree(index) && this.#isOutbound(index))
      for (const index of more.slice(0, out - outbound)) this.#graft(index)
    }
    this.#tell(order)
    this.#shift()
  }

  #take(from: number, message: Sent): void {
    const { peerAt, heard } = this.#deps
    const { id, author, sequence, data } = message
    const source = peerAt(from)
    if (!this.checks.admits(source, this.#wire, data.length) || this.#seen.has(id)) return
    this.#seen.add(id)
    const signed = { author: peerAt(author), sequence, data }
    if (this.checks.judge(source, this.#wire, signed) !== 'accept') return
    this.#remember(message)
    heard(this.index, id)
    for (const index of this.mesh) {
      if (index !== from) this.#send(index, { messages: [message] })
    }
  }

  #grafted(from: number): void {
    if (this.mesh.has(from)) return
    const isFull = this.mesh.size >= this.#settings.high && !this.#isOutbound(from)
    if (isFull || !this.#isWelcome(from)) this.#prune(from)
    else this.mesh.add(from)
  }

  #graft(index: number): void {
    this.mesh.add(index)
    this.#send(index, { graft: true })
  }

  #prune(index: number): void {
    this.mesh.delete(index)
    this.#backOff(index)
    this.#send(index, { prune: true })
  }

  /** Who goes when there are too many: at random, but for as many outbound ones as there must be. */
  #excess(): readonly number[] {
    const { wanted, out } = this.#settings
    const order = shuffled([...this.mesh], this.#deps.random)
    const kept = order.slice(0, wanted).filter((index) => this.#isOutbound(index))
    if (kept.length >= out) return order.slice(wanted)
    const outbound = order.filter((index) => this.#isOutbound(index))
    const others = order.filter((index) => !this.#isOutbound(index))
    return [...outbound, ...others].slice(wanted)
  }

  /** Tells some who are not in the mesh what came in the last heartbeats. */
  #tell(order: readonly number[]): void {
    const { told, lazy, factor } = this.#settings
    const ihave = this.#windows.slice(0, told).flat()
    if (ihave.length === 0) return
    const others = order.filter((index) => !this.mesh.has(index) && this.#score(index) > -15)
    const count = Math.max(lazy, Math.floor(factor * others.length))
    for (const index of others.slice(0, count)) this.#send(index, { ihave })
  }

  #shift(): void {
    const { history } = this.#settings
    this.#windows.unshift([])
    for (const id of this.#windows.splice(history).flat()) this.#kept.delete(id)
    this.#given.clear()
  }

  #give(to: number, id: number): readonly Sent[] {
    const sent = this.#kept.get(id)
    const key = `${to}/${id}`
    const given = this.#given.get(key) ?? 0
    if (sent === undefined || given >= GIVEN_MAX) return []
    this.#given.set(key, given + 1)
    return [sent]
  }

  #remember(sent: Sent): void {
    this.#seen.add(sent.id)
    this.#kept.set(sent.id, sent)
    this.#windows[0]?.push(sent.id)
  }

  #send(index: number, rpc: MeshRpc): void {
    const { messages = [], graft, prune } = rpc
    const control = { graft: graft ? [TOPIC] : [], prune: prune ? [{}] : [] }
    const kind = kindOf({ messages: messages.map(() => ({ topic: TOPIC })), control })
    this.outlets.during(
      () => kind,
      () => this.#neighbours.get(index)?.stream.pushPrefixed(new MeshFrame(rpc)),
    )
  }

  #score(index: number): number {
    return this.conduct.score(this.#deps.peerAt(index))
  }

  #isCool(index: number): boolean {
    return this.conduct.isCool(this.#deps.peerAt(index))
  }

  #isOutbound(index: number): boolean {
    return this.#neighbours.get(index)?.isOutbound === true
  }

  #isWelcome(index: number): boolean {
    const { backoffUntilMs = 0 } = this.#neighbours.get(index) ?? {}
    return backoffUntilMs <= this.#deps.clock.now() && this.#score(index) >= 0
  }

  #backOff(index: number): void {
    const neighbour = this.#neighbours.get(index)
    const { backoffMs } = this.#settings
    if (neighbour !== undefined) neighbour.backoffUntilMs = this.#deps.clock.now() + backoffMs
  }
}

/** Of what production hands to the library, what the model heeds. */
function meshSettings(config: PubsubConfig) {
  const { D, Dlo, Dhi, Dout, Dlazy, ...rest } = gossipsubSettings(config, () => 0)
  const { gossipFactor, mcacheLength, mcacheGossip, pruneBackoff } = rest
  return {
    wanted: D ?? 0,
    low: Dlo ?? 0,
    high: Dhi ?? 0,
    out: Dout ?? 0,
    lazy: Dlazy ?? 0,
    factor: gossipFactor ?? 0,
    history: mcacheLength ?? 0,
    told: mcacheGossip ?? 0,
    backoffMs: pruneBackoff ?? 0,
  }
}
