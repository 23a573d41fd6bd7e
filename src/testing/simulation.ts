/**
 * A simulated world: whole nodes on a network in virtual time, all of it from one seed.
 *
 *   await simulate(7, async (world) => {
 *     await world.grow(100, { bootstraps: 3, pauseMs: 50 })
 *     world.inflict([{ kind: 'partition', atMs: 10_000, forMs: 5_000, share: 0.3 }])
 *     await world.until('full tables', () => world.nodes.every(isFull), 30_000)
 *   })
 *
 * The process belongs to the simulation from then on: its clocks, timers and chance are replaced
 * for good. Inside, `await world.time.sleep(ms)` lets time pass, and everything that the nodes
 * offer can be called and awaited as usual.
 */

import { TestingError } from './errors.ts'
import { type Fault, inflict } from './faults.ts'
import { installVirtualTime } from './globals.ts'
import type { NatKind } from './nat.ts'
import { type SimRandom, simRandom } from './seed.ts'
import { LINK, type LinkConfig, type SimHost, SimNetwork } from './sim-network.ts'
import { type SimNode, type SimNodeOptions, simNode } from './sim-node.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface SimulationOptions {
  readonly seed: number
  /** How the links are; see `LINK` for what is not said. */
  readonly link?: Partial<LinkConfig>
}

export interface AddOptions extends SimNodeOptions {
  readonly ip?: string
  readonly nat?: NatKind
}

export interface GrowOptions extends SimNodeOptions {
  /** How many of the first nodes all others are told of. */
  readonly bootstraps?: number
  /** Between two that join. */
  readonly pauseMs?: number
}

const POLL_MS = 100
const BOOTSTRAPS = 3
/** By then every deadline of the rooms is over, and what is still set is set again and again. */
const SETTLE_MS_MAX = 3 * 60_000

export class Simulation {
  readonly time: VirtualTime
  readonly network: SimNetwork
  readonly random: SimRandom
  /** What nobody caught: rejections and errors of the program itself. */
  readonly mishaps: string[] = []
  readonly #nodes: SimNode[] = []

  constructor(time: VirtualTime, { seed, link = {} }: SimulationOptions) {
    this.time = time
    this.random = simRandom(`simulation/${seed}`)
    this.network = new SimNetwork(time, this.random, { ...LINK, ...link })
  }

  /** Every node that was ever added and runs now. */
  get nodes(): readonly SimNode[] {
    return this.#nodes.filter(({ isRunning }) => isRunning)
  }

  /** A new node on a host of its own, started. */
  async add({ ip, nat, ...options }: AddOptions = {}): Promise<SimNode> {
    const host = this.network.host({ ...(ip && { ip }), ...(nat && { nat }) })
    return this.addOn(host, options)
  }

  /** A new node on a host that is there, as after a restart with another key. */
  async addOn(host: SimHost, options: SimNodeOptions = {}): Promise<SimNode> {
    const random = this.random.fork(`node/${this.#nodes.length}`)
    const node = await simNode(this.network, host, random, options)
    this.#nodes.push(node)
    await node.start()
    return node
  }

  /** Adds nodes one after another, each told of the first few. */
  async grow(count: number, options: GrowOptions = {}): Promise<readonly SimNode[]> {
    const { bootstraps = BOOTSTRAPS, pauseMs = 0, ...own } = options
    const grown: SimNode[] = []
    for (let i = 0; i < count; i += 1) {
      const first = this.#nodes.slice(0, bootstraps).map(({ address }) => address)
      const nodes = [...(own.options?.bootstrap?.nodes ?? []), ...first]
      const bootstrap = { ...own.options?.bootstrap, nodes }
      grown.push(await this.add({ ...own, options: { ...own.options, bootstrap } }))
      if (pauseMs > 0) await this.time.sleep(pauseMs)
    }
    return grown
  }

  /** Lets each fault happen at its time from now; resolves when the last is over. */
  inflict(faults: readonly Fault[]): Promise<void> {
    return inflict(this, faults)
  }

  /** Waits until `holds` says nothing is wrong, and returns how long that took. */
  async until(
    wanted: string,
    wrong: () => Promise<readonly string[]> | readonly string[],
    withinMs: number,
  ): Promise<number> {
    const startedMs = this.time.nowMs
    for (;;) {
      const found = await wrong()
      const tookMs = this.time.nowMs - startedMs
      if (found.length === 0) return tookMs
      if (tookMs >= withinMs) {
        const shown = `${found.length} wrong, first: ${found[0] ?? ''}`
        throw TestingError.TOO_LATE({ wanted, afterMs: withinMs, found: shown })
      }
      await this.time.sleep(POLL_MS)
    }
  }

  /** Stops every node, lets the last deadlines pass, and says what is still there. */
  async close(): Promise<readonly string[]> {
    await Promise.all(this.nodes.map((node) => node.stop()))
    const startedMs = this.time.nowMs
    // Our own sleep is the only event that may be left.
    while (this.time.pending > 0 && this.time.nowMs - startedMs < SETTLE_MS_MAX) {
      await this.time.sleep(POLL_MS * 100)
    }
    const left = [...this.network.hosts].flatMap(({ ip, sockets, receivers, listeners }) => {
      const open = sockets.size + receivers.size + listeners.size
      return open === 0 ? [] : [`${ip}: ${sockets.size} streams, ${receivers.size} UDP ports`]
    })
    const timers = this.time.pending
    return timers === 0 ? left : [...left, `${timers} timers are still set`]
  }
}

/** Runs `work` in a world of its own; the same seed gives the same run. Once in a process. */
export async function simulate<T>(
  options: SimulationOptions,
  work: (world: Simulation) => Promise<T>,
): Promise<T> {
  const time = installVirtualTime(options.seed)
  const world = new Simulation(time, options)
  const note = (error: unknown) => {
    world.mishaps.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  process.on('unhandledRejection', note)
  process.on('uncaughtException', note)
  try {
    return await time.drive(work(world))
  } finally {
    process.off('unhandledRejection', note)
    process.off('uncaughtException', note)
  }
}
