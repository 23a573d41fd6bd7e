import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PeerId } from '../identity/index.ts'
import { PEERS_MAX, Quotas, TokenBucket } from './quota.ts'

const peerNamed = (name: string | number) => `peer-${name}` as PeerId
const PLENTY = { perSecond: 1_000_000, burst: 1_000_000 }

const rate = fc
  .record({
    perSecond: fc.integer({ min: 5, max: 1_000 }),
    seconds: fc.integer({ min: 1, max: 5 }),
  })
  .map(({ perSecond, seconds }) => ({ perSecond, burst: perSecond * seconds }))
const tries = fc.array(fc.record({ afterMs: fc.nat(2_000), cost: fc.constantFrom(1, 5) }), {
  maxLength: 400,
})

test('a bucket admits at most rate · t + burst in every stretch of time', () => {
  fc.assert(
    fc.property(rate, tries, fc.boolean(), (limits, given, full) => {
      const bucket = new TokenBucket(limits, 0, full ? 'full' : 'empty')
      const spent: { at: number; cost: number }[] = []
      let at = 0
      for (const { afterMs, cost } of given) {
        at += afterMs % 50
        if (bucket.waitMs(cost, at) > 0) continue
        bucket.take(cost)
        spent.push({ at, cost })
      }
      for (const [i, first] of spent.entries()) {
        let sum = 0
        for (const { at: then, cost } of spent.slice(i)) {
          sum += cost
          assert.ok(sum * 1_000 <= limits.burst * 1_000 + limits.perSecond * (then - first.at))
        }
      }
    }),
  )
})

test('waitMs() is exact: refused one millisecond before, admitted then', () => {
  fc.assert(
    fc.property(rate, fc.constantFrom(1, 5), (limits, cost) => {
      const bucket = new TokenBucket(limits, 0, 'empty')
      const wait = bucket.waitMs(cost, 0)
      assert.ok(wait > 0)
      assert.equal(bucket.waitMs(cost, wait - 1), 1)
      assert.equal(bucket.waitMs(cost, wait), 0)
    }),
  )
})

test('a clock that is set back neither gives nor takes tokens', () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 10 }, 10_000, 'full')
  bucket.take(10)
  assert.equal(bucket.waitMs(1, 5_000), 100)
  assert.equal(bucket.waitMs(1, 5_100), 0)
})

test('take() charges both buckets or neither', () => {
  const quotas = new Quotas({ perSecond: 10, burst: 10 }, 0)
  const own = { perSecond: 5, burst: 5 }
  assert.equal(quotas.take(peerNamed('a'), 5, own, 0), undefined)
  assert.deepEqual(quotas.take(peerNamed('a'), 1, own, 0), { of: 'peer', retryAfterMs: 200 })
  assert.equal(quotas.take(peerNamed('b'), 5, own, 0), undefined)
  assert.deepEqual(quotas.take(peerNamed('c'), 5, own, 0), { of: 'node', retryAfterMs: 500 })
  assert.equal(quotas.take(peerNamed('c'), 5, own, 500), undefined)
})

test('being forced out by a flood gives no tokens back', () => {
  const quotas = new Quotas(PLENTY, 0)
  const own = { perSecond: 10, burst: 20 }
  const spender = peerNamed('spender')
  for (let i = 0; i < 20; i += 1) assert.equal(quotas.take(spender, 1, own, 0), undefined)
  for (let i = 0; i < PEERS_MAX; i += 1) quotas.take(peerNamed(i), 1, own, 1)
  assert.deepEqual(quotas.take(spender, 1, own, 1), { of: 'peer', retryAfterMs: 100 })
})

test('a newcomer begins with a full bucket while nobody is forced out', () => {
  const quotas = new Quotas(PLENTY, 0)
  const own = { perSecond: 10, burst: 20 }
  for (let i = 0; i < PEERS_MAX; i += 1) quotas.take(peerNamed(i), 1, own, 0)
  assert.equal(quotas.take(peerNamed('late'), 20, own, 2_000), undefined)
  assert.equal(quotas.take(peerNamed('early'), 20, own, 1_999)?.of, 'peer')
})
