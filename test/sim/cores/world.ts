/**
 * Ten thousand nodes in one process: their places, addresses and routing tables from one seed.
 *
 * The tables are the production class. They are filled as the network would fill them in time: for
 * each prefix up to k peers by chance out of all that share it, told through `seen` like any other
 * news, so every rule of the table holds. Ids are made up: no key lies behind them, and nobody in
 * this tier needs one but the publishers of records, who have real keys.
 */

import { type DhtConfig, dhtConfig } from '../../../src/dht/config.ts'
import {
  type Contact,
  compareDistance,
  type DhtKey,
  dhtKey,
  KEY_BYTES,
} from '../../../src/dht/key.ts'
import { siteOf } from '../../../src/dht/site.ts'
import { RoutingTable } from '../../../src/dht/table.ts'
import { type PeerId, peerIdFromBytes } from '../../../src/identity/index.ts'
import { type Chance, chance } from './chance.ts'

/** Multihash of SHA-256: what stands in the ids of peers with long keys. */
const SHA256_HEAD = [0x12, 0x20]
/** A range of this many buckets' peers is drawn from; a smaller one is shuffled. */
const DRAWN_SHARE = 4

export interface SimNode {
  readonly index: number
  readonly contact: Contact
  /** The address that others see, as text. */
  readonly host: string
  readonly site: string | undefined
  readonly table: RoutingTable
  readonly honest: boolean
  alive: boolean
}

export interface WorldOptions {
  readonly seed: number
  readonly nodes: number
  /** The share of nodes that are not honest. */
  readonly adversaries?: number
  /** Nodes beside these, whose ids and addresses somebody chose. */
  readonly guests?: readonly Guest[]
  readonly config?: Partial<DhtConfig>
}

export interface Guest {
  readonly contact: Contact
  readonly host: string
  readonly honest: boolean
}

export class World {
  readonly config: DhtConfig
  /** In the order of their keys. */
  readonly nodes: readonly SimNode[]
  readonly honest: readonly SimNode[]
  readonly #byPeer = new Map<PeerId, SimNode>()

  constructor({ seed, nodes, adversaries = 0, guests = [], config = {} }: WorldOptions) {
    this.config = { ...dhtConfig.parse({}), ...config }
    const draw = chance(seed, 'nodes')
    const liars = Math.round(adversaries * nodes)
    const made = Array.from({ length: nodes }, (_, i) => ({
      contact: madeUpContact(madeUpId(draw)),
      host: publicHost(draw),
      // Ids are drawn, so the first are as good as any.
      honest: i >= liars,
    }))
    const all = [...made, ...guests]
    all.sort((a, b) => Buffer.compare(a.contact.key, b.contact.key))
    this.nodes = all.map((node, index) => ({
      ...node,
      index,
      site: siteOf(node.host),
      table: tableOf(node.contact, this.config),
      alive: true,
    }))
    this.honest = this.nodes.filter(({ honest }) => honest)
    for (const node of this.nodes) this.#byPeer.set(node.contact.peer, node)
  }

  nodeOf(peer: PeerId): SimNode | undefined {
    return this.#byPeer.get(peer)
  }

  /** Fills every table with what the network would tell it in time. */
  fillTables(seed: number): void {
    const draw = chance(seed, 'tables')
    for (const node of this.nodes) this.#fill(node, draw)
  }

  /** The `count` peers closest to `target` among those that `counts` lets through. */
  nearest(target: DhtKey, count: number, counts: (node: SimNode) => boolean): SimNode[] {
    // All that lie in a range of one prefix are closer than all outside; so the ranges grow.
    for (let bits = Math.ceil(Math.log2(this.nodes.length + 1)); bits >= 0; bits -= 1) {
      const [from, to] = this.#range(target, bits)
      const found = this.nodes.slice(from, to).filter(counts)
      if (found.length < count && bits > 0) continue
      return found
        .sort((a, b) => compareDistance(target, a.contact.key, b.contact.key))
        .slice(0, count)
    }
    return []
  }

