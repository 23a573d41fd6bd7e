/**
 * A whole node on a simulated host: every room as the composition root puts it together, over the
 * simulated network, with keys, time and chance from the seed. Nothing of ours is replaced; what
 * is not there is the machine: no disk, no real ports.
 */

import { type Clock, Registry, silentLog, startAll, stopAll, systemClock } from '../base/index.ts'
import { generateKeys, type NodeKeys, type PeerId } from '../identity/index.ts'
import {
  compose,
  type NodeOptions,
  type Parts,
  type ResolvedConfig,
  resolveOptions,
} from '../node/index.ts'
import type { SimRandom } from './seed.ts'
import type { SimHost, SimNetwork } from './sim-network.ts'
import { simReplays } from './sim-replays.ts'
import { simTransport } from './sim-transport.ts'
import { simUdp } from './sim-udp.ts'

/** The port that every simulated node listens on. */
export const SIM_PORT = 9_000

export interface SimNodeOptions {
  /** Laid over what a simulated node starts from; see `NODE`. */
  readonly options?: NodeOptions
  /** Milliseconds by which its clock is wrong. */
  readonly skewMs?: number
  /** Who it is; else the seed says. */
  readonly keys?: NodeKeys
}

/** A node that runs on a simulated host. */
export class SimNode {
  readonly host: SimHost
  readonly parts: Parts
  readonly peer: PeerId
  /** Where others dial it. */
  readonly address: string
  /** What it was made with, for the same one once more. */
  readonly made: SimNodeOptions
  readonly config: ResolvedConfig
  #isRunning = false

  constructor(host: SimHost, parts: Parts, from: Pick<SimNode, 'made' | 'config'>) {
    this.host = host
    this.made = from.made
    this.config = from.config
    this.parts = parts
    this.peer = parts.host.self
    this.address = `/ip4/${host.ip}/tcp/${SIM_PORT}/p2p/${this.peer}`
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  async start(): Promise<void> {
    await startAll(this.parts.services)
    this.#isRunning = true
  }

  async stop(): Promise<void> {
    if (!this.#isRunning) return
    this.#isRunning = false
    await stopAll(this.parts.services)
  }

  /** Gone without a word: nobody is told, and its streams stay half-open at the other side. */
  async crash(): Promise<void> {
    this.host.isUp = false
    for (const socket of [...this.host.sockets]) socket.vanish()
    this.host.listeners.clear()
    this.host.receivers.clear()
    await this.stop()
  }
}

/** Puts a node together on `host`; it is not started. */
export async function simNode(
  network: SimNetwork,
  host: SimHost,
  random: SimRandom,
  made: SimNodeOptions = {},
): Promise<SimNode> {
  const { options = {}, skewMs = 0, keys = generateKeys(random) } = made
  const { time } = network
  const address = `/ip4/${host.ip}/tcp/${SIM_PORT}`
  const config = resolveOptions({
    preset: 'test',
    network: 'sim',
    dataDir: '/nonexistent',
    ...options,
    // libp2p tells nobody of a public address that it was not told of, or that no peer verified.
    net: { listen: [address], announce: [address], ...options.net },
    mcp: { enabled: false, ...options.mcp },
  })
  const clock = skewMs === 0 ? systemClock : skewed(skewMs)
  const parts = await time.hold(() =>
    compose(config, {
      keys,
      registry: new Registry(),
      clock,
      random,
      log: silentLog,
      version: '0.0.0-sim',
      injected: { transports: [simTransport(network, host)], udp: simUdp(network, host) },
      machine: { probe: async () => 'free', keepsFiles: false, replays: simReplays(host, clock) },
    }),
  )
  return new SimNode(host, parts, { made: { ...made, keys }, config })
}

/** Virtual time as a node sees it whose clock is wrong; how long things take is right. */
function skewed(skewMs: number): Clock {
  return { ...systemClock, now: () => systemClock.now() + skewMs }
}
