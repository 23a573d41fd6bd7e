/**
 * A network forms: nodes join one after another, each told of a few first ones, until every table
 * keeps its rules, everybody knows its neighbours and every node finds every other.
 */

import { shuffled } from '../../../src/base/index.ts'
import { type SimNode, type Simulation, simulate } from '../../../src/testing/index.ts'
import { atMost, outcomeOf, quantile } from '../outcome.ts'
import type { Scenario } from '../scenario.ts'
import { closing, neighbourComplaints, peersOf, tableComplaints } from '../whole/oracles.ts'

const FORMED_MS_MAX = 30_000
/** All have joined after this. */
const JOIN_MS = 5_000
const NEIGHBOURS = 8
/** Lookups of one node at once. */
const AT_ONCE = 8
/** At 100 nodes it is all pairs, some 4,300; far above it is a sample. */
const PAIRS_MAX = 6_000
/** Of those in its table, so many are looked for as well. */
const KNOWN_PER_NODE = 3
/** Before those who were not found are looked for again. */
const AGAIN_MS = 500

export const scenario: Scenario = {
  name: 'formation',
  summary: 'Nodes join over a few first ones until all tables are right and all find all',
  tier: () => 'A',
  defaults: { nodes: 100, adversaries: 0 },

  run: ({ seed, nodes, log }) =>
    simulate({ seed }, async (world) => {
      await world.grow(nodes, { pauseMs: JOIN_MS / nodes, options: { pubsub: { enabled: false } } })
      log(`${nodes} nodes have joined after ${world.time.elapsedMs} ms`)
      await world.until('a stable network', () => wrong(world), 4 * FORMED_MS_MAX)
      const stableMs = world.time.elapsedMs
      log(`stable after ${stableMs} ms`)
      const { tookMs, missing, early } = await findAll(world)
      const formedMs = world.time.elapsedMs
      const eventHash = world.network.trace.digest()
      const everybody = missing.map(
        ([one, other]) => `${one.host.ip} does not find ${other.host.ip}`,
      )
      const oracles = { tables: wrong(world), everybody: everybody.slice(0, 5) }
      const { trace } = world.network
      const [segments, datagrams] = [trace.count('data'), trace.count('datagram')]
      const connections = world.nodes.reduce((sum, node) => {
        return sum + node.parts.host.connections().length
      }, 0)
      const bytes = world.network.hosts.reduce((sum, { sent }) => sum + sent.bytes, 0)
      return outcomeOf(
        {
          eventHash,
          oracles: { ...oracles, ...(await closing(world)) },
          lookups: tookMs.length,
          lookupSuccess: 1 - missing.length / Math.max(1, tookMs.length),
          latencyMsP50: quantile(tookMs, 0.5),
          latencyMsP99: quantile(tookMs, 0.99),
          latencyMsMax: quantile(tookMs, 1),
          extra: {
            stableMs,
            formedMs,
            early,
            segments,
            datagrams,
            connections,
            bytes,
            steps: world.time.steps,
          },
        },
        [atMost('formed after ms', formedMs, FORMED_MS_MAX)],
      )
    }),
}

function wrong(world: Simulation): readonly string[] {
  return [...tableComplaints(world), ...neighbourComplaints(world, NEIGHBOURS)]
}

type Pair = readonly [SimNode, SimNode]

/**
 * Each node looks for every other that is not in its table, and for a few that are; again where it
 * was too early. Says who is missing in the end.
 */
async function findAll(world: Simulation) {
  const tookMs: number[] = []
  const random = world.random.fork('pairs')
  const pairs = world.nodes.flatMap((one) => {
    const table = new Set(peersOf(one))
    const others = world.nodes.filter((other) => other !== one)
    const strange = others.filter(({ peer }) => !table.has(peer))
    const known = others.filter(({ peer }) => table.has(peer))
    const some = shuffled(known, random).slice(0, KNOWN_PER_NODE)
    return [...strange, ...some].map((other): Pair => [one, other])
  })
  let missing = pairs.length > PAIRS_MAX ? shuffled(pairs, random).slice(0, PAIRS_MAX) : pairs
  let early = -1
  while (missing.length > 0 && world.time.elapsedMs < FORMED_MS_MAX) {
    if (early >= 0) await world.time.sleep(AGAIN_MS)
    missing = await findPairs(world, missing, tookMs)
    if (early < 0) early = missing.length
  }
  return { tookMs, missing, early }
}

/** The pairs of which the first did not find the second. */
async function findPairs(
  world: Simulation,
  pairs: readonly Pair[],
  tookMs: number[],
): Promise<Pair[]> {
  const missing: Pair[] = []
  const find = async ([one, other]: Pair) => {
    const startedMs = world.time.nowMs
    const found = (await one.parts.ownDht?.findPeer(other.peer)) ?? []
    tookMs.push(world.time.nowMs - startedMs)
    if (!found.some((address) => address.includes(`/${other.host.ip}/`))) missing.push([one, other])
  }
  const work = async (own: Pair[]) => {
    for (let pair = own.pop(); pair !== undefined; pair = own.pop()) await find(pair)
  }
  const byNode = Map.groupBy(pairs, ([one]) => one)
  await Promise.all(
    [...byNode.values()].flatMap((own) => Array.from({ length: AT_ONCE }, () => work(own))),
  )
  return missing
}
