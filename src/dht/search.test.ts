import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { BaseError, Registry, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { dhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { contactOf } from './key.ts'
import { dhtMetrics } from './metrics.ts'
import { Search } from './search.ts'
import type { Message } from './wire.ts'

const [self, a, b, c] = [0, 1, 2, 3].map((seed) => signerOf(seed).peer) as [
  PeerId,
  PeerId,
  PeerId,
  PeerId,
]
const message = { type: 'findNode', key: utf8('x') } as const
const hangs = () => new Promise<never>(() => undefined)

function setup(known: readonly PeerId[], answer: (peer: PeerId) => Promise<Message>) {
  const clock = new FakeClock()
  const learned: PeerId[] = []
  const failed: PeerId[] = []
  const search = new Search(
    {
      host: {
        self,
        async learn(peer) {
          learned.push(peer)
        },
      },
      members: {
        closest: () => known.map(contactOf),
        seen: () => undefined,
        failed: (peer) => void failed.push(peer),
      },
      questions: { ask: (peer) => answer(peer) },
      clock,
      metrics: dhtMetrics(new Registry()),
    },
    dhtConfig.parse({ lookupTimeoutMs: 1_000 }),
  )
  return { search, clock, learned, failed }
}

test('a search that runs out of time ends with what it has, and names who is missing', async () => {
  const { search, clock } = setup([a, b], async (peer) => {
    return peer === a ? { type: 'findNode' } : hangs()
  })
  const run = search.run(message)
  await clock.advance(1_000)
  const report = await run
  assert.deepEqual(report.answered, [a])
  assert.deepEqual(report.failed, [{ peer: b, code: 'BASE_DEADLINE' }])
  assert.equal(report.complete, false)
  assert.equal(clock.waiting, 0)
})

test('a caller with less time has what came by then; who was silent is still found out', async () => {
  const silence = Promise.withResolvers<Message>()
  const { search, clock, failed } = setup([a, b], async (peer) => {
    return peer === a ? { type: 'findNode' } : silence.promise
  })
  const run = search.run(message, { timeoutMs: 300 })
  await clock.advance(300)
  assert.deepEqual((await run).answered, [a])
  assert.deepEqual(failed, [])
  silence.reject(DhtError.PEER_FAILED({ peer: b, reason: 'it is silent' }))
  await clock.advance(0)
  assert.deepEqual(failed, [b])
})

test('a search that has enough ends at once, and blames nobody who was still busy', async () => {
  const { search } = setup([a, b], async (peer) => {
    return peer === a ? { type: 'findNode' } : hangs()
  })
  const report = await search.run(message, { onAnswer: () => true })
  assert.deepEqual([report.answered, report.failed], [[a], []])
})

test('addresses are noted only of peers that are then asked', async () => {
  const info = (peer: PeerId) => ({ peer, addresses: ['/ip4/192.0.2.1/tcp/1'] })
  const { search, learned } = setup([a], async (peer) => ({
    type: 'findNode',
    closer: peer === a ? [info(b), info(a), info(self)] : [info(c)],
  }))
  const report = await search.run(message, { onAnswer: (peer) => peer === b })
  assert.deepEqual(learned, [b])
  assert.deepEqual(report.answered, [a, b])
})

test('a peer that fails is told to the table, with its first reason kept', async () => {
  let tries = 0
  const { search, failed } = setup([a, b], async (peer) => {
    if (peer === a) return { type: 'findNode', closer: [{ peer: b, addresses: [] }] }
    tries += 1
    throw DhtError.PEER_FAILED({ peer, reason: `${tries}` })
  })
  const report = await search.run(message)
  assert.deepEqual(report.failed, [{ peer: b, code: 'DHT_PEER_FAILED' }])
  assert.ok(failed.includes(b))
  assert.ok(report.complete)
})

test('that we are busy ourselves is told to the caller, and no fault of the peer', async () => {
  const { search, failed } = setup([a, b], async (peer) => {
    throw peer === a
      ? DhtError.PEER_BUSY({ peer, waiting: 128 })
      : BaseError.BUSY({ queue: 'dials', waiting: 512, limit: 512 })
  })
  const report = await search.run(message)
  assert.deepEqual(report.failed.map(({ code }) => code).sort(), ['BASE_BUSY', 'DHT_PEER_BUSY'])
  assert.deepEqual(failed, [])
})

test('a caller that gave up before is not served', async () => {
  const { search } = setup([a], hangs)
  const signal = AbortSignal.abort(new TypeError('never mind'))
  await assert.rejects(search.run(message, { signal }), /never mind/)
})
