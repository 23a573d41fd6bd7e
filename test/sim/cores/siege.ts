/**
 * An eclipse of keys: 45 Sybils lie closer to each of some keys than any honest node does. They
 * answer, take whatever they are given, hold none of it, and name only each other. While they are
 * there an honest publisher writes, writes again, and honest readers read.
 */

import { utf8 } from '../../../src/base/index.ts'
import { distanceShare } from '../../../src/dht/density.ts'
import { type Contact, closestTo, contactOf, type DhtKey, dhtKey } from '../../../src/dht/key.ts'
import type { Message } from '../../../src/dht/wire.ts'
import { type LocalSigner, signerFromSeed } from '../../../src/identity/index.ts'
import { type Chance, chance } from './chance.ts'
import { EventHeap } from './heap.ts'
import { mean, quantile } from './measure.ts'
import { LINK } from './network.ts'
import { Peers } from './peers.ts'
import { idsAround, sybilsAt } from './sybils.ts'
import { type Guest, publicHost, type SimNode, World } from './world.ts'

export interface SiegePlan {
  readonly seed: number
  readonly nodes: number
  readonly keys: number
  readonly readsPerKey: number
  readonly sybilsPerKey: number
}

export interface SiegeOptions {
  /** Networks of /16 that the Sybils of a key share; one for each when left out. */
  readonly sites?: number
  /** Whether crowded places are looked at in their whole region. */
  readonly region: boolean
}

export interface SiegeOutcome {
  readonly reads: number
  /** Share of the reads that found the newest value. */
  readonly success: number
  /** Reads that found an older value than the newest that was written. */
  readonly stale: number
  /** Honest nodes that hold the newest value of the key that has fewest of them. */
  readonly holdersMin: number
  /** Share of the reads that took the place for crowded. */
  readonly crowded: number
  readonly rpcPerRead: number
  readonly rpcPerWrite: number
  readonly msP50: number
  readonly msP99: number
  readonly msMax: number
  readonly eventHash: string
}

/** The ground of a siege: honest nodes, keys, and ids of Sybils. It can be laid again. */
export interface Siege extends SiegePlan {
  readonly places: readonly Place[]
}

/** One key, with who writes it and the Sybils around it. */
interface Place {
  readonly name: string
  readonly key: DhtKey
  readonly signer: LocalSigner
  readonly host: string
  readonly sybils: readonly Contact[]
}

const WRITES = 2

/** Tries ids until there are Sybils around each key, which is most of the work. */
export function plan(wanted: SiegePlan): Siege {
  const { seed, nodes, keys, sybilsPerKey: count } = wanted
  const draw = chance(seed, 'ground')
  const honest = new World({ seed, nodes })
  const places = Array.from({ length: keys }, (_, i): Place => {
    const signer = signerFromSeed(draw.bytes(32))
    const name = `/data/${signer.peer}/siege ${i}`
    const key = dhtKey(utf8(name))
    const [nearest] = honest.nearest(key, 1, () => true)
    const within = nearest === undefined ? 1 : distanceShare(key, nearest.contact.key)
    const sybils = idsAround({ target: key, count, within }, draw)
    return { name, key, signer, host: publicHost(draw), sybils }
  })
  return { ...wanted, places }
}

/** Writes and reads while the Sybils are there. */
export async function lay(siege: Siege, options: SiegeOptions): Promise<SiegeOutcome> {
  const draw = chance(siege.seed, 'siege')
  const { places } = siege
  const world = besieged(siege, options, draw)
  const heap = new EventHeap()
  const sybils = world.nodes.filter(({ honest }) => !honest)
  const peers: Peers = new Peers(
    { world, heap, chance: draw, adversary: (_asked, message) => lie(peers, sybils, message) },
    { ...LINK, region: options.region },
  )
  const script = new Script(world, heap, peers)
  const writes: number[] = []
  for (const place of places) {
    for (let version = 1; version <= WRITES; version += 1) {
      writes.push(await script.write(place, `version ${version}`))
    }
  }
  const reads: Read[] = []
  for (let i = 0; i < siege.keys * siege.readsPerKey; i += 1) {
    const place = places[i % places.length]
    if (place !== undefined) reads.push(await script.read(place, draw))
  }
  const took = reads.map(({ tookMs }) => tookMs)
  return {
    reads: reads.length,
    success: mean(reads.map(({ text }) => Number(text === `version ${WRITES}`))),
    stale: reads.filter(({ text }) => text !== null && text !== `version ${WRITES}`).length,
    holdersMin: Math.min(...places.map((place) => holders(peers, place))),
    crowded: mean(reads.map(({ crowded }) => Number(crowded))),
    rpcPerRead: mean(reads.map(({ questions }) => questions)),
    rpcPerWrite: mean(writes),
    msP50: quantile(took, 0.5),
    msP99: quantile(took, 0.99),
    msMax: quantile(took, 1),
    eventHash: heap.eventHash(),
  }
}

