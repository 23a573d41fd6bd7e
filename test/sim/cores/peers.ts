/**
 * Nodes of a world that run the production code above the table: `Members`, `Search`, `Values`,
 * `Handler` and `Records` over a `MemoryStore`, with questions that travel on the heap.
 *
 * A node of the world wakes when it first publishes, reads or is asked to store, and takes over
 * what its table knows. Who was never woken stores nothing and answers with the k closest of its
 * table, as the handler would; so ten thousand nodes stay cheap.
 */

import { Registry, silentLog } from '../../../src/base/index.ts'
import { DhtError } from '../../../src/dht/errors.ts'
import { Handler } from '../../../src/dht/handler.ts'
import { type DhtKey, dhtKey } from '../../../src/dht/key.ts'
import { Members } from '../../../src/dht/members.ts'
import { MemoryStore } from '../../../src/dht/memory-store.ts'
import { type DhtMetrics, dhtMetrics } from '../../../src/dht/metrics.ts'
import { Records } from '../../../src/dht/records.ts'
import { Search, type SearchOptions } from '../../../src/dht/search.ts'
import { siteOf } from '../../../src/dht/site.ts'
import { Upkeep } from '../../../src/dht/upkeep.ts'
import { Values } from '../../../src/dht/values.ts'
import type { Message, PeerInfo } from '../../../src/dht/wire.ts'
import type { PeerId, Signer } from '../../../src/identity/index.ts'
import type { Chance } from './chance.ts'
import type { EventHeap } from './heap.ts'
import { HeapClock } from './heap-clock.ts'
import { closestOf, type NetworkOptions } from './network.ts'
import type { SimNode, World } from './world.ts'

const KIND = { question: 1, answer: 2, silence: 5 } as const
const NETWORK = 'sim'
const STRANGER = -1

export interface PeersDeps {
  readonly world: World
  readonly heap: EventHeap
  readonly chance: Chance
  /** What whoever is not honest answers. */
  readonly adversary: (asked: SimNode, message: Message) => Message
}

export interface PeersOptions extends NetworkOptions {
  /** Whether crowded places are looked at in their whole region, as in production. */
  readonly region: boolean
}

function withoutRegion(options: SearchOptions = {}): SearchOptions {
  const { region: _, ...others } = options
  return others
}

/** One node, awake. */
export interface Peer {
  readonly node: SimNode
  readonly members: Members
  readonly records: Records
  readonly handler: Handler
  readonly search: Search
}

export class Peers {
  questions = 0
  readonly clock: HeapClock
  readonly #deps: PeersDeps
  readonly #options: PeersOptions
  readonly #metrics: DhtMetrics = dhtMetrics(new Registry())
  readonly #awake = new Map<PeerId, Peer>()

  constructor(deps: PeersDeps, options: PeersOptions) {
    this.#deps = deps
    this.#options = options
    this.clock = new HeapClock(deps.heap)
  }

  get awake(): Iterable<Peer> {
    return this.#awake.values()
  }

  /** The node with all of its rooms; wakes it if it sleeps. */
  peerOf(node: SimNode): Peer {
    const known = this.#awake.get(node.contact.peer)
    if (known !== undefined) return known
    const peer = this.#wake(node)
    this.#awake.set(node.contact.peer, peer)
    return peer
  }

  /** Reads and writes as `node`; without the rule of the region when the options say so. */
  valuesOf(node: SimNode, signer: Signer): Values {
    const { members, records, search } = this.peerOf(node)
    const plain: Pick<Search, 'run'> = {
      run: (message, options) => search.run(message, withoutRegion(options)),
    }
    return new Values(
      {
        ...this.#common(node),
        host: { self: node.contact.peer },
        signer,
        records,
        members,
        search: this.#options.region ? search : plain,
        network: NETWORK,
      },
      this.#deps.world.config,
    )
  }

