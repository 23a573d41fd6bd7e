/**
 * Announcements in the name of another, between real hosts: the first node that checks them passes
 * none on, and hears no more of who sends them.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Registry, secureRandom, silentLog, stopAll, systemClock } from '../../src/base/index.ts'
import type { PeerId } from '../../src/identity/index.ts'
import { describe, encodeDescriptor } from '../../src/mcp/descriptor.ts'
import { ANNOUNCEMENTS } from '../../src/mcp/index.ts'
import { announcementTopic } from '../../src/node/announcement-topic.ts'
import { gossipService, Pubsub, pubsubConfig, pubsubMetrics } from '../../src/pubsub/index.ts'
import { testPeer, testTool } from '../support/mcp-directory.ts'
import { testHost } from '../support/testnet.ts'

const PATIENCE_MS = 5_000
/** Long enough for a message to cross two hops of loopback many times over. */
const QUIET_MS = 300
const TOPIC = ANNOUNCEMENTS.topic
const BOB = testPeer(2)

async function node() {
  const registry = new Registry()
  const config = pubsubConfig.parse({})
  const metrics = pubsubMetrics(registry)
  const room = { policy: { admit() {} }, log: silentLog, metrics, clock: systemClock }
  const gossip = await gossipService(room, config)
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const host = await testHost({ listen, deps: { services: { pubsub: gossip.service } } })
  const pubsub = new Pubsub({ ...room, random: secureRandom, gossip, network: 'main' }, config)
  const services = [host, pubsub]
  for (const service of services) await service.start()
  const refused = (reason: string) => registry.total('p2p_pubsub_refusals', { reason })
  const readers = () => pubsub.topics().find(({ topic }) => topic === TOPIC)?.peers ?? 0
  return { host, pubsub, refused, readers, [Symbol.asyncDispose]: () => stopAll(services) }
}

type Node = Awaited<ReturnType<typeof node>>

/** Hears announcements as a whole node does. */
function hears({ pubsub }: Node, signal: AbortSignal): PeerId[] {
  const heard: PeerId[] = []
  void announcementTopic(pubsub).listen((from) => heard.push(from), { signal })
  return heard
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what)
    await wait(10)
  }
}

function announcement(peer: PeerId, service: string): Uint8Array {
  const expires = Math.floor(Date.now() / 1_000) + 3_600
  const tools = [testTool('add')]
  return encodeDescriptor(describe({ service, peer, version: '1', endpoints: [], expires, tools }))
}

test('an announcement in the name of another is not passed on, and costs who sends it', async () => {
  await using eve = await node()
  await using near = await node()
  await using far = await node()
  using life = { abort: new AbortController(), [Symbol.dispose]: () => life.abort.abort() }
  const { signal } = life.abort
  const [atNear, atFar] = [hears(near, signal), hears(far, signal)]
  // Whoever forges keeps to no rules of ours.
  const codec = { encode: (value: unknown) => value as Uint8Array, decode: (b: Uint8Array) => b }
  eve.pubsub.topic(TOPIC, { codec })
  eve.pubsub.subscribe(TOPIC)
  await eve.host.connect(near.host.addresses()[0] ?? '')
  await near.host.connect(far.host.addresses()[0] ?? '')
  await until(() => near.readers() === 2 && eve.readers() === 1, 'all know of each other')

  await eve.pubsub.publish(TOPIC, announcement(eve.host.self, 'own'))
  await until(() => atNear.length === 1 && atFar.length === 1, 'what it says of itself is heard')

  // At once: after the first ones it is taken out of the mesh, and told to be.
  for (let i = 0; i < 6; i += 1) {
    await eve.pubsub.publish(TOPIC, announcement(BOB, `forged-${i}`))
  }
  await until(async () => (await near.refused('author')) >= 5, 'what it says of another is refused')
  await wait(QUIET_MS)
  assert.deepEqual([atNear.length, atFar.length], [1, 1])
  assert.equal(await far.refused('author'), 0, 'nothing of it came so far')

  // Five of them in some seconds, and nothing of it is heard any more.
  await wait(1_100)
  await eve.pubsub.publish(TOPIC, announcement(eve.host.self, 'more'))
  await wait(QUIET_MS)
  assert.deepEqual([atNear.length, atFar.length], [1, 1])
})
