/**
 * An attacker in a topic. It subscribes, wants to be in every mesh that it can reach, and passes
 * nothing on.
 *
 *   censor    keeps everything it is told to itself, and is polite about it
 *   spam      sends what it was told again and again, some of it changed so that the signature is
 *             false, and promises messages that it never gives
 *   eclipse   as a censor; all of them are connected to one victim
 *
 * A spammer grafts anew as soon as it is let go; the others wait for as long as they were told.
 */

import type { PeerId } from '../../../src/identity/index.ts'
import type { SimNode, SimRandom, Simulation } from '../../../src/testing/index.ts'
import { Stranger, type StrangerFrame, type Told } from './stranger.ts'

const HEARTBEAT_MS = 1_000
/** What a spammer sends to each in a heartbeat, of each kind, and how much it remembers. */
const FALSE_PER_BEAT = 2
const REPEATED_PER_BEAT = 4
const PROMISED_PER_BEAT = 40
const KEPT_MAX = 20
const NAME_BYTES = 46
/** Where we are in a mesh there is nothing to ask for. */
const NEVER_MS = Number.POSITIVE_INFINITY
/** What a node of ours asks for when it says nothing else. */
const BACKOFF_S = 60

export const SYBIL_KINDS = ['censor', 'spam', 'eclipse'] as const
export type SybilKind = (typeof SYBIL_KINDS)[number]

export class Sybil {
  readonly node: SimNode
  readonly kind: SybilKind
  /** Messages that it was told and kept to itself. */
  swallowed = 0
  readonly #world: Simulation
  readonly #topic: string
  readonly #random: SimRandom
  readonly #stranger: Stranger
  /** When it may ask each for a place in its mesh. */
  readonly #graftAtMs = new Map<PeerId, number>()
  readonly #told: Told[] = []

  constructor(world: Simulation, node: SimNode, how: { kind: SybilKind; topic: string }) {
    this.node = node
    this.kind = how.kind
    this.#world = world
    this.#topic = how.topic
    this.#random = world.random.fork(`sybil/${node.peer}`)
    this.#stranger = new Stranger(node, [how.topic], (peer, { messages, control }) => {
      this.#keep(messages)
      for (const { backoff } of control?.prune ?? []) this.#letGo(peer, backoff)
    })
  }

  /**
   * In how many meshes it is: it asked for its place and was not sent away since. A spammer is not
   * even answered, so that it cannot tell.
   */
  get places(): number {
    if (this.kind === 'spam') return 0
    return [...this.#graftAtMs.values()].filter((atMs) => atMs === NEVER_MS).length
  }

  /** Takes part from now on; every heartbeat it does what its kind does. */
  async start(): Promise<void> {
    await this.#stranger.start()
    void this.#act()
  }

  #keep(messages: readonly Told[]): void {
    this.swallowed += messages.length
    if (this.kind !== 'spam') return
    this.#told.push(...messages)
    this.#told.splice(0, this.#told.length - KEPT_MAX)
  }

  #letGo(peer: PeerId, backoff: number | bigint = BACKOFF_S): void {
    const pauseMs = this.kind === 'spam' ? 0 : 1_000 * Number(backoff)
    this.#graftAtMs.set(peer, this.#world.time.nowMs + pauseMs)
  }

  async #act(): Promise<void> {
    await this.#world.time.sleep(this.#random.int(HEARTBEAT_MS))
    while (this.node.isRunning) {
      for (const peer of this.#stranger.peers) {
        if ((this.#graftAtMs.get(peer) ?? 0) <= this.#world.time.nowMs) {
          this.#graftAtMs.set(peer, NEVER_MS)
          void this.#stranger.send(peer, { control: { graft: [{ topicID: this.#topic }] } })
        }
        if (this.kind === 'spam') void this.#stranger.send(peer, this.#nonsense())
      }
      await this.#world.time.sleep(HEARTBEAT_MS)
    }
  }

  /** Messages that are false, messages that were heard before, and names of none. */
  #nonsense(): StrangerFrame {
    const some = (count: number) => {
      const picked = Math.min(count, this.#told.length)
      return Array.from({ length: picked }, () => this.#random.pick(this.#told))
    }
    const changed = some(FALSE_PER_BEAT).map((message) => {
      return { ...message, seqno: this.#random.bytes(8) }
    })
    const messageIDs = Array.from({ length: PROMISED_PER_BEAT }, () =>
      this.#random.bytes(NAME_BYTES),
    )
    const ihave = [{ topicID: this.#topic, messageIDs }]
    return { messages: [...changed, ...some(REPEATED_PER_BEAT)], control: { ihave } }
  }
}
