/**
 * Ten thousand nodes that tell each other things, on a heap of messages: who is connected to whom,
 * what a way costs, and what came of it. The links are those of tier A: one way and up to a
 * millisecond more, and what leaves in order arrives in order.
 */

import { Registry, shuffled } from '../../../../src/base/index.ts'
import { generateKeys, type PeerId } from '../../../../src/identity/index.ts'
import { cborCodec } from '../../../../src/pubsub/codec.ts'
import { type PubsubConfig, pubsubConfig } from '../../../../src/pubsub/config.ts'
import { pubsubMetrics } from '../../../../src/pubsub/metrics.ts'
import type { OutboundStream } from '../../../../src/pubsub/stock.ts'
import { type Chance, chance } from '../../cores/chance.ts'
import { EventHeap } from '../../cores/heap.ts'
import { HeapClock } from '../../cores/heap-clock.ts'
import { MeshFrame } from './frame.ts'
import { MeshNode } from './node.ts'

export interface MeshOptions {
  readonly seed: number
  readonly nodes: number
  /** Rings through all nodes: each has twice as many neighbours. */
  readonly rings: number
  readonly oneWayMs: number
}

export interface MeshFigures {
  readonly delivered: number
  readonly expected: number
  readonly latenciesMs: readonly number[]
  /** Questions to the policy for each delivery: copies that came, and authors. */
  readonly admissionsPerDelivery: number
  readonly eventHash: string
}

interface Talk {
  readonly messages: number
  readonly pauseMs: number
  readonly windowMs: number
  readonly text: string
}

const JITTER_MS = 1
const KIND_FRAME = 10

export class MeshWorld {
  readonly heap = new EventHeap()
  readonly nodes: readonly MeshNode[]
  /** Who a place in the world belongs to. */
  readonly peerAt: (index: number) => PeerId
  readonly #chance: Chance
  readonly #options: MeshOptions
  readonly #config: PubsubConfig = pubsubConfig.parse({})
  readonly #saidMs = new Map<number, number>()
  readonly #latenciesMs: number[] = []
  #asked = 0

  constructor(options: MeshOptions) {
    const { seed, nodes } = options
    this.#options = options
    this.#chance = chance(seed, 'mesh')
    const keys = chance(seed, 'keys')
    const peers: PeerId[] = Array.from({ length: nodes }, () => generateKeys(keys).signer.peer)
    this.peerAt = (index) => peers[index] as PeerId
    const shared = {
      clock: new HeapClock(this.heap),
      random: this.#chance,
      metrics: pubsubMetrics(new Registry()),
      config: this.#config,
      peerAt: this.peerAt,
      heard: (_: number, id: number) => this.#heard(id),
      asked: () => {
        this.#asked += 1
      },
    }
    this.nodes = peers.map((peer, index) => new MeshNode({ ...shared, index, peer }))
    this.#connect()
  }

  /** Lets the meshes form. */
  settle(ms: number): void {
    for (const node of this.nodes) {
      const beat = () => {
        node.heartbeat()
        this.heap.after(this.#config.heartbeatMs, beat)
      }
      this.heap.after(this.#chance.float() * this.#config.heartbeatMs, beat)
    }
    this.#runFor(ms)
  }

  talk({ messages, pauseMs, windowMs, text }: Talk): MeshFigures {
    this.#asked = 0
    for (let id = 1; id <= messages; id += 1) {
      const author = this.nodes[this.#chance.int(this.nodes.length)]
      this.#saidMs.set(id, this.heap.nowMs)
      author?.publish(id, cborCodec.encode({ id, text }))
      this.#runFor(pauseMs)
    }
    this.#runFor(windowMs)
    const { length: delivered } = this.#latenciesMs
    return {
      delivered,
      expected: messages * (this.nodes.length - 1),
      latenciesMs: this.#latenciesMs,
      admissionsPerDelivery: this.#asked / Math.max(1, delivered),
      eventHash: this.heap.eventHash(),
    }
  }

  #runFor(ms: number): void {
    let isOver = false
    this.heap.after(ms, () => {
      isOver = true
    })
    this.heap.run(() => isOver)
  }

  #heard(id: number): void {
    this.#latenciesMs.push(this.heap.nowMs - (this.#saidMs.get(id) ?? 0))
  }

  #connect(): void {
    for (let ring = 0; ring < this.#options.rings; ring += 1) {
      const order = shuffled(this.nodes, this.#chance)
      for (const [i, one] of order.entries()) {
        const other = order[(i + 1) % order.length]
        if (other === undefined || other === one || one.neighbours.includes(other.index)) continue
        one.meet(other.index, this.#line(one, other), true)
        other.meet(one.index, this.#line(other, one), false)
      }
    }
  }

  /** One way from one to another; it takes whatever it is given. */
  #line(from: MeshNode, to: MeshNode): OutboundStream {
    let freeMs = 0
    const send = (frame: unknown) => {
      if (!(frame instanceof MeshFrame)) return true
      const { nowMs } = this.heap
      freeMs = Math.max(freeMs, nowMs + this.#options.oneWayMs + JITTER_MS * this.#chance.float())
      this.heap.after(freeMs - nowMs, () => {
        this.heap.note(from.index, to.index, KIND_FRAME)
        to.receive(from.index, frame.rpc)
      })
      return true
    }
    const abort = () => undefined
    const rawStream = { writableNeedsDrain: false, send, abort, addEventListener: abort }
    return { rawStream, pushPrefixed: abort, close: async () => undefined }
  }
}
