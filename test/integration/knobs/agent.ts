/** What the knobs of `[agent]` that concern presence change. */

import { Announcer, OwnRecord, presenceMetrics } from '../../../src/agent/index.ts'
import { decodeNotice, encodeNotice, type Notice } from '../../../src/agent/notice.ts'
import { Registry, secureRandom, silentLog } from '../../../src/base/index.ts'
import { ethSignerOf } from '../../../src/node/eth-key.ts'
import { AGENTS_NETWORK, agentOf, preKeysOf } from '../../support/agents.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, quiet } from './observation.ts'

const alice = agentOf(1)

/** Keys of nobody: the digits 1 and 2. */
const ENVIRONMENT = { PRIVATE_KEY: '1'.repeat(64), OTHER_KEY: '2'.repeat(64) }

const address: Observe = async (config) => {
  const where = { ...config, dataDir: '/nonexistent' }
  return (await ethSignerOf(where, secureRandom, ENVIRONMENT))?.address ?? null
}

/** What an agent says on its topics in two minutes, and when. */
const said: Observe = async ({ agent }, made) => {
  const clock = new FakeClock(1_800_000_000_000)
  const told: unknown[] = []
  const common = { clock, log: silentLog, network: AGENTS_NETWORK }
  const preKeys = preKeysOf(alice, clock)
  const own = new OwnRecord({ ...common, eth: alice.eth, signer: alice.node, preKeys })
  const announcer = new Announcer(
    {
      ...common,
      own,
      metrics: presenceMetrics(new Registry()),
      host: { events: { on: () => () => false } },
      presence: { heard: () => undefined },
      numbers: () => ({
        peers: 1,
        messagesSent: 0,
        messagesReceived: 0,
        memoryBytes: 0,
        dhtSize: 0,
      }),
      pubsub: {
        mesh: () => [],
        onChange: () => () => undefined,
        topic: () => undefined,
        subscribe: (_topic, options) => silence(options?.signal) as never,
        async publish(topic, value) {
          const { name, status } = decodeNotice(encodeNotice(value as Notice))
          told.push([topic, name, status, clock.now()])
          return { topic, peers: 1, mesh: 1, state: 'sent' }
        },
      },
    },
    agent,
  )
  await announcer.start()
  made()
  await quiet()
  for (let i = 0; i < 12; i += 1) {
    await clock.advance(10_000)
    await quiet(5)
  }
  await announcer.stop()
  return told
}

/** A topic on which nobody says anything. */
async function* silence(signal?: AbortSignal) {
  await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }))
  yield* []
}

export const agentObservations: Observations = {
  'agent.enabled': { value: true, observe: address },
  'agent.eth_key': {
    value: 'env:OTHER_KEY',
    observe: address,
    beside: { 'agent.enabled': true },
  },
  'agent.name': { value: 'alice', observe: said },
  'agent.announce': { value: false, observe: said },
  'agent.status_interval': { value: 30, observe: said },
  'agent.status_privacy': { value: 'none', observe: said },
}
