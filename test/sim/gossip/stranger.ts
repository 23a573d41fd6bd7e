/**
 * A node with our host and no pubsub of ours, which speaks GossipSub's frames by hand: it
 * subscribes where it is connected, keeps what it is told, and sends what the scenario wants.
 */

import { RPC } from '@libp2p/gossipsub/message'
import type { PeerId } from '../../../src/identity/index.ts'
import type { Channel, Protocol } from '../../../src/net/index.ts'
import type { NodeOptions } from '../../../src/node/index.ts'
import type { SimNode } from '../../../src/testing/index.ts'

const MESHSUB: Protocol = {
  id: '/meshsub/1.1.0',
  framing: 'varint',
  frameBytesMax: 1_024 * 1_024,
  inboundMax: 4,
  outboundMax: 4,
}
const NO_CONTROL = { ihave: [], iwant: [], graft: [], prune: [], idontwant: [] }
/** What a node is made with whose place a stranger takes. */
export const STRANGER: NodeOptions = {
  dht: { enabled: false },
  pubsub: { enabled: false },
  bootstrap: { nodes: [] },
}

/** One message as it stands in a frame. */
export type Told = RPC['messages'][number]

export interface StrangerFrame {
  readonly messages?: readonly Told[]
  readonly control?: Partial<NonNullable<RPC['control']>>
}

/** What comes in, as it comes. */
export type Hears = (peer: PeerId, frame: RPC) => void

export class Stranger {
  readonly node: SimNode
  readonly #topics: readonly string[]
  readonly #hears: Hears
  readonly #lines = new Map<PeerId, Channel>()

  constructor(node: SimNode, topics: readonly string[], hears: Hears) {
    this.node = node
    this.#topics = topics
    this.#hears = hears
  }

  /** Those that it can speak to. */
  get peers(): readonly PeerId[] {
    return [...this.#lines.keys()]
  }

  async start(): Promise<void> {
    const { host } = this.node.parts
    await host.handle(MESHSUB, (channel) => this.#read(channel))
    host.events.on('identified', ({ peer, protocols }) => {
      if (protocols.includes(MESHSUB.id)) void this.#greet(peer)
    })
  }

  /** Says it, or nothing where nobody is there any more. */
  async send(peer: PeerId, { messages = [], control }: StrangerFrame): Promise<void> {
    await this.#write(peer, {
      subscriptions: [],
      messages: [...messages],
      ...(control && { control: { ...NO_CONTROL, ...control } }),
    })
  }

  async #greet(peer: PeerId): Promise<void> {
    if (this.#lines.has(peer)) return
    try {
      const channel = await this.node.parts.host.open(peer, MESHSUB)
      this.#lines.set(peer, channel)
      channel.closed.addEventListener('abort', () => this.#lines.delete(peer), { once: true })
      const subscriptions = this.#topics.map((topic) => ({ subscribe: true, topic }))
      await this.#write(peer, { subscriptions, messages: [] })
    } catch {
      this.#lines.delete(peer)
    }
  }

  async #write(peer: PeerId, frame: RPC): Promise<void> {
    await this.#lines
      .get(peer)
      ?.write(RPC.encode(frame))
      .catch(() => undefined)
  }

  async #read(channel: Channel): Promise<void> {
    for (;;) {
      const frame = await channel.read().catch(() => undefined)
      if (frame === undefined) return
      this.#hears(channel.peer, RPC.decode(frame))
    }
  }
}
