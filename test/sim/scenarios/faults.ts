/**
 * Whole nodes under every kind of fault, one after another or together, as the seed has it: a
 * partition, lost packets, churn, restarts, broken and half-open streams, peers that fall silent,
 * and clocks that are wrong. When it is over and the network has had time, everything must be
 * right again: tables, neighbours, records, and nothing left behind.
 */

import {
  type Fault,
  type SimRandom,
  type Simulation,
  simRandom,
  simulate,
} from '../../../src/testing/index.ts'
import { outcomeOf } from '../outcome.ts'
import type { Scenario } from '../scenario.ts'
import { closing, deadComplaints, neighbourComplaints, tableComplaints } from '../whole/oracles.ts'
import { RecordWatch } from '../whole/records.ts'

const NEIGHBOURS = 8
const RECORDS = 5
const CALM_MS = 10_000
/** Within this after the last fault; dead peers are only found out when they are asked. */
const HEALED_MS_MAX = 15 * 60_000
const SKEW_MS_MAX = 30_000

export const scenario: Scenario = {
  name: 'faults',
  summary: 'Partition, loss, churn, restart, resets, silence and wrong clocks; then all heals',
  tier: () => 'A',
  defaults: { nodes: 30, adversaries: 0 },

  run: ({ seed, nodes, log, faults = faultsOf(simRandom(`faults/${seed}`)) }) =>
    simulate({ seed, link: { spread: 0.5, jitterMs: 5 } }, async (world) => {
      const skews = world.random.fork('skews')
      for (let i = 0; i < nodes; i += 1) {
        const skewMs = skews.int(2 * SKEW_MS_MAX) - SKEW_MS_MAX
        await world.grow(1, { skewMs, pauseMs: 100, options: { pubsub: { enabled: false } } })
      }
      await world.time.sleep(CALM_MS)
      const watch = new RecordWatch(world)
      await watch.write(RECORDS)
      log(`calm after ${world.time.elapsedMs} ms, with ${RECORDS} records`)
      await world.inflict(faults)
      await watch.write(RECORDS)
      const overMs = world.time.elapsedMs
      log(`faults over after ${overMs} ms`)
      const left = await healed(world)
      const healedMs = world.time.elapsedMs - overMs
      const oracles = { healed: left, ...(await watch.complaints()) }
      const eventHash = world.network.trace.digest()
      return outcomeOf({
        eventHash,
        faults,
        oracles: { ...oracles, ...(await closing(world)) },
        delivered: watch.found,
        expected: watch.asked,
        extra: { overMs, healedMs, lost: world.network.trace.count('lost') },
      })
    }),
}

/** What is still wrong when time is over. */
async function healed(world: Simulation): Promise<readonly string[]> {
  const wrong = () => [
    ...tableComplaints(world),
    ...neighbourComplaints(world, NEIGHBOURS),
    ...deadComplaints(world),
  ]
  await world.until('a network that has healed', wrong, HEALED_MS_MAX).catch(() => undefined)
  return wrong()
}

/** Each kind once, at a time of its own within two minutes. */
function faultsOf(random: SimRandom): readonly Fault[] {
  const atMs = () => random.int(120_000)
  const forMs = () => 5_000 + random.int(25_000)
  return [
    { kind: 'partition', atMs: atMs(), forMs: forMs(), share: 0.3 },
    { kind: 'loss', atMs: atMs(), forMs: forMs(), share: 0.05 },
    { kind: 'delay', atMs: atMs(), forMs: forMs(), ms: 200 },
    { kind: 'silent', atMs: atMs(), forMs: forMs(), share: 0.1 },
    { kind: 'churn', atMs: atMs(), forMs: 60_000, perMinute: 0.1 },
    { kind: 'reset', atMs: atMs(), share: 0.3 },
    { kind: 'half-open', atMs: atMs(), share: 0.2 },
    { kind: 'restart', atMs: atMs(), forMs: forMs(), share: 0.1 },
  ]
}
