/**
 * A topic with repair, between real hosts in a row: A publishes, B hands on, C loses some of it and
 * gets it from B. The loss is made by C's own policy, which refuses what B hands on for a while.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Registry, secureRandom, silentLog, stopAll, systemClock } from '../../src/base/index.ts'
import {
  gossipService,
  type Message,
  Pubsub,
  PubsubError,
  pubsubConfig,
  pubsubMetrics,
  REPAIR_METHOD,
} from '../../src/pubsub/index.ts'
import { RpcClient, RpcServer, rpcConfig, rpcMetrics } from '../../src/rpc/index.ts'
import { testHost } from '../support/testnet.ts'

const RULES = { repair: { keep: 100, bytesMax: 1_048_576 } }
const PATIENCE_MS = 15_000

async function node() {
  const registry = new Registry()
  const config = pubsubConfig.parse({ heartbeatMs: 200 })
  const state = { isDeaf: false, lost: 0 }
  const policy = {
    admit(_peer: unknown, action: string) {
      if (action === 'pubsub.message' && state.isDeaf) {
        state.lost += 1
        throw PubsubError.STREAM_REFUSED({ reason: 'the loss of this test' })
      }
    },
  }
  const room = { policy, log: silentLog, clock: systemClock, random: secureRandom, network: 'main' }
  const metrics = pubsubMetrics(registry)
  const gossip = await gossipService({ ...room, metrics }, config)
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const host = await testHost({ listen, deps: { services: { pubsub: gossip.service } } })
  const rpc = { ...room, host, metrics: rpcMetrics(registry) }
  const server = new RpcServer(rpc, rpcConfig.parse({}))
  const client = new RpcClient(rpc, rpcConfig.parse({}))
  const pubsub = new Pubsub(
    {
      ...room,
      gossip,
      metrics,
      asking: {
        ask: (peer, question, options) => client.call(peer, REPAIR_METHOD, question, options),
        serve: (answer) =>
          server.handle(REPAIR_METHOD, (question, { peer }) => answer(question, peer)),
      },
    },
    config,
  )
  const services = [host, server, client, pubsub]
  for (const service of services) await service.start()
  pubsub.topic('t', RULES)
  const heard: Message<number>[] = []
  const reader = pubsub.subscribe<number>('t')
  void (async () => {
    for await (const message of reader) heard.push(message)
  })()
  const repairs = (outcome: string) => registry.total('p2p_pubsub_repairs', { outcome })
  const dispose = () => stopAll(services)
  return { host, pubsub, state, heard, repairs, [Symbol.asyncDispose]: dispose }
}

type Node = Awaited<ReturnType<typeof node>>

const connect = (from: Node, to: Node) => from.host.connect(to.host.addresses()[0] ?? '')

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!holds()) {
    assert.ok(Date.now() < deadline, what)
    await wait(20)
  }
}

const values = ({ heard }: Node) => heard.map(({ value }) => value)

test('what a subscriber lost is given by its neighbour, once, signed by its author', async () => {
  await using a = await node()
  await using b = await node()
  await using c = await node()
  await connect(a, b)
  await connect(b, c)
  const meshed = () => b.pubsub.topics().some(({ peers }) => peers === 2)
  await until(meshed, 'B has neighbours on both sides')
  await b.pubsub.publish('t', 0, { waitForMeshMs: PATIENCE_MS })
  await a.pubsub.publish('t', 1, { waitForMeshMs: PATIENCE_MS })
  await until(() => c.heard.length === 2, 'the way to C is there')

  c.state.isDeaf = true
  for (const value of [2, 3, 4]) await a.pubsub.publish('t', value)
  await until(() => b.heard.length === 4, 'B has it all')
  await until(() => c.state.lost >= 3, 'C lost it')
  c.state.isDeaf = false
  await a.pubsub.publish('t', 5)
  await until(() => c.heard.length === 6, 'all is there')
  // It asks for what is missing, and for what its neighbour took: whichever comes first.
  assert.deepEqual(
    c.heard
      .map(({ value, repaired = false }) => [value, repaired] as const)
      .toSorted(([one], [other]) => one - other),
    [0, 1, 2, 3, 4, 5].map((value) => [value, [2, 3, 4].includes(value)]),
  )
  assert.ok(c.heard.slice(1).every(({ from }) => from === a.host.self))
  await wait(1_000)
  assert.equal(c.heard.length, 6)
  assert.equal(await c.repairs('repaired'), 3)
  for (const count of [await c.repairs('asked'), await b.repairs('served')]) assert.ok(count >= 3)
})

test('what nobody keeps any more is given up, and what comes after it goes on', async () => {
  await using a = await node()
  await using b = await node()
  await connect(a, b)
  await a.pubsub.publish('t', 1, { waitForMeshMs: PATIENCE_MS })
  await until(() => b.heard.length === 1, 'the way is there')
  b.state.isDeaf = true
  for (let i = 0; i < 101; i += 1) await a.pubsub.publish('t', 2)
  await until(() => b.state.lost >= 101, 'B lost all of it')
  b.state.isDeaf = false
  await a.pubsub.publish('t', 3)
  // The author keeps a hundred; the one that came last is one of them.
  await until(() => b.heard.length === 2 + 99, 'what is kept comes')
  assert.equal(values(b)[1], 3)
  await a.pubsub.publish('t', 4)
  await until(() => b.heard.length === 3 + 99, 'and it goes on')
})

test('the last message of an author is missed by nobody for long, and nor is what was said to who was away', async () => {
  await using a = await node()
  await using b = await node()
  await using c = await node()
  await connect(a, b)
  await connect(b, c)
  await until(() => b.pubsub.mesh('t').length === 2, 'B has neighbours on both sides')
  await a.pubsub.publish('t', 1, { waitForMeshMs: PATIENCE_MS })
  await until(() => c.heard.length === 1, 'the way to C is there')
  c.state.isDeaf = true
  await a.pubsub.publish('t', 2)
  await until(() => b.heard.length === 2, 'B has it')
  await until(() => c.state.lost >= 1, 'C lost it')
  c.state.isDeaf = false
  await until(() => c.heard.length === 2, 'C has it, though nothing came after it')

  await c.host.disconnect(b.host.self)
  for (const value of [3, 4]) await a.pubsub.publish('t', value)
  await until(() => b.heard.length === 4, 'B has them')
  await connect(c, b)
  await until(() => c.heard.length === 4, 'C is given what was said meanwhile')
  assert.deepEqual(values(c), [1, 2, 3, 4])
})
