/**
 * One small network in memory that two lookups can walk: the query code of @libp2p/kad-dht as it is
 * shipped (16.4.5, its `QueryManager`), and our `Lookup`. Both see the same tables, the same
 * answers and the same liars, and nothing of sockets.
 */

import { setImmediate } from 'node:timers/promises'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import {
  peerResponseEvent,
  queryErrorEvent,
} from '../../node_modules/@libp2p/kad-dht/dist/src/query/events.js'
import { QueryManager } from '../../node_modules/@libp2p/kad-dht/dist/src/query/manager.js'
import type { QueryFunc } from '../../node_modules/@libp2p/kad-dht/dist/src/query/types.js'
import { seededRandom, shuffled } from '../../src/base/index.ts'
import {
  type Contact,
  closestTo,
  commonPrefixLength,
  contactOf,
  dhtKey,
} from '../../src/dht/key.ts'
import { Lookup, type Step } from '../../src/dht/lookup.ts'
import { RoutingTable } from '../../src/dht/table.ts'
import { type PeerId, peerId } from '../../src/identity/index.ts'
import { signerOf } from './dht-fixture.ts'

export const K = 20
const TABLE = {
  k: K,
  nearest: K,
  failuresMax: 3,
  freshMs: 0,
  sitePeersMax: 3,
  siteBucketPeersMax: 2,
}
/** What a fast liar saves: it always answers before anybody else does. */
const HONEST_TURNS = 5

/** What kad-dht logs to. */
const QUIET = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
})

/** A name in an answer; `dead` when it comes with an address at which nobody is. */
interface Named extends Contact {
  readonly dead: boolean
}

/** How a lookup went. */
export interface Walked {
  /** The closest that answered, at most k. */
  readonly closest: readonly PeerId[]
  readonly responses: number
}

export class StockWorld {
  readonly all: readonly Contact[]
  readonly #tables: ReadonlyMap<PeerId, RoutingTable>
  readonly #liars = new Set<PeerId>()

