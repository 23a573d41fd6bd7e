/**
 * Lookups for random keys by whole nodes, for the same figures as tier B counts over the cores:
 * the network forms, comes to rest, warms up, and then random nodes look for random keys.
 */

import { closestTo, type DhtKey, dhtKey } from '../../../src/dht/key.ts'
import { type SimNode, type Simulation, simulate } from '../../../src/testing/index.ts'
import { quantile } from '../outcome.ts'
import type { RunOptions } from '../scenario.ts'
import {
  closing,
  contactsOf,
  neighbourComplaints,
  type Oracles,
  tableComplaints,
} from './oracles.ts'

export interface WholeOptions extends Pick<RunOptions, 'seed' | 'nodes' | 'log'> {
  readonly lookups: number
}

export interface WholeFigures {
  readonly lookups: number
  /** Share of the lookups that found the true closest. */
  readonly reached: number
  /** Of the k closest nodes, the share that was found and reported, on average. */
  readonly exact: number
  readonly rpcPerLookup: number
  readonly hopsMean: number
  readonly hopsP99: number
  readonly msP50: number
  readonly msP99: number
  readonly msMax: number
  readonly entriesMean: number
  readonly entriesMax: number
  readonly cpuMsPerLookup: number
  readonly eventHash: string
  readonly oracles: Oracles
}

const K = 20
const NEIGHBOURS = 8
const KEY_BYTES = 32
/** One joins after another within this, and no faster than so many milliseconds apart. */
const JOIN_MS = 5_000
const JOIN_PAUSE_MS_MIN = 20
const STABLE_MS_MAX = 120_000
/** After this every node has looked around: what join and refresh set off is over. */
const REST_MS = 30_000
/** Lookups before those that count, for each node: who is asked first costs a round trip more. */
const WARM_PER_NODE = 4
const LOOKUPS_PER_SECOND = 50

export function lookupsOfWholeNodes({
  seed,
  nodes,
  lookups,
  log,
}: WholeOptions): Promise<WholeFigures> {
  return simulate({ seed }, async (world) => {
    const pauseMs = Math.max(JOIN_PAUSE_MS_MIN, JOIN_MS / nodes)
    await world.grow(nodes, { pauseMs, options: { pubsub: { enabled: false } } })
    const wrong = () => [...tableComplaints(world), ...neighbourComplaints(world, NEIGHBOURS)]
    await world.until('a stable network', wrong, STABLE_MS_MAX)
    log(`${nodes} nodes stable after ${world.time.elapsedMs} ms`)
    await world.time.sleep(REST_MS)
    await lookMany(world, WARM_PER_NODE * nodes)
    log('warm')
    const cpu = process.cpuUsage()
    const samples = await lookMany(world, lookups)
    const { user, system } = process.cpuUsage(cpu)
    const sizes = world.nodes.map(({ parts }) => parts.ownDht?.peers ?? 0)
    const tables = wrong()
    const eventHash = world.network.trace.digest()
    return {
      ...figuresOf(samples),
      entriesMean: mean(sizes),
      entriesMax: quantile(sizes, 1),
      cpuMsPerLookup: (user + system) / 1_000 / Math.max(1, lookups),
      eventHash,
      oracles: { tables, ...(await closing(world)) },
    }
  })
}

interface Sample {
  readonly reached: boolean
  readonly exact: number
  readonly questions: number
  readonly hops: number
  readonly tookMs: number
}

/** Lookups by random nodes, evenly spread over time. */
async function lookMany(world: Simulation, count: number): Promise<Sample[]> {
  const running: Promise<Sample>[] = []
  for (let i = 0; i < count; i += 1) {
    const from = world.nodes[world.random.int(world.nodes.length)]
    if (from !== undefined) running.push(look(world, from))
    await world.time.sleep(1_000 / LOOKUPS_PER_SECOND)
  }
  return Promise.all(running)
}

async function look(world: Simulation, from: SimNode): Promise<Sample> {
  const key = world.random.bytes(KEY_BYTES)
  const target: DhtKey = dhtKey(key)
  const others = contactsOf(world).filter(({ peer }) => peer !== from.peer)
  const truth = closestTo(target, others, K).map(({ peer }) => peer)
  const startedMs = world.time.nowMs
  const report = await from.parts.ownDht?.closest(key)
  const tookMs = world.time.nowMs - startedMs
  const found = new Set(report?.closest)
  const best = truth[0]
  return {
    reached: best !== undefined && found.has(best),
    exact: truth.filter((peer) => found.has(peer)).length / Math.max(1, truth.length),
    questions: report?.questions ?? 0,
    hops: report?.hops ?? 0,
    tookMs,
  }
}

function figuresOf(samples: readonly Sample[]) {
  const took = samples.map(({ tookMs }) => tookMs)
  const hops = samples.filter(({ reached }) => reached).map((sample) => sample.hops)
  return {
    lookups: samples.length,
    reached: mean(samples.map(({ reached }) => Number(reached))),
    exact: mean(samples.map(({ exact }) => exact)),
    rpcPerLookup: mean(samples.map(({ questions }) => questions)),
    hopsMean: mean(hops),
    hopsP99: quantile(hops, 0.99),
    msP50: quantile(took, 0.5),
    msP99: quantile(took, 0.99),
    msMax: quantile(took, 1),
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}