  /** What keeps the table of `node` filled, as `Dht` runs it. */
  upkeepOf(node: SimNode): Upkeep {
    const { members, search } = this.peerOf(node)
    const own = { ...this.#common(node), self: node.contact.peer, members, search }
    return new Upkeep(own, this.#deps.world.config)
  }

  #wake(node: SimNode): Peer {
    const { config } = this.#deps.world
    const common = this.#common(node)
    const self = node.contact
    const members = new Members({ ...common, self }, config)
    for (const contact of node.table.closest(self.key, node.table.size)) members.seen(contact)
    // Its table is that of a node which looked for itself long ago.
    members.settled()
    const responsible = (key: DhtKey) =>
      members.selfAmong(key, 2 * config.k) || members.density.within(key, self.key, 2 * config.k)
    const records = new Records(
      { ...common, storage: new MemoryStore(), self, network: NETWORK, responsible },
      config,
    )
    const book = {
      addressesOf: async (peer: PeerId) => this.#addressesOf(peer),
      learn: async () => undefined,
    }
    const site = (peer: PeerId) => siteOf(this.#hostOf(peer))
    const handler = new Handler(
      { ...common, book, policy: { admit: () => undefined }, records, members, siteOf: site },
      config,
    )
    const host = { self: self.peer, learn: async () => undefined }
    return {
      node,
      members,
      records,
      handler,
      search: new Search({ ...common, host, members }, config),
    }
  }

  #common(node: SimNode) {
    const { chance } = this.#deps
    const questions = {
      ask: async (peer: PeerId, messages: readonly Message[]) => this.#ask(node, peer, messages),
      reachable: () => undefined,
      learn: async () => undefined,
      addressesOf: async (peer: PeerId) => this.#addressesOf(peer),
      hostOf: (peer: PeerId) => this.#hostOf(peer),
    }
    const { clock } = this
    return { questions, clock, random: chance, metrics: this.#metrics, log: silentLog }
  }

  #ask(from: SimNode, to: PeerId, messages: readonly Message[]): Promise<Message> {
    const { world, heap } = this.#deps
    this.questions += 1
    const { promise, resolve, reject } = Promise.withResolvers<Message>()
    const node = world.nodeOf(to)
    const there = node?.index ?? STRANGER
    const silence = () =>
      heap.after(world.config.questionTimeoutMs, () => {
        heap.note(from.index, there, KIND.silence)
        reject(DhtError.PEER_FAILED({ peer: to, reason: 'it kept silent' }))
      })
    const answer = (message: Message | undefined) => {
      if (message === undefined) silence()
      else
        heap.after(this.#travelMs(), () => {
          heap.note(there, from.index, KIND.answer)
          resolve(message)
        })
    }
    heap.after(this.#travelMs(), () => {
      heap.note(from.index, there, KIND.question)
      if (node?.alive !== true) silence()
      else void this.#answerOf(node, from, messages).then(answer, silence)
    })
    return promise
  }

  async #answerOf(
    node: SimNode,
    from: SimNode,
    messages: readonly Message[],
  ): Promise<Message | undefined> {
    const last = messages.at(-1)
    if (last === undefined) return undefined
    if (!node.honest) return this.#deps.adversary(node, last)
    const writes = messages.some(({ type }) => type === 'putValue' || type === 'addProvider')
    const peer = this.#awake.get(node.contact.peer) ?? (writes ? this.peerOf(node) : undefined)
    if (peer !== undefined) return peer.handler.answerMessages(from.contact.peer, messages)
    if (last.key === undefined) return { type: last.type }
    const closer = closestOf(node, dhtKey(last.key), from, this.#deps.world.config.k)
    return { type: last.type, key: last.key, closer: closer.map(({ peer }) => this.infoOf(peer)) }
  }

  /** A peer as answers name it. */
  infoOf(peer: PeerId): PeerInfo {
    return { peer, addresses: this.#addressesOf(peer) }
  }

  #addressesOf(peer: PeerId): readonly string[] {
    const host = this.#hostOf(peer)
    return host === undefined ? [] : [`/ip4/${host}/udp/9000`]
  }

  #hostOf(peer: PeerId): string | undefined {
    return this.#deps.world.nodeOf(peer)?.host
  }

  #travelMs(): number {
    const { oneWayMs, jitter } = this.#options
    return oneWayMs * (1 - jitter + 2 * jitter * this.#deps.chance.float())
  }
}
