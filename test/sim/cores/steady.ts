/**
 * What a node costs the network once it has settled: the production `Upkeep` of some nodes out of
 * many, with its own intervals, and a lookup of their user's now and then.
 *
 * Every node is like these, so what they send is what each sends, and what each is sent.
 */

import { every } from '../../../src/base/index.ts'
import type { Upkeep } from '../../../src/dht/upkeep.ts'
import { chance } from './chance.ts'
import { EventHeap } from './heap.ts'
import { LINK } from './network.ts'
import { Peers } from './peers.ts'
import { World } from './world.ts'

export interface SteadyOptions {
  readonly seed: number
  readonly nodes: number
  /** How many of the nodes are looked at. */
  readonly sample: number
  /** Between two lookups of one user. */
  readonly lookupEveryMs: number
}

export interface SteadyFigures {
  /** Questions and answers that a node sends, for each second. */
  readonly messagesPerNodeSecond: number
  /** The same without the lookups of its user. */
  readonly idleMessagesPerNodeSecond: number
}

const KEY_BYTES = 32
/** A question is answered: two messages. */
const MESSAGES = 2

export async function steady(options: SteadyOptions): Promise<SteadyFigures> {
  const messagesPerNodeSecond = await sent(options, options.lookupEveryMs)
  const idleMessagesPerNodeSecond = await sent(options, undefined)
  return { messagesPerNodeSecond, idleMessagesPerNodeSecond }
}

/** Messages per node and second, after one interval in which the nodes settle. */
async function sent(options: SteadyOptions, lookupEveryMs: number | undefined): Promise<number> {
  const { seed, nodes, sample } = options
  const world = new World({ seed, nodes })
  world.fillTables(seed)
  const heap = new EventHeap()
  const draw = chance(seed, 'steady')
  const peers = new Peers(
    { world, heap, chance: draw, adversary: (_asked, { type }) => ({ type }) },
    { ...LINK, region: true },
  )
  const { refreshIntervalMs, maintenanceIntervalMs } = world.config
  const life = new AbortController()
  const upkeeps: Upkeep[] = []
  for (let i = 0; i < sample; i += 1) {
    const node = world.nodes[draw.int(world.nodes.length)]
    if (node === undefined) continue
    const upkeep = peers.upkeepOf(node)
    upkeeps.push(upkeep)
    upkeep.met(node.contact.peer)
    void every(peers.clock, maintenanceIntervalMs, () => upkeep.maintain(), life.signal)
    if (lookupEveryMs === undefined) continue
    const { search } = peers.peerOf(node)
    const look = async (): Promise<void> => {
      await search.run({ type: 'findNode', key: draw.bytes(KEY_BYTES) })
    }
    void every(peers.clock, lookupEveryMs, look, life.signal)
  }
  await heap.play(() => heap.nowMs >= refreshIntervalMs)
  const before = peers.questions
  await heap.play(() => heap.nowMs >= 2 * refreshIntervalMs)
  life.abort()
  await Promise.all(upkeeps.map((upkeep) => upkeep.stop()))
  return (MESSAGES * (peers.questions - before)) / sample / (refreshIntervalMs / 1_000)
}
