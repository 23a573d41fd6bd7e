/** The layer `pubsub` over `net`, without a node: one host tells, the other hears. */

import assert from 'node:assert/strict'
import { startAll, stopAll } from 'p2p-foundation/net'
import { gossipService, Pubsub, pubsubConfig, pubsubMetrics } from 'p2p-foundation/pubsub'
import { makeHost, makeRoom, meet } from './hosts.ts'

async function teller() {
  const room = makeRoom()
  const telling = { ...room, metrics: pubsubMetrics(room.registry) }
  const config = pubsubConfig.parse({})
  // GossipSub is a part of libp2p itself, so it is made first and handed to the host.
  const gossip = await gossipService(telling, config)
  const made = await makeHost(room, { pubsub: gossip.service })
  const pubsub = new Pubsub({ ...telling, gossip }, config)
  return { ...made, pubsub, services: [made.host, pubsub] }
}

const [ada, bob] = [await teller(), await teller()]
const services = [...ada.services, ...bob.services]
try {
  await startAll(services)
  await meet(ada, bob)
  await using heard = bob.pubsub.subscribe<string>('news')
  const sent = await ada.pubsub.publish('news', 'hello', { waitForPeersMs: 10_000 })
  assert.deepEqual(sent, { topic: 'news', peers: 1, mesh: 0, state: 'sent' })
  for await (const { from, value } of heard) {
    console.log(`${from} says ${value}`)
    assert.deepEqual([from, value], [ada.host.self, 'hello'])
    break
  }
} finally {
  await stopAll(services)
}
