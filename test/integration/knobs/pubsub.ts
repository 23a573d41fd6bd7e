/** What the knobs of `[pubsub]` change; `enabled` is with the node. */

import { Registry, seededRandom, silentLog } from '../../../src/base/index.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { cborCodec } from '../../../src/pubsub/codec.ts'
import { Conduct } from '../../../src/pubsub/conduct.ts'
import { Gossip } from '../../../src/pubsub/gossip.ts'
import { Pubsub, pubsubMetrics, type Router } from '../../../src/pubsub/index.ts'
import type { Guard } from '../../../src/pubsub/inlets.ts'
import { Outlets } from '../../../src/pubsub/outlets.ts'
import { ReplayGuard } from '../../../src/pubsub/replay-guard.ts'
import { sequenceAt } from '../../../src/pubsub/sequence.ts'
import type { OutboundStream } from '../../../src/pubsub/stock.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, outcome, timesUntilRefused } from './observation.ts'

const [SELF, PEER] = [signerOf(1).peer, signerOf(2).peer]
const MIB = 1_048_576
const WIRE = '/p2p-foundation/test/t'

/** Topics over a router with one listener; what peers send is handed to `guard`. */
function topics({ pubsub: config }: NodeConfig, startMs = 0) {
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
    mesh: () => [],
    blame: () => undefined,
    take: async () => false,
    onMessage: () => undefined,
    publish: async () => 1,
    onChange: () => () => undefined,
  }
  const room = { gossip, policy: { admit: () => undefined }, network: 'test', log: silentLog }
  const metrics = pubsubMetrics(new Registry())
  const clock = new FakeClock(startMs)
  const pubsub = new Pubsub({ ...room, clock, random: seededRandom('knobs'), metrics }, config)
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
    guard.judge(PEER, WIRE, {
      author: PEER,
      sequence: BigInt(i),
      data: cborCodec.encode(i),
    })
  }
  await pubsub.stop()
  const read = await Array.fromAsync(reader)
  return read.length
}

/** How many of ten large messages a reader finds who comes late. */
const waitingBytes: Observe = async (config, made) => {
  const { pubsub, guard } = topics(config)
  made()
  const reader = pubsub.subscribe('t')
  const data = cborCodec.encode(new Uint8Array(100_000))
  for (let i = 0; i < 10; i += 1) {
    guard.judge(PEER, WIRE, { author: PEER, sequence: BigInt(i), data })
  }
  await pubsub.stop()
  const read = await Array.fromAsync(reader)
  return read.length
}

/** How many frames of one size wait for a peer that takes none, before the first is dropped. */
function waitFor(bytes: number): Observe {
  return ({ pubsub: config }) => {
    const found = { dropped: 0 }
    const metrics = { slowDropped: { add: () => undefined } }
    const slow = () => {
      found.dropped += 1
    }
    const rawStream = {
      writableNeedsDrain: true,
      send: () => true,
      abort: () => undefined,
      addEventListener: () => undefined,
    }
    const close = async () => undefined
    const stream: OutboundStream = { rawStream, pushPrefixed: () => undefined, close }
    const outlets = new Outlets({ log: silentLog, metrics, slow }, config)
    outlets.attach(PEER, stream)
    const push = () => stream.pushPrefixed(new Uint8Array(bytes))
    let frames = 0
    while (found.dropped === 0) {
      outlets.during(() => 'passing', push)
      frames += 1
    }
    return frames
  }
}

/** For how long a peer is left alone that is slow three times. */
const cooled: Observe = async ({ pubsub: config }) => {
  const clock = new FakeClock()
  const conduct = new Conduct(clock, config)
  let pauseMs: number | undefined
  for (let i = 0; i < 3; i += 1) {
    pauseMs = conduct.slow(PEER)
    await clock.advance(1_000)
  }
  return pauseMs
}

/** How many seconds a message may be old. */
const aged: Observe = (config) => {
  const { pubsub, guard } = topics(config, 1_000_000)
  pubsub.subscribe('t')
  const data = cborCodec.encode(1)
  const taken = Array.from({ length: 120 }, (_, i) => {
    const sequence = sequenceAt(1_000_000 - 1_000 * i)
    return guard.judge(PEER, WIRE, { author: PEER, sequence, data })
  })
  return taken.filter((verdict) => verdict === 'accept').length
}

/** Of how many authors the last number is kept. */
const remembered: Observe = ({ pubsub: config }) => {
  const guard = new ReplayGuard(config)
  for (let i = 0; i < 100; i += 1) guard.note(`${i}` as PeerId, 1n)
  return guard.authors
}

/** How many messages of one size are let in at once from one peer, or from many. */
function letIn(bytes: number, sources: number): Observe {
  return (config, made) => {
    const { pubsub, guard } = topics(config)
    made()
    pubsub.subscribe('t')
    let count = 0
    while (count < 5_000 && guard.admits(source(count % sources), WIRE, bytes)) count += 1
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
  const deps = {
    policy,
    clock: new FakeClock(),
    log: silentLog,
    metrics,
    gossipsub: gossipsub as never,
  }
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
  'pubsub.queue_bytes_max': { value: 600_000, observe: waitingBytes },
  'pubsub.peer_queue_max': { value: 100, observe: waitFor(10) },
  'pubsub.peer_queue_bytes_max': { value: MIB, observe: waitFor(100_000) },
  'pubsub.cooling': { value: 60, observe: cooled },
  'pubsub.replay_window': { value: 30, observe: aged },
  'pubsub.replay_authors_max': { value: 50, observe: remembered },
  'pubsub.messages_per_second_max': { value: 5, observe: letIn(10, 64) },
  'pubsub.bytes_per_second_max': { value: MIB, observe: letIn(50_000, 64) },
  'pubsub.bytes_per_peer_per_second_max': { value: MIB / 2, observe: letIn(50_000, 1) },
  'pubsub.seen_ttl': { value: 180, observe: made },
  'pubsub.heartbeat': { value: 2, observe: made },
  'pubsub.mesh_peers': { value: 8, observe: made },
  'pubsub.mesh_peers_min': { value: 3, observe: made },
  'pubsub.mesh_peers_max': { value: 9, observe: made },
}
