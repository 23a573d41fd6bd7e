/**
 * Whole nodes that tell each other things: one topic, everybody reads it, random ones write.
 *
 * The DHT and the tools are off, as they add only work. What stands in their place is `meet`: whom
 * a node is connected to, the scenario says.
 */

import { shuffled } from '../../../src/base/index.ts'
import type { NodeOptions } from '../../../src/node/index.ts'
import type { Pubsub, TopicRules } from '../../../src/pubsub/index.ts'
import type { SimNode, SimNodeOptions, Simulation } from '../../../src/testing/index.ts'
import { Ledger, type Listener } from './ledger.ts'
import { ONE_WAY_MS, PADDING } from './size.ts'

/** What leaves now is on its way by then, and whoever went is noted. */
export const SAID_MS = 2 * ONE_WAY_MS
/** How often each looks whether it knows enough others. */
const TOUCH_MS = 500
/** How often it is noted who is there. */
const WATCH_MS = 50
const OPTIONS: NodeOptions = { dht: { enabled: false }, bootstrap: { nodes: [] } }

/** One node and what it is in the ledger. */
export interface Guest extends Listener {
  readonly node: SimNode
}

export interface PartyOptions {
  readonly topic?: string
  readonly rules?: TopicRules<unknown>
  readonly made?: SimNodeOptions
}

export class Party {
  readonly world: Simulation
  readonly topic: string
  readonly ledger = new Ledger()
  /** Questions of this room to the policies of all: copies that came, and who made them. */
  admissions = 0
  readonly #options: PartyOptions
  readonly #guests: Guest[] = []
  #hasEnded = false

  constructor(world: Simulation, options: PartyOptions = {}) {
    this.world = world
    this.topic = options.topic ?? 'simulated'
    this.#options = options
    void this.#watch()
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Those that run now. */
  get guests(): readonly Guest[] {
    return this.#guests.filter(({ goneMs }) => goneMs === undefined)
  }

  /** The topic as it is called on the wire, where every simulated network is `sim`. */
  get wire(): string {
    return `/p2p-foundation/sim/${this.topic}`
  }

  /** What a node of the party is made with. */
  get made(): SimNodeOptions {
    const { made = {} } = this.#options
    return { ...made, options: { ...OPTIONS, ...made.options } }
  }

  /** Brings so many nodes into the world, which know nobody and do not listen yet. */
  async invite(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await this.world.add(this.made)
  }

  /** Everybody who runs and is not yet of the party listens from now on. */
  enrolAll(): void {
    const known = new Set(this.#guests.map(({ node }) => node))
    for (const node of this.#members()) if (!known.has(node)) this.enrol(node)
  }

  enrol(node: SimNode): Guest {
    const guest: Guest = { node, peer: node.peer }
    this.#guests.push(guest)
    this.ledger.listeners.push(guest)
    this.#countAdmissions(node)
    void this.#listen(guest, pubsubOf(node))
    return guest
  }

  /** Connects all by so many rings in random order: each has twice as many neighbours. */
  async meet(rings: number): Promise<void> {
    const random = this.world.random.fork('meet')
    for (let ring = 0; ring < rings; ring += 1) {
      const order = shuffled(this.#members(), random)
      await Promise.all(order.map((one, i) => connect(one, order[(i + 1) % order.length])))
    }
  }

  /** Waits until each listener can reach at least so many others. */
  async settle(peers: number, withinMs: number): Promise<void> {
    const lonely = () =>
      this.guests.filter(({ node }) => this.#reached(node) < peers).map(({ peer }) => peer)
    await this.world.until(`${peers} who listen for each`, lonely, withinMs)
  }

  /** One of them says something new to everybody; its number. */
  async say(guest: Guest): Promise<number> {
    const id = this.ledger.say(guest, this.world.time.nowMs)
    try {
      await pubsubOf(guest.node).publish(this.topic, { id, text: PADDING })
    } catch (error) {
      // Who crashes while it speaks was not heard; the ledger then shows it.
      if (guest.node.isRunning) throw error
    }
    return id
  }

  /** Random ones of `speakers` say so many messages, one after another. */
  async talk(
    messages: number,
    pauseMs: number,
    speakers: () => readonly Guest[] = () => this.guests,
  ): Promise<void> {
    const random = this.world.random.fork('talk')
    for (let i = 0; i < messages; i += 1) {
      const there = speakers().filter(({ inTouchMs }) => inTouchMs !== undefined)
      if (there.length > 0) await this.say(random.pick(there))
      await this.world.time.sleep(pauseMs)
    }
  }

  /** No more is noted; who leaves from now on was there. */
  end(): void {
    this.#hasEnded = true
  }

  #countAdmissions({ parts: { policy } }: SimNode): void {
    const admit = policy.admit.bind(policy)
    policy.admit = (...asked) => {
      if (asked[1] === 'pubsub.message') this.admissions += 1
      admit(...asked)
    }
  }

  async #listen(guest: Guest, pubsub: Pubsub): Promise<void> {
    pubsub.topic(this.topic, this.#options.rules ?? {})
    const messages = pubsub.subscribe<{ id?: unknown } | null>(this.topic)
    for await (const { value, from } of messages) {
      if (this.#hasEnded) continue
      this.ledger.hear(guest, { id: value?.id, from }, this.world.time.nowMs)
    }
  }

  /** All that run and have topics, attackers not among them. */
  #members(): readonly SimNode[] {
    return this.world.nodes.filter(({ parts }) => parts.pubsub !== null)
  }

  /** Notes who came into touch with others, and who went. */
  async #watch(): Promise<void> {
    const { time } = this.world
    while (!this.#hasEnded) {
      for (const guest of this.guests) {
        if (!guest.node.isRunning) guest.goneMs = time.nowMs
        else if (this.#reached(guest.node) > 0) guest.inTouchMs ??= time.nowMs
      }
      await time.sleep(WATCH_MS)
    }
  }

  /** How many of those that a node can reach read the topic. */
  #reached(node: SimNode): number {
    const states = pubsubOf(node).topics()
    return states.find(({ topic }) => topic === this.topic)?.peers ?? 0
  }
}

/**
 * In place of a DHT: whoever came newly takes part, and who knows too few dials another of those
 * that are there, until the party ends.
 */
export async function keepTouch(party: Party, neighbours: number): Promise<void> {
  const { time, random } = party.world
  const chance = random.fork('touch')
  while (!party.hasEnded) {
    party.enrolAll()
    for (const { node } of party.guests) {
      const { length } = node.parts.host.connections()
      if (length < neighbours) void connect(node, chance.pick(party.guests).node)
    }
    await time.sleep(TOUCH_MS)
  }
}

/** Connects one to another; who cannot be reached is left alone. */
export async function connect(one: SimNode, other: SimNode | undefined): Promise<void> {
  if (other === undefined || one === other) return
  await one.parts.host.connect(other.address).catch(() => undefined)
}

export function pubsubOf({ parts }: SimNode): Pubsub {
  if (parts.pubsub === null) throw new TypeError('a node without topics')
  return parts.pubsub
}
