/**
 * What can go wrong, as values: a list of faults is part of a scenario, is printed with its seed,
 * and is made shorter when a run fails. Whom a fault hits follows from the seed.
 *
 * `share` is a share of the nodes that run when the fault begins; the first nodes, which others
 * are told of, are hit like any.
 */

import { shuffled } from '../base/index.ts'
import type { NodeOptions } from '../node/index.ts'
import type { SimHost } from './sim-network.ts'
import type { SimNode } from './sim-node.ts'
import type { Simulation } from './simulation.ts'

interface Timed {
  /** Milliseconds from when the faults were inflicted. */
  readonly atMs: number
}

interface Lasting extends Timed {
  readonly forMs: number
}

/** One thing that goes wrong, for a while or once. */
export type Fault =
  /** Nothing passes between a share of the nodes and the rest. */
  | (Lasting & { readonly kind: 'partition'; readonly share: number })
  /** A share of all packets is lost. */
  | (Lasting & { readonly kind: 'loss'; readonly share: number })
  /** A share of all links loses everything, for `burstMs`; then another share does. */
  | (Lasting & { readonly kind: 'burst-loss'; readonly share: number; readonly burstMs: number })
  /** Every packet takes longer. */
  | (Lasting & { readonly kind: 'delay'; readonly ms: number })
  /** A share of the nodes takes everything and says nothing. */
  | (Lasting & { readonly kind: 'silent'; readonly share: number })
  /** A share of the nodes dies without a word in each minute, and new ones join in their place. */
  | (Lasting & { readonly kind: 'churn'; readonly perMinute: number })
  /** A share of the open streams is reset. */
  | (Timed & { readonly kind: 'reset'; readonly share: number })
  /** A share of the open streams is forgotten by one side, which answers no more. */
  | (Timed & { readonly kind: 'half-open'; readonly share: number })
  /** A share of the nodes dies without a word and comes back later as itself, with nothing kept. */
  | (Lasting & { readonly kind: 'restart'; readonly share: number })

const MINUTE_MS = 60_000
const FIRST = 3

/** Resolves when the last of them is over. */
export async function inflict(world: Simulation, faults: readonly Fault[]): Promise<void> {
  await Promise.all(
    faults.map(async (fault, index) => {
      const random = world.random.fork(`fault/${index}/${fault.kind}`)
      const some = <T>(all: readonly T[], share: number): readonly T[] =>
        shuffled(all, random).slice(0, Math.round(share * all.length))
      await world.time.sleep(fault.atMs)
      await happen(world, fault, some)
    }),
  )
}

type Some = <T>(all: readonly T[], share: number) => readonly T[]

async function happen(world: Simulation, fault: Fault, some: Some): Promise<void> {
  const { network, time, nodes } = world
  const lasting = async (condition: Parameters<typeof network.conditions.add>[0], ms: number) => {
    network.conditions.add(condition)
    await time.sleep(ms)
    network.conditions.delete(condition)
  }
  const hostsOf = (share: number) => new Set<SimHost>(some(nodes, share).map(({ host }) => host))
  const streams = nodes.flatMap(({ host }) => [...host.sockets])
  switch (fault.kind) {
    case 'partition': {
      const apart = hostsOf(fault.share)
      const blocks = (from: SimHost, to: SimHost) => apart.has(from) !== apart.has(to)
      return lasting({ blocks }, fault.forMs)
    }
    case 'loss':
      return lasting({ loss: () => fault.share }, fault.forMs)
    case 'burst-loss':
      return lasting({ loss: bursts(time, fault) }, fault.forMs)
    case 'delay':
      return lasting({ delayMs: () => fault.ms }, fault.forMs)
    case 'silent': {
      const silent = hostsOf(fault.share)
      return lasting({ blocks: (from) => silent.has(from) }, fault.forMs)
    }
    case 'reset':
      for (const socket of some(streams, fault.share)) socket.cut()
      return
    case 'half-open':
      for (const socket of some(streams, fault.share)) socket.vanish()
      return
    case 'restart':
      await Promise.all(some(nodes, fault.share).map((node) => restart(world, node, fault.forMs)))
      return
    case 'churn':
      return churn(world, fault, some)
  }
}

/** Each link has its own bad times, which follow from who is at its ends. */
function bursts(
  time: Pick<Simulation['time'], 'nowMs'>,
  { share, burstMs }: Extract<Fault, { kind: 'burst-loss' }>,
): (from: SimHost, to: SimHost) => number {
  return (from, to) => {
    const span = Math.floor(time.nowMs / burstMs)
    let mixed = Math.imul((from.id << 16) ^ to.id ^ Math.imul(span, 0x85eb_ca6b), 0x9e37_79b1)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35)
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32 < share ? 1 : 0
  }
}

/** One dies after another, at even distances; each new one has a host of its own. */
async function churn(
  world: Simulation,
  { forMs, perMinute }: Extract<Fault, { kind: 'churn' }>,
  some: Some,
): Promise<void> {
  const count = Math.round((perMinute * world.nodes.length * forMs) / MINUTE_MS)
  for (let i = 0; i < count; i += 1) {
    await world.time.sleep(forMs / count)
    const { nodes } = world
    const [node] = some(nodes, 1 / nodes.length)
    if (node === undefined) return
    void node.crash()
    const { keys: _, ...made } = node.made
    await world.add({ ...made, options: withFirst(world, made.options) })
  }
}

async function restart(world: Simulation, node: SimNode, downMs: number): Promise<void> {
  void node.crash()
  await world.time.sleep(downMs)
  node.host.isUp = true
  await world.addOn(node.host, { ...node.made, options: withFirst(world, node.made.options) })
}

/** Told of a few who run now: the ones it was told of may be gone. */
function withFirst(world: Simulation, options: NodeOptions = {}): NodeOptions {
  const nodes = world.nodes.slice(0, FIRST).map(({ address }) => address)
  return { ...options, bootstrap: { ...options.bootstrap, nodes } }
}
