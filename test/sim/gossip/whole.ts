/** Whole nodes that meet and talk with nothing wrong, for the same figures as tier B counts. */

import { simulate } from '../../../src/testing/index.ts'
import type { RunOptions } from '../scenario.ts'
import { closing } from '../whole/oracles.ts'
import { figuresOf } from './figures.ts'
import { Party, SAID_MS } from './party.ts'
import { HEARTBEAT_MS, ONE_WAY_MS, RINGS } from './size.ts'

/** Until connections are of use. They listen after that, so that every mesh may have anybody. */
const IDENTIFY_MS = 1_300
const SETTLE_MS_MAX = 30_000

export interface WholeTalk {
  readonly messages: number
  readonly pauseMs: number
  readonly windowMs: number
  /** Until every mesh has its size. */
  readonly settleMs: number
}

export function talkOfWholeNodes({ seed, nodes, log }: RunOptions, talk: WholeTalk) {
  return simulate({ seed, link: { latencyMs: ONE_WAY_MS } }, async (world) => {
    const party = new Party(world)
    await party.invite(nodes)
    await party.meet(RINGS)
    await world.time.sleep(IDENTIFY_MS)
    party.enrolAll()
    await party.settle(Math.min(RINGS, nodes - 1), SETTLE_MS_MAX)
    await world.time.sleep(talk.settleMs)
    log(`${nodes} nodes have met after ${world.time.elapsedMs} ms`)
    const before = party.admissions
    await party.talk(talk.messages, talk.pauseMs)
    await world.time.sleep(talk.windowMs)
    party.end()
    const admissions = party.admissions - before
    const eventHash = world.network.trace.digest()
    const due = { saidMs: SAID_MS, beforeMs: HEARTBEAT_MS, afterMs: talk.windowMs }
    const { figures, oracles, goals, latenciesMs } = figuresOf(party.ledger, due)
    return {
      figures,
      goals,
      latenciesMs,
      eventHash,
      admissionsPerDelivery: admissions / Math.max(1, figures.delivered),
      oracles: { ...oracles, ...(await closing(world)) },
    }
  })
}
