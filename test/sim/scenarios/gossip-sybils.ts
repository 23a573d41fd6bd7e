/**
 * Four attackers for every honest node in one topic. Honest nodes are connected to six of their
 * own and have let themselves be talked into two attackers; each attacker is connected to as many
 * honest nodes as it dares. Half of them censor, two in five spam, and a tenth surrounds one
 * victim. Honest nodes have the settings of production. What counts is what the honest hear of
 * the honest, the victim among them.
 */

import { type SimNode, simulate } from '../../../src/testing/index.ts'
import { figuresOf } from '../gossip/figures.ts'
import { connect, Party, SAID_MS } from '../gossip/party.ts'
import { HEARTBEAT_MS, ONE_WAY_MS, RINGS } from '../gossip/size.ts'
import { STRANGER } from '../gossip/stranger.ts'
import { Sybil, type SybilKind } from '../gossip/sybil.ts'
import { atMost, outcomeOf } from '../outcome.ts'
import type { Scenario } from '../scenario.ts'
import { closing } from '../whole/oracles.ts'

/** Attackers that each honest node dials, having been told of them. */
const FOOLED = 2
/** Honest nodes that each attacker dials. */
const REACH = 5
const SHARES: Readonly<Record<SybilKind, number>> = { censor: 0.5, spam: 0.4, eclipse: 0.1 }
const MESSAGES = 50
const PAUSE_MS = 1_000
const SETTLE_MS_MAX = 60_000
/** Long enough for the attackers to be in every mesh that they can get into. */
const MESH_MS = 30_000
const WINDOW_MS = 15_000
const SHARE_MIN = 0.999
const LATENCY_MS_MAX = 6_000

export const scenario: Scenario = {
  name: 'gossip-sybils',
  summary: 'Gossip among attackers that censor, spam and surround; --adversaries is their share',
  tier: () => 'A',
  defaults: { nodes: 100, adversaries: 0.8 },

  run: ({ seed, nodes, adversaries, log }) =>
    simulate({ seed, link: { latencyMs: ONE_WAY_MS } }, async (world) => {
      const party = new Party(world)
      const attackers = Math.round(nodes * adversaries)
      await party.invite(nodes - attackers)
      party.enrolAll()
      const sybils = await infiltrate(party, attackers)
      await party.meet(RINGS)
      await surround(party, sybils)
      await party.settle(Math.min(RINGS, nodes - attackers - 1), SETTLE_MS_MAX)
      await world.time.sleep(MESH_MS)
      log(`${attackers} of ${nodes} are attackers, in place after ${world.time.elapsedMs} ms`)
      const placesPerMesh = sum(sybils, ({ places }) => places) / party.guests.length
      await party.talk(MESSAGES, PAUSE_MS)
      await world.time.sleep(WINDOW_MS)
      party.end()
      const eventHash = world.network.trace.digest()
      const due = { saidMs: SAID_MS, beforeMs: HEARTBEAT_MS, afterMs: WINDOW_MS }
      const { figures, goals, oracles } = figuresOf(party.ledger, due)
      const swallowed = sum(sybils, (one) => one.swallowed)
      const honest = nodes - attackers
      const extra = { messages: MESSAGES, honest, swallowed, placesPerMesh }
      return outcomeOf(
        { ...figures, eventHash, oracles: { ...oracles, ...(await closing(world)) }, extra },
        [...goals(SHARE_MIN), atMost('ms at most', figures.latencyMsMax, LATENCY_MS_MAX)],
      )
    }),
}

/** Attackers of each kind by its share, which know nobody yet. */
async function infiltrate({ world, wire }: Party, count: number): Promise<readonly Sybil[]> {
  const sybils: Sybil[] = []
  for (let i = 0; i < count; i += 1) {
    const node = await world.add({ options: STRANGER })
    const sybil = new Sybil(world, node, { kind: kindOf((i + 0.5) / count), topic: wire })
    await sybil.start()
    sybils.push(sybil)
  }
  return sybils
}

function sum(sybils: readonly Sybil[], of: (sybil: Sybil) => number): number {
  return sybils.reduce((total, sybil) => total + of(sybil), 0)
}

function kindOf(place: number): SybilKind {
  if (place < SHARES.censor) return 'censor'
  return place < SHARES.censor + SHARES.spam ? 'spam' : 'eclipse'
}

/** Attackers come to the honest, and some of the honest to them; the victim has all of one kind. */
async function surround(party: Party, sybils: readonly Sybil[]): Promise<void> {
  const random = party.world.random.fork('surround')
  const honest: readonly SimNode[] = party.guests.map(({ node }) => node)
  const victim = honest[0]
  if (sybils.length === 0 || victim === undefined) return
  const dials = sybils.map(async ({ node, kind }) => {
    if (kind === 'eclipse') await connect(node, victim)
    for (let i = 0; i < REACH; i += 1) await connect(node, random.pick(honest))
  })
  const fooled = honest.map(async (node) => {
    for (let i = 0; i < FOOLED; i += 1) await connect(node, random.pick(sybils).node)
  })
  await Promise.all([...dials, ...fooled])
}