/** The honest nodes, the publishers among them, and the Sybils around each key. */
function besieged({ seed, nodes, places }: Siege, options: SiegeOptions, draw: Chance): World {
  const guests = places.flatMap(({ signer, host, sybils }): Guest[] => [
    { contact: contactOf(signer.peer), host, honest: true },
    ...sybilsAt(sybils, options.sites ?? sybils.length, draw),
  ])
  // Work costs every attacker the same and this machine minutes; it is measured elsewhere.
  const world = new World({ seed, nodes, guests, config: { workBits: 0 } })
  world.fillTables(seed)
  return world
}

/** A Sybil names its own kind, and says of every value that it took it. */
function lie(peers: Peers, sybils: readonly SimNode[], message: Message): Message {
  const { type, key, record } = message
  if (key === undefined) return { type }
  if (type === 'putValue') return record === undefined ? { type, key } : { type, key, record }
  const near = closestTo(
    dhtKey(key),
    sybils.map(({ contact }) => contact),
    20,
  )
  return { type, key, closer: near.map(({ peer }) => peers.infoOf(peer)) }
}

function holders(peers: Peers, { key }: Place): number {
  let count = 0
  for (const { records } of peers.awake) {
    if (records.get(key)?.record.version === WRITES) count += 1
  }
  return count
}

interface Read {
  readonly text: string | null
  readonly crowded: boolean
  readonly questions: number
  readonly tookMs: number
}

/** What the honest do, one after the other. */
class Script {
  readonly #world: World
  readonly #heap: EventHeap
  readonly #peers: Peers

  constructor(world: World, heap: EventHeap, peers: Peers) {
    this.#world = world
    this.#heap = heap
    this.#peers = peers
  }

  /** How many questions the write took. */
  async write({ name, signer }: Place, text: string): Promise<number> {
    const before = this.#peers.questions
    const node = this.#world.nodeOf(signer.peer)
    if (node === undefined) return 0
    const values = this.#peers.valuesOf(node, signer)
    await this.#play(values.put(name, utf8(text), { ttlSeconds: 3_600 }))
    return this.#peers.questions - before
  }

  /** As an honest node by chance, which has not asked for this before. */
  async read({ name, signer }: Place, draw: Chance): Promise<Read> {
    const { honest } = this.#world
    const readers = honest.filter(({ contact }) => contact.peer !== signer.peer)
    const reader = readers[draw.int(readers.length)]
    if (reader === undefined) return { text: null, crowded: false, questions: 0, tookMs: 0 }
    const before = this.#peers.questions
    const startedMs = this.#heap.nowMs
    // A reader signs nothing; the key is the publisher's own and stays unused.
    const values = this.#peers.valuesOf(reader, signer)
    const got = await this.#play(values.get(name))
    const text = got.value === null ? null : Buffer.from(got.value).toString()
    const tookMs = this.#heap.nowMs - startedMs
    const questions = this.#peers.questions - before
    return { text, crowded: got.crowded === true, questions, tookMs }
  }

  /** Lets time pass until `work` is done. */
  async #play<T>(work: Promise<T>): Promise<T> {
    const state = { over: false }
    const done = work.finally(() => {
      state.over = true
    })
    // Failures are told by `done`; without this one that comes early would end the process.
    done.catch(() => undefined)
    await this.#heap.play(() => state.over)
    return done
  }
}
