/** What the knobs of calls that must run once change: how long they are known, and asked for. */

import { seededRandom, silentLog } from '../../../src/base/index.ts'
import { Journal, Outcomes, SqliteJournal } from '../../../src/mcp/index.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { testPeer, untilAborted } from '../../support/mcp-directory.ts'
import { type Observations, type Observe, timeOf } from './observation.ts'

const PEER = testPeer(1)
const KEY = 'one-key-of-a-call'

/** Whether a call of ten minutes ago is still known. */
const kept: Observe = async ({ mcp }, made) => {
  const clock = new FakeClock()
  const journal = new Journal({ clock, store: new SqliteJournal(':memory:') }, mcp)
  made()
  const call = { peer: PEER, key: KEY, digest: '', durable: true }
  journal.finish(journal.begin(call).entry, '{}')
  await clock.advance(600_000)
  const { isNew } = journal.begin(call)
  journal.close()
  return isNew
}

/** How long a peer that never answers is asked. */
const asked: Observe = async ({ mcp }, made) => {
  const clock = new FakeClock()
  const open = (_: unknown, __: unknown, options: { signal?: AbortSignal } = {}) => {
    return untilAborted(options.signal)
  }
  const deps = { host: { open }, clock, random: seededRandom('k'), log: silentLog, network: 'k' }
  const outcomes = new Outcomes(deps, mcp)
  made()
  const { signal } = new AbortController()
  const question = { tool: 'echo', key: KEY, withinMs: 0 }
  return timeOf(clock, outcomes.settle(PEER, question, signal), { stepMs: 100, maxMs: 60_000 })
}

export const mcpCallObservations: Observations = {
  'mcp.journal_keep': { value: 60, observe: kept },
  'mcp.outcome_wait': { value: 2, observe: asked },
}
