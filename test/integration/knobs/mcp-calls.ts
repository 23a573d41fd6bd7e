/** What the knobs of calls that must run once change: how long they are known, and asked for. */

import { Registry, seededRandom, silentLog } from '../../../src/base/index.ts'
import { generateKeys } from '../../../src/identity/index.ts'
import {
  Journal,
  mcpMetrics,
  Outcomes,
  RelayedCalls,
  SqliteJournal,
} from '../../../src/mcp/index.ts'
import { NetError } from '../../../src/net/errors.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { testPeer, untilAborted } from '../../support/mcp-directory.ts'
import { type Observations, type Observe, outcome, timeOf } from './observation.ts'

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

/** What becomes of a call that has no path, where nobody is there who might carry it. */
const relayed: Observe = ({ mcp }, made) => {
  const host = { self: PEER, connections: () => [], open: gone, protocolsOf: async () => [] }
  const metrics = mcpMetrics(new Registry())
  const { signer } = generateKeys(seededRandom('k'))
  const room = { clock: new FakeClock(), random: seededRandom('k'), log: silentLog, network: 'k' }
  const calls = new RelayedCalls({ ...room, host, signer, metrics }, mcp)
  made()
  const call = { service: 's', tool: 't', args: {}, key: KEY }
  const options = { signal: new AbortController().signal, timeoutMs: 1, idempotent: true }
  return outcome(() => calls.call(testPeer(2), call, options, noPath()))
}

const noPath = () => NetError.CONNECT_FAILED({ target: PEER, tried: [] })

async function gone(): Promise<never> {
  throw noPath()
}

export const mcpCallObservations: Observations = {
  'mcp.journal_keep': { value: 60, observe: kept },
  'mcp.outcome_wait': { value: 2, observe: asked },
  'mcp.relay_calls': { value: false, observe: relayed },
}
