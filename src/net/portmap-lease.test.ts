import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PORT_MAPPER_CONFIG } from './portmap.ts'
import { leaseTimes, retryAtMs } from './portmap-lease.ts'

test('leaseTimes() never trusts more than was asked for, and renews at half', () => {
  const config = { leaseSeconds: 3_600, renewMinMs: PORT_MAPPER_CONFIG.renewMinMs }
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 32 - 1 }), fc.nat(), (lifetimeSeconds, nowMs) => {
      const times = leaseTimes(lifetimeSeconds, config, nowMs)
      if (times === undefined) {
        assert.ok(lifetimeSeconds < 20)
        return
      }
      assert.ok(times.expiresAtMs <= nowMs + 3_600_000)
      assert.equal(2 * (times.renewAtMs - nowMs), times.expiresAtMs - nowMs)
    }),
  )
})

test('retryAtMs() waits for half of what is left, and for the pause once nothing is', () => {
  assert.equal(retryAtMs(100_000, 30_000, 60_000), 80_000)
  assert.equal(retryAtMs(50_000, 30_000, 60_000), 90_000)
})
