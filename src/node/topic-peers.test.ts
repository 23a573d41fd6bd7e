import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { createLog, seededRandom } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { TopicPeers } from './topic-peers.ts'

const log = createLog({ level: 'silent', write: () => undefined })
const [SELF, A, B, C, D, E, F, G] = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => signerOf(seed).peer) as [
  PeerId,
  PeerId,
  PeerId,
  PeerId,
  PeerId,
  PeerId,
  PeerId,
  PeerId,
]

/** A node that reads or publishes `news`, in a DHT where `readers` say that they read it. */
function setup({ subscribed = true, listening = 0, readers = [A, B], failing = 0 } = {}) {
  const clock = new FakeClock()
  const done = { provided: 0, unprovided: 0, searches: 0, connected: [] as string[] }
  const state = { subscribed, listening }
  const names = new Set<string>()
  const topicPeers = new TopicPeers({
    clock,
    random: seededRandom('topic peers'),
    log,
    pubsub: {
      topics: () => [{ topic: 'news', peers: state.listening, subscribed: state.subscribed }],
    },
    dht: {
      provide: async (name) => {
        names.add(name)
        done.provided += 1
        if (done.provided <= failing) throw new Error('nobody is there')
        return { name, stored: [], failed: [], wanted: 20 }
      },
      unprovide: () => {
        done.unprovided += 1
      },
      findProviders: async (name) => {
        names.add(name)
        done.searches += 1
        const providers = readers.map((peer) => ({ peer, addresses: [] }))
        return { name, providers, answered: [], failed: [], complete: true }
      },
    },
    host: {
      self: SELF,
      connections: () => [],
      connect: async (peer) => {
        done.connected.push(peer)
        if (peer === B) throw new Error('it is gone')
        return A
      },
    },
  })
  return { clock, done, names, state, topicPeers }
}

test('a reader of a topic says so once, and connects to others who do', async () => {
  const { clock, done, names, topicPeers } = setup({ readers: [SELF, A, B] })
  await topicPeers.start()
  await clock.advance(1_000)
  assert.equal(done.provided, 1)
  assert.deepEqual(done.connected.toSorted(), [A, B].toSorted())
  assert.equal(names.size, 1)
  for (let s = 0; s < 30; s += 1) await clock.advance(1_000)
  assert.equal(done.provided, 1)
  assert.ok(done.searches > 1 && done.searches < 10, `${done.searches} searches`)
  await topicPeers.stop()
})

test('what could not be announced is announced again, after a pause', async () => {
  const { clock, done, topicPeers } = setup({ listening: 6, failing: 1 })
  await topicPeers.start()
  await clock.advance(1_000)
  assert.equal(done.provided, 1)
  for (let s = 0; s < 10; s += 1) await clock.advance(1_000)
  assert.equal(done.provided, 2)
  await topicPeers.stop()
})

test('with enough listeners nobody is looked for, and never more than are missing', async () => {
  const enough = setup({ listening: 6 })
  await enough.topicPeers.start()
  await enough.clock.advance(1_000)
  assert.equal(enough.done.provided, 1)
  assert.deepEqual(enough.done.connected, [])
  await enough.topicPeers.stop()

  const short = setup({ listening: 4, readers: [A, C, D, E, F, G] })
  await short.topicPeers.start()
  await short.clock.advance(1_000)
  assert.equal(short.done.connected.length, 2)
  await short.topicPeers.stop()
})

test('who leaves a topic takes its word back; who only publishes never gives it', async () => {
  const { clock, done, state, topicPeers } = setup()
  await topicPeers.start()
  await clock.advance(1_000)
  state.subscribed = false
  await clock.advance(1_000)
  await clock.advance(1_000)
  assert.equal(done.unprovided, 1)
  const { searches } = done
  for (let s = 0; s < 10; s += 1) await clock.advance(1_000)
  assert.equal(done.searches, searches)

  topicPeers.publishes('news')
  await clock.advance(1_000)
  assert.equal(done.searches, searches + 1)
  assert.equal(done.provided, 1)
  for (let s = 0; s < 70; s += 1) await clock.advance(1_000)
  const later = done.searches
  for (let s = 0; s < 70; s += 1) await clock.advance(1_000)
  assert.equal(done.searches, later)
  await topicPeers.stop()
})
