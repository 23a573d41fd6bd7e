import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Shares } from './bandwidth-shares.ts'

const BURST = 65_536

/** Everybody sends again as soon as it may, for so long; what each got through. */
function greedy(shares: Shares, peers: readonly string[], untilMs: number): Map<string, number> {
  const passed = new Map(peers.map((peer) => [peer, 0]))
  const ready = new Set(peers)
  for (let nowMs = 0; nowMs < untilMs; nowMs += 10) {
    for (const peer of shares.settle(nowMs)) ready.add(peer)
    for (const peer of ready) {
      passed.set(peer, (passed.get(peer) ?? 0) + 16_384)
      if (!shares.charge(peer, 16_384, nowMs)) ready.delete(peer)
    }
  }
  return passed
}

test('without limits nobody waits', () => {
  const shares = new Shares({ total: 0, perPeer: 0 }, 0)
  for (let i = 0; i < 100; i += 1) assert.equal(shares.charge('a', 1e9, 0), true)
})

test('all together stay within the rate, and have equal parts of it', () => {
  const shares = new Shares({ total: 1_000, perPeer: 0 }, 0)
  const passed = greedy(shares, ['a', 'b', 'c', 'd'], 10_000)
  const all = [...passed.values()].reduce((sum, one) => sum + one, 0)
  assert.ok(all <= 1_000 * 10_000 + BURST + 4 * 16_384, `${all}`)
  assert.ok(all >= 0.98 * 1_000 * 10_000, `${all}`)
  for (const one of passed.values()) assert.ok(Math.abs(one - all / 4) < 0.02 * all, `${one}`)
})

test('what one does not use the others get', () => {
  const shares = new Shares({ total: 1_000, perPeer: 100 }, 0)
  const alone = greedy(shares, ['a'], 10_000).get('a') ?? 0
  assert.ok(alone >= 990_000 && alone <= 1_000_000 + 2 * BURST, `${alone}`)
  const both = new Shares({ total: 150, perPeer: 100 }, 0)
  const passed = greedy(both, ['a', 'b'], 10_000)
  for (const one of passed.values()) assert.ok(one > 700_000 && one < 900_000, `${one}`)
})

test('a limit that is taken away frees whoever waits at the next look', () => {
  const rates = { total: 1, perPeer: 0 }
  const shares = new Shares(rates, 0)
  shares.charge('a', 10_000_000, 0)
  assert.deepEqual(shares.settle(10), [])
  rates.total = 0
  assert.deepEqual(shares.settle(20), ['a'])
  assert.equal(shares.debtors, 0)
})

test('in any stretch of time no more passes than rate and burst allow', () => {
  const event = fc.record({
    peer: fc.constantFrom('a', 'b', 'c'),
    bytes: fc.integer({ min: 1, max: 100_000 }),
    afterMs: fc.integer({ min: 0, max: 40 }),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const shares = new Shares({ total: 2_000, perPeer: 1_500 }, 0)
      const waits = new Set<string>()
      let nowMs = 0
      let passed = 0
      let largest = 0
      for (const { peer, bytes, afterMs } of events) {
        nowMs += afterMs
        for (const free of shares.settle(nowMs)) waits.delete(free)
        if (waits.has(peer)) continue
        passed += bytes
        largest = Math.max(largest, bytes)
        if (!shares.charge(peer, bytes, nowMs)) waits.add(peer)
        assert.ok(passed <= nowMs * 2_000 + 100_000 + 3 * largest)
      }
    }),
  )
})
