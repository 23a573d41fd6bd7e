import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from '../base/index.ts'
import { HubMeter } from './hub-meter.ts'
import { netMetrics } from './metrics.ts'
import type { HubStats } from './udp-hub.ts'

test('what the hub counts is told once, however often it is read', async () => {
  const registry = new Registry()
  let stats: HubStats = { gates: 3, dropped: { host: 2, stray: 0 }, packets: { in: 10, out: 7 } }
  const meter = new HubMeter(netMetrics(registry), () => stats)
  meter.refresh()
  meter.refresh()
  stats = { gates: 1, dropped: { host: 5, stray: 1 }, packets: { in: 12, out: 7 } }
  meter.refresh()
  const told = await Promise.all([
    registry.total('p2p_udp_hub_gates'),
    registry.total('p2p_udp_hub_dropped', { reason: 'host' }),
    registry.total('p2p_udp_hub_dropped', { reason: 'stray' }),
    registry.total('p2p_udp_hub_packets', { direction: 'in' }),
    registry.total('p2p_udp_hub_packets', { direction: 'out' }),
  ])
  assert.deepEqual(told, [1, 5, 1, 12, 7])
})
