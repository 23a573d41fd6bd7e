import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from './metrics.ts'

function setup() {
  const registry = new Registry()
  const calls = registry.counter('p2p_calls', 'Calls', ['code'])
  calls.add()
  calls.add(2, { code: 'ok' })
  const count = { peers: 3 }
  registry.gauge('p2p_peers', 'Peers', { read: () => count.peers })
  registry.gauge('p2p_load', 'Load', { labels: ['kind'] }).set(0.5, { kind: 'cpu' })
  registry.histogram('p2p_call_seconds', 'Time', { buckets: [0.1, 1] }).observe(0.5)
  return { registry, count }
}

test('Prometheus text names counters as they are', async () => {
  const { registry } = setup()
  const { contentType, body } = await registry.prometheusText()
  assert.match(contentType, /^text\/plain; version=0\.0\.4/)
  assert.match(body, /^# TYPE p2p_calls counter$/m)
  assert.match(body, /^p2p_calls\{code="ok"\} 2$/m)
  assert.match(body, /^p2p_call_seconds_bucket\{le="1"\} 1$/m)
  assert.match(body, /^p2p_load\{kind="cpu"\} 0\.5$/m)
  assert.doesNotMatch(body, /# EOF/)
})

test('OpenMetrics text adds _total to counters and ends with EOF', async () => {
  const { registry } = setup()
  const { contentType, body } = await registry.openMetricsText()
  assert.match(contentType, /^application\/openmetrics-text; version=1\.0\.0/)
  assert.match(body, /^# TYPE p2p_calls counter$/m)
  assert.match(body, /^p2p_calls_total\{code="ok"\} 2$/m)
  assert.match(body, /# EOF\n$/)
})

test('a gauge with a reader is asked at each scrape, in both formats', async () => {
  const { registry, count } = setup()
  assert.match((await registry.prometheusText()).body, /^p2p_peers 3$/m)
  count.peers = 5
  assert.match((await registry.prometheusText()).body, /^p2p_peers 5$/m)
  count.peers = 8
  assert.match((await registry.openMetricsText()).body, /^p2p_peers 8$/m)
})

test('two registries share nothing, and one refuses a name twice', async () => {
  const { registry } = setup()
  assert.doesNotMatch((await new Registry().prometheusText()).body, /p2p_/)
  assert.throws(() => registry.counter('p2p_calls', 'Again'))
  assert.throws(() => registry.counter('p2p_other', 'Other', ['a']).add(1, { b: 'x' }))
})

test('total() adds up what has the labels, asks readers, and is 0 for what is not there', async () => {
  const { registry } = setup()
  const totals = [
    registry.total('p2p_calls'),
    registry.total('p2p_calls', { code: 'ok' }),
    registry.total('p2p_calls', { code: 'no' }),
    registry.total('p2p_peers'),
    registry.total('p2p_load', { kind: 'cpu' }),
    registry.total('p2p_nothing'),
  ]
  assert.deepEqual(await Promise.all(totals), [3, 2, 0, 3, 0.5, 0])
})
