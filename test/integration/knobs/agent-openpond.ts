/** What the knob of `[agent]` that concerns OpenPond's nodes changes. */

import { CodedError, Registry, seededRandom, silentLog, utf8 } from '../../../src/base/index.ts'
import { composeMessages } from '../../../src/node/agent-messages.ts'
import { agentOf, preKeysOf } from '../../support/agents.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import type { Observations, Observe } from './observation.ts'

const alice = agentOf(1)

/** What becomes of a message in their form. */
const said: Observe = async (config, made) => {
  const clock = new FakeClock(1_800_000_000_000)
  const silent = { on: () => () => false }
  const given = {
    clock,
    random: seededRandom('knobs'),
    keys: { signer: alice.node },
    registry: new Registry(),
    machine: { keepsFiles: false },
    log: silentLog,
  }
  const below = {
    eth: alice.eth,
    preKeys: preKeysOf(alice, clock),
    host: { self: alice.node.peer, events: silent, connections: () => [] },
    presence: { binding: () => undefined },
    announcer: { events: silent, agents: () => [] },
    rpc: { server: { handle: () => undefined }, client: {} },
    traffic: { sent: 0, received: 0 },
    pubsub: { publish: async () => ({ state: 'sent' }) },
  }
  const agent = composeMessages(
    { ...config, dataDir: '/nonexistent' },
    given as never,
    below as never,
  )
  made()
  try {
    return (await agent.broadcast(utf8('hi'), { form: 'openpond' })).state
  } catch (error) {
    return error instanceof CodedError ? (error as CodedError).code : String(error)
  } finally {
    await agent.stop()
  }
}

export const agentOpenPondObservations: Observations = {
  'agent.openpond_compat': { value: true, observe: said },
}
