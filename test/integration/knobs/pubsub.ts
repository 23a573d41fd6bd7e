/** What the knobs of `[pubsub]` change; `enabled` is with the node. */

import { Registry, silentLog } from '../../../src/base/index.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { cborCodec } from '../../../src/pubsub/codec.ts'
import { Gossip, type Guard } from '../../../src/pubsub/gossip.ts'
import { Pubsub, pubsubMetrics, type Router } from '../../../src/pubsub/index.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, outcome, timesUntilRefused } from './observation.ts'

const [SELF, PEER] = [signerOf(1).peer, signerOf(2).peer]
const MIB = 1_048_576

/** Topics over a router with one listener; what peers send is handed to `guard`. */
function topics({ pubsub: config }: NodeConfig) {
  const found: { guard?: Guard } = {}
  const gossip: Router = {
    self: SELF,
    isUp: true,
    guard: (guard) => {
      found.guard = guard
    },
    learn: () => undefined,
    join: () => undefined,
    leave: () => undefined,
    listeners: () => 1,
    publish: async () => 1,
    onChange: () => () => undefined,
  }
  const room = { gossip, policy: { admit: () => undefined }, network: 'test', log: silentLog }
  const metrics = pubsubMetrics(new Registry())
  const clock = new FakeClock()
  const pubsub = new Pubsub({ ...room, clock, metrics }, config)
  const { guard } = found
  if (guard === undefined) throw new TypeError('nobody decides about what comes in')
  return { pubsub, guard }
}

const sent: Observe = (config, made) => {
  const { pubsub } = topics(config)
  made()
  return outcome(() => pubsub.publish('t', new Uint8Array(10_000)))
}

const joined: Observe = (config, made) => {
  const { pubsub } = topics(config)
  made()
  return timesUntilRefused((i) => void pubsub.subscribe(`t${i}`), 200)
}

/** How many of ten messages a reader finds who comes late. */
const waiting: Observe = async (config, made) => {
  const { pubsub, guard } = topics(config)
  made()
  const reader = pubsub.subscribe('t')
  for (let i = 0; i < 10; i += 1) {
    guard.judge(PEER, 'test/t', { author: PEER, sequence: BigInt(i), data: cborCodec.encode(i) })
  }
  await pubsub.stop()
  const read = await Array.fromAsync(reader)
  return read.length
}

/** How many messages of one size are let in at once from one peer, or from many. */
function letIn(bytes: number, sources: number): Observe {
  return (config, made) => {
    const { pubsub, guard } = topics(config)
    made()
    pubsub.subscribe('t')
    let count = 0
    while (count < 5_000 && guard.admits(source(count % sources), 'test/t', bytes)) count += 1
    return count
  }
}

const SOURCES = Array.from({ length: 64 }, (_, i) => signerOf(100 + i).peer)

function source(i: number): PeerId {
  return SOURCES[i] ?? PEER
}

/** What GossipSub itself is made with: it keeps meshes, and what was seen, by itself. */
const made: Observe = ({ pubsub: config }) => {
  let given: unknown
  const stop = new TypeError('seen')
  const gossipsub = (options: unknown) => {
    given = options
    throw stop
  }
  const policy = { admit: () => undefined }
  const metrics = pubsubMetrics(new Registry())
  const deps = { policy, log: silentLog, metrics, gossipsub: gossipsub as never }
  try {
    new Gossip(deps, config).service({})
  } catch (error) {
    if (error !== stop) throw error
  }
  return JSON.stringify(given)
}

export const pubsubObservations: Observations = {
  'pubsub.message_bytes_max': { value: 1_000, observe: sent },
  'pubsub.topics_per_peer_max': { value: 3, observe: joined },
  'pubsub.queue_max': { value: 4, observe: waiting },
  'pubsub.messages_per_second_max': { value: 5, observe: letIn(10, 64) },
  'pubsub.bytes_per_second_max': { value: MIB, observe: letIn(50_000, 64) },
  'pubsub.bytes_per_peer_per_second_max': { value: MIB / 2, observe: letIn(50_000, 1) },
  'pubsub.seen_ttl': { value: 60, observe: made },
  'pubsub.heartbeat': { value: 2, observe: made },
  'pubsub.mesh_peers': { value: 8, observe: made },
  'pubsub.mesh_peers_min': { value: 3, observe: made },
  'pubsub.mesh_peers_max': { value: 9, observe: made },
}
