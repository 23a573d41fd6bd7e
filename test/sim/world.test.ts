/**
 * Whole nodes in a simulated world, as `docs/simulator.md` tells users to make one: they meet, keep
 * records, hear topics, lose and find each other again, and leave nothing behind.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/base/index.ts'
import { type SimNode, simulate } from '../../src/testing/index.ts'

const SKEW_MS = 5_000
const IDLE_MS = 10 * 60_000
const peersOf = ({ parts }: SimNode) => new Set(parts.host.connections().map(({ peer }) => peer))

test('simulate() runs whole nodes through minutes and faults, and leaves nothing behind', async () => {
  const seen = await simulate({ seed: 7, link: { latencyMs: 40 } }, async (world) => {
    const [first, second, third] = await world.grow(3, { pauseMs: 200 })
    assert.ok(first && second && third)
    const wrong = await world.add({
      skewMs: SKEW_MS,
      options: { bootstrap: { nodes: [first.address] } },
    })
    const behind = await world.add({
      nat: 'port-restricted',
      options: { bootstrap: { nodes: [first.address] } },
    })
    await world.time.sleep(10_000)

    const key = `/data/${second.peer}/greeting`
    const put = await second.parts.ownDht?.put(key, utf8('hello'))
    const got = await wrong.parts.ownDht?.get(key)
    const stranger = await world.add()
    await assert.rejects(stranger.parts.host.connect(behind.address), /no answer within/)
    await stranger.parts.host.connect(first.address)

    const topic = third.parts.pubsub?.subscribe('news')
    const heard = topic?.[Symbol.asyncIterator]().next()
    await world.time.sleep(3_000)
    await first.parts.pubsub?.publish('news', { n: 1 })
    await world.time.sleep(2_000)

    await third.crash()
    const laterMs = world.time.elapsedMs + IDLE_MS
    await world.time.sleep(IDLE_MS)
    assert.equal(world.time.elapsedMs, laterMs)
    const gone = !peersOf(first).has(third.peer)
    return {
      put,
      got,
      heard: await heard,
      gone,
      met: peersOf(first),
      left: await world.close(),
      world,
    }
  })
  assert.deepEqual(seen.got?.value, utf8('hello'))
  assert.ok((seen.put?.stored.length ?? 0) >= 3)
  assert.equal(seen.heard?.done, false)
  assert.ok(seen.gone, 'a peer that died without a word is let go')
  assert.ok(seen.met.size >= 3)
  assert.deepEqual(seen.left, [])
  assert.deepEqual(seen.world.mishaps, [])
})
