import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeNode } from '../../test/support/served-node.ts'
import { Registry } from '../base/index.ts'
import { dhtMetrics } from '../dht/index.ts'
import { netMetrics } from '../net/index.ts'
import { activityOf } from './activity.ts'

test('the numbers are those of the metrics, and 0 while nothing was counted', async () => {
  const { node, services } = fakeNode()
  const registry = new Registry()
  const { bytesIn, bytesOut, dhtRecords } = await activityOf(node, registry)
  assert.deepEqual([bytesIn, bytesOut, dhtRecords], [0, 0, 0])
  const net = netMetrics(registry)
  net.bandwidthBytes.add(1_234_567_890_123, { direction: 'in' })
  net.bandwidthBytes.add(7, { direction: 'out' })
  dhtMetrics(registry).recordsStored.set(5)
  const tool = { name: 'add', description: '', inputSchema: {}, idempotent: true, readOnly: true }
  const calc = { name: 'calc', state: 'ready', restarts: 0, detached: true } as const
  services.set('calc', { ...calc, tools: [tool, tool] })
  const { memoryBytes, ...activity } = await activityOf(node, registry)
  assert.deepEqual(activity, {
    bytesIn: 1_234_567_890_123,
    bytesOut: 7,
    toolsOffered: 2,
    calls: 3,
    served: 4,
    dhtRecords: 5,
  })
  assert.ok(memoryBytes > 10_000_000)
})