  #fill(node: SimNode, draw: Chance): void {
    const { key } = node.contact
    let [low, high] = [0, this.nodes.length]
    for (let bit = 0; high - low > 1; bit += 1) {
      const middle = this.#splitAt(low, high, bit)
      const [from, to] = bitOf(key, bit) === 0 ? [middle, high] : [low, middle]
      this.#fillBucket(node, [from, to], draw)
      if (bitOf(key, bit) === 0) high = middle
      else low = middle
    }
  }

  /** Tells `node` of peers of one range by chance, until its bucket takes no more. */
  #fillBucket(node: SimNode, [from, to]: readonly [number, number], draw: Chance): void {
    const { bucketPeersMax: wanted } = this.config
    const size = to - from
    const before = node.table.size
    if (size > DRAWN_SHARE * wanted) {
      for (let tries = 0; tries < 2 * wanted && node.table.size - before < wanted; tries += 1) {
        this.#tell(node, from + draw.int(size))
      }
      return
    }
    const order = Array.from({ length: size }, (_, i) => from + i)
    for (let i = 0; i < size && node.table.size - before < wanted; i += 1) {
      const j = i + draw.int(size - i)
      const chosen = order[j] as number
      order[j] = order[i] as number
      this.#tell(node, chosen)
    }
  }

  #tell(node: SimNode, index: number): void {
    const other = this.nodes[index]
    if (other !== undefined) node.table.seen(other.contact, 0, other.site)
  }

  /** Where in the sorted nodes those lie that share `bits` bits with `target`. */
  #range(target: DhtKey, bits: number): readonly [number, number] {
    let [low, high] = [0, this.nodes.length]
    for (let bit = 0; bit < bits && high > low; bit += 1) {
      const middle = this.#splitAt(low, high, bit)
      if (bitOf(target, bit) === 0) high = middle
      else low = middle
    }
    return [low, high]
  }

  /** The first node of a range with one prefix whose next bit is set. */
  #splitAt(low: number, high: number, bit: number): number {
    let [from, to] = [low, high]
    while (from < to) {
      const middle = (from + to) >>> 1
      const node = this.nodes[middle]
      if (node === undefined || bitOf(node.contact.key, bit) === 1) to = middle
      else from = middle + 1
    }
    return from
  }
}

/** The multihash of a key that nobody has: as good an id as any, for it is never signed with. */
export function madeUpId(draw: Chance): Uint8Array {
  return Uint8Array.from([...SHA256_HEAD, ...draw.bytes(KEY_BYTES)])
}

/** A contact whose place follows from its id, as `contactOf` would find it. */
export function madeUpContact(id: Uint8Array): Contact {
  return { peer: peerIdFromBytes(id), key: dhtKey(id) }
}

/** A contact that an attacker invents: at any place it likes, without grinding for an id. */
export function inventedContact(peer: string, key: Uint8Array): Contact {
  // The brands say that an id was checked and a key is a hash; here neither is so, on purpose.
  return { peer: peer as PeerId, key: key as DhtKey }
}

/** A place by chance; every prefix is as likely as any other. */
export function randomKey(draw: Chance): DhtKey {
  return draw.bytes(KEY_BYTES) as DhtKey
}

export function tableOf(contact: Contact, config: DhtConfig): RoutingTable {
  return new RoutingTable(contact.key, {
    k: config.bucketPeersMax,
    nearest: config.k,
    sitePeersMax: config.sitePeersMax,
    siteBucketPeersMax: config.siteBucketPeersMax,
    failuresMax: config.peerFailuresMax,
    freshMs: config.peerFreshMs,
  })
}

/** A public address in one of 20,480 networks: from 11.0 to 90.255 nothing special lies. */
export function publicHost(draw: Chance): string {
  const first = 11 + draw.int(80)
  return `${first}.${draw.int(256)}.${draw.int(256)}.${1 + draw.int(254)}`
}

function bitOf(key: Uint8Array, bit: number): number {
  return ((key[bit >>> 3] ?? 0) >>> (7 - (bit & 7))) & 1
}