  constructor(count: number, seed: string) {
    this.all = Array.from({ length: count }, (_, i) => contactOf(signerOf(i).peer))
    const random = seededRandom(seed)
    this.#tables = new Map(
      this.all.map((self) => {
        const table = new RoutingTable(self.key, TABLE)
        for (const other of shuffled(this.all, random)) {
          if (other.peer !== self.peer) table.seen(other, 0)
        }
        return [self.peer, table]
      }),
    )
  }

  peerAt(index: number): PeerId {
    const contact = this.all[index]
    if (contact === undefined) throw new RangeError(`no peer ${index}`)
    return contact.peer
  }

  /** Somebody in the other half of the key space, who knows few of those close to `key`. */
  farFrom(key: Uint8Array): PeerId {
    const target = dhtKey(key)
    const found = this.all.find((one) => commonPrefixLength(one.key, target) === 0)
    if (found === undefined) throw new RangeError('nobody is far')
    return found.peer
  }

  /** From now on `peer` answers at once, and names all who are closest at dead addresses. */
  corrupt(peer: PeerId): void {
    this.#liars.add(peer)
  }

  /** The k peers that truly lie closest to `key`, but for the one who asks. */
  truth(key: Uint8Array, asker: PeerId): readonly PeerId[] {
    const others = this.all.filter(({ peer }) => peer !== asker)
    return closestTo(dhtKey(key), others, K).map(({ peer }) => peer)
  }

  /** kad-dht as it comes: as many paths as alpha, which is 10. */
  async stock(asker: PeerId, key: Uint8Array): Promise<Walked> {
    const address = multiaddr('/ip4/192.0.2.1/tcp/9000')
    const reachable = this.#known(asker)
    const seeds = this.#seeds(asker, key)
    const dependencies = {
      peerId: peerIdFromString(asker),
      logger: { forComponent: () => QUIET },
      connectionManager: { isDialable: async () => true },
    }
    const routingTable = {
      size: seeds.length,
      kBucketSize: K,
      closestPeers: () => seeds.map(({ peer }) => peerIdFromString(peer)),
      queueRoutingTableUpdate: () => undefined,
    }
    const init = { logPrefix: 'test', metricsPrefix: 'test', disjointPaths: 10, alpha: 10 }
    const manager = new QueryManager(
      dependencies as never,
      { ...init, routingTable, initialQuerySelfHasRun: undefined } as never,
    )
    const query: QueryFunc = async function* (this: void, { peer, path }) {
      const from = peer.id
      const closer = await answer(peerId(from.toString()))
      if (closer === undefined) {
        yield queryErrorEvent({ from, error: new Error('no address answers'), path }, {})
        return
      }
      const named = closer.map((one) => ({ id: peerIdFromString(one.peer), multiaddrs: [address] }))
      yield peerResponseEvent({ from, messageType: 'FIND_NODE' as never, closer: named, path }, {})
    }
    const answer = (peer: PeerId) => this.#ask(peer, key, reachable)
    await manager.start()
    const answered: Contact[] = []
    for await (const event of manager.run(key, query, { isSelfQuery: true })) {
      if (event.name === 'PEER_RESPONSE') answered.push(contactOf(peerId(event.from.toString())))
    }
    await manager.stop()
    return walked(key, answered)
  }

  /** Ours, with as many paths as a node has unless told otherwise. */
  async ours(asker: PeerId, key: Uint8Array, paths = 8): Promise<Walked> {
    const reachable = this.#known(asker)
    const config = { k: K, alpha: 5, paths, questionsMax: 200 }
    const lookup = new Lookup(dhtKey(key), asker, this.#seeds(asker, key), config)
    const answered: Contact[] = []
    const done = Promise.withResolvers<void>()
    const go = (step: Step): void => {
      if (step.done) done.resolve()
      for (const contact of step.ask) void question(contact)
    }
    const question = async (contact: Contact): Promise<void> => {
      const closer = await this.#ask(contact.peer, key, reachable)
      if (closer !== undefined) answered.push(contact)
      go(closer ? lookup.answered(contact.peer, closer) : lookup.failed(contact.peer))
    }
    go(lookup.start())
    await done.promise
    return walked(key, answered)
  }

  /** One whom `asker` asks first and who is none of `truth`. */
  seedOf(asker: PeerId, key: Uint8Array, truth: readonly PeerId[]): PeerId {
    const seed = this.#seeds(asker, key).find(({ peer }) => !truth.includes(peer))
    if (seed === undefined) throw new RangeError('the asker knows all who are closest')
    return seed.peer
  }

  #seeds(asker: PeerId, key: Uint8Array): readonly Contact[] {
    return this.#tables.get(asker)?.closest(dhtKey(key), K) ?? []
  }

  /** Whom the asker can dial before anybody told it anything. */
  #known(asker: PeerId): Set<PeerId> {
    const table = this.#tables.get(asker)
    return new Set(table?.closest(contactOf(asker).key, table.size).map(({ peer }) => peer))
  }

  /** One question; undefined when no address that was told of the peer leads to it. */
  async #ask(
    peer: PeerId,
    key: Uint8Array,
    reachable: Set<PeerId>,
  ): Promise<readonly Contact[] | undefined> {
    const found = reachable.has(peer)
    const isLiar = this.#liars.has(peer)
    for (let i = 0; i < (isLiar ? 1 : HONEST_TURNS); i += 1) await setImmediate()
    if (!found) return undefined
    const named = isLiar ? this.#lies(key) : this.#honest(peer, key)
    for (const { peer: one, dead } of named) if (!dead) reachable.add(one)
    return named
  }

  #honest(peer: PeerId, key: Uint8Array): readonly Named[] {
    const closest = this.#tables.get(peer)?.closest(dhtKey(key), K) ?? []
    return closest.map((contact) => ({ ...contact, dead: false }))
  }

  /** All who truly are closest, at addresses where nobody is. */
  #lies(key: Uint8Array): readonly Named[] {
    return closestTo(dhtKey(key), this.all, K).map((contact) => ({ ...contact, dead: true }))
  }
}

function walked(key: Uint8Array, answered: readonly Contact[]): Walked {
  const closest = closestTo(dhtKey(key), answered, K).map(({ peer }) => peer)
  return { closest, responses: answered.length }
}
