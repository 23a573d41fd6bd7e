/**
 * A failure made on purpose. Its oracle wants that no stream is ever broken, which the faults that
 * follow from the seed do not grant: so it shows that a seed brings a failure back, and that
 * `--shrink` finds the one fault and the few nodes that it takes. It is no test of a node.
 */

import { type Fault, simRandom, simulate } from '../../../src/testing/index.ts'
import { outcomeOf } from '../outcome.ts'
import type { Scenario } from '../scenario.ts'
import { closing } from '../whole/oracles.ts'

const AFTER_MS = 2_000

export const scenario: Scenario = {
  name: 'broken',
  summary: 'Fails on purpose: try it with --shrink',
  tier: () => 'A',
  defaults: { nodes: 8, adversaries: 0 },

  run: ({ seed, nodes, log, faults = faultsOf(seed) }) =>
    simulate({ seed }, async (world) => {
      await world.grow(nodes, { options: { pubsub: { enabled: false } } })
      await world.time.sleep(AFTER_MS)
      await world.inflict(faults)
      await world.time.sleep(AFTER_MS)
      const broken = world.network.trace.count('broken')
      log(`${broken} streams were broken`)
      const eventHash = world.network.trace.digest()
      const unbroken = broken === 0 ? [] : ['a stream was broken']
      return outcomeOf({ eventHash, faults, oracles: { unbroken, ...(await closing(world)) } })
    }),
}

/** Some of each kind, among them one that breaks streams. */
function faultsOf(seed: number): readonly Fault[] {
  const random = simRandom(`broken/${seed}`)
  const atMs = () => random.int(3_000)
  return [
    { kind: 'delay', atMs: atMs(), forMs: 500, ms: 20 },
    { kind: 'loss', atMs: atMs(), forMs: 1_000, share: 0.05 },
    { kind: 'reset', atMs: atMs(), share: 0.5 },
    { kind: 'partition', atMs: atMs(), forMs: 1_000, share: 0.3 },
    { kind: 'silent', atMs: atMs(), forMs: 500, share: 0.2 },
  ]
}
