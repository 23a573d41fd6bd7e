/**
 * Gossip where the network is bad and nobody stays: on a twentieth of all links everything is lost
 * for a while, and each minute a tenth of the nodes dies without a word and as many new ones join.
 *
 * A message is due to whoever was in touch with the topic for a heartbeat before it was said, and
 * still ran ten seconds after it; one that joins is in touch when it first reaches a reader. Gossip
 * alone must do: the topic does not ask for what it misses (`repair`).
 */

import { simulate } from '../../../src/testing/index.ts'
import { figuresOf } from '../gossip/figures.ts'
import { keepTouch, Party, SAID_MS } from '../gossip/party.ts'
import { HEARTBEAT_MS, ONE_WAY_MS, RINGS } from '../gossip/size.ts'
import { outcomeOf } from '../outcome.ts'
import type { RunOptions, Scenario } from '../scenario.ts'
import { closing } from '../whole/oracles.ts'

const NEIGHBOURS = 2 * RINGS
const MINUTES = 10
/** Never at the moments at which somebody dies. */
const PAUSE_MS = 1_900
const SETTLE_MS_MAX = 30_000
const MESH_MS = 5_000
const WINDOW_MS = 10_000
const SHARE_MIN = 0.999

const FAULTS = [
  { kind: 'burst-loss', atMs: 0, forMs: MINUTES * 60_000, share: 0.05, burstMs: 500 },
  { kind: 'churn', atMs: 0, forMs: MINUTES * 60_000, perMinute: 0.1 },
] as const

export const scenario: Scenario = {
  name: 'gossip-churn',
  summary: 'Gossip with losses in bursts while nodes die and join, for ten minutes',
  tier: () => 'A',
  defaults: { nodes: 100, adversaries: 0 },
  run,
}

function run({ seed, nodes, log, faults = FAULTS }: RunOptions) {
  return simulate({ seed, link: { latencyMs: ONE_WAY_MS } }, async (world) => {
    const party = new Party(world)
    await party.invite(nodes)
    party.enrolAll()
    await party.meet(RINGS)
    await party.settle(Math.min(RINGS, nodes - 1), SETTLE_MS_MAX)
    await world.time.sleep(MESH_MS)
    const touch = keepTouch(party, NEIGHBOURS)
    const over = world.inflict(faults)
    await party.talk(Math.floor((MINUTES * 60_000) / PAUSE_MS), PAUSE_MS)
    log('said everything')
    await over
    await world.time.sleep(WINDOW_MS)
    party.end()
    await touch
    const eventHash = world.network.trace.digest()
    const lost = world.network.trace.count('lost')
    const due = { saidMs: SAID_MS, beforeMs: HEARTBEAT_MS, afterMs: WINDOW_MS }
    const { figures, goals, oracles, unsaid } = figuresOf(party.ledger, due)
    const guests = party.ledger.listeners.length
    const extra = { messages: party.ledger.size, unsaid, guests, packetsLost: lost }
    return outcomeOf(
      {
        ...figures,
        eventHash,
        faults,
        oracles: { ...oracles, ...(await closing(world)) },
        extra,
      },
      goals(SHARE_MIN),
    )
  })
}
