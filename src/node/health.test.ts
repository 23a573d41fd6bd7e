import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assess, type HealthFacts } from './health.ts'

const WELL: HealthFacts = {
  started: true,
  peersConnected: 3,
  listen: ['/ip4/127.0.0.1/tcp/9000'],
  bootstrap: { configured: 1, failed: [] },
  quic: { state: 'active' },
  datagrams: { state: 'active' },
  storeFailure: null,
  services: [{ name: 'calc', state: 'ready' }],
}
const down = (count: number) => {
  return Array.from({ length: count }, (_, i) => ({ address: `/a/${i}`, reason: 'refused' }))
}

test('assess() is ok when nothing ails', () => {
  assert.deepEqual(assess(WELL), { status: 'ok', reasons: [], alive: true, ready: true })
  const off = { ...WELL, quic: { state: 'off' } as const }
  assert.equal(assess(off).status, 'ok')
})

test('assess() is degraded but ready without peers, and says what was tried', () => {
  const alone = (bootstrap: HealthFacts['bootstrap']) => {
    const report = assess({ ...WELL, peersConnected: 0, bootstrap })
    assert.equal(report.status, 'degraded')
    assert.equal(report.ready, true)
    assert.equal(report.reasons.length, 1)
    return report.reasons[0] ?? ''
  }
  assert.match(alone({ configured: 0, failed: [] }), /^no peers: no bootstrap peer is configured/)
  assert.match(alone({ configured: 2, failed: [] }), /^no peers: still trying/)
  assert.match(alone({ configured: 1, failed: down(1) }), /could not reach \/a\/0 \(refused\);/)
  assert.match(alone({ configured: 5, failed: down(5) }), /\/a\/2 \(refused\) and 2 more;/)
})

test('assess() is degraded when QUIC is missing or a service is down, and names both', () => {
  const { status, ready, reasons } = assess({
    ...WELL,
    quic: { state: 'unavailable', reason: 'no addon', remedy: 'reinstall' },
    services: [
      { name: 'a', state: 'failed', reason: 'exit 1' },
      { name: 'b', state: 'restarting' },
      { name: 'c', state: 'starting' },
    ],
  })
  assert.deepEqual([status, ready, reasons.length], ['degraded', true, 3])
  assert.equal(reasons[0], 'no QUIC: no addon; reinstall')
  assert.match(reasons[1] ?? '', /"a" is failed: exit 1/)
  assert.match(reasons[2] ?? '', /"b" is restarting/)
})

test('assess() is failing and not ready when the node cannot do its work', () => {
  const wrong: [Partial<HealthFacts>, RegExp][] = [
    [{ started: false }, /^not started/],
    [{ listen: [] }, /^no listening address/],
    [{ storeFailure: 'disk full' }, /^store not writable: disk full/],
  ]
  for (const [facts, reason] of wrong) {
    const report = assess({ ...WELL, peersConnected: 0, ...facts })
    assert.deepEqual([report.status, report.ready, report.alive], ['failing', false, true])
    assert.match(report.reasons[0] ?? '', reason)
    assert.equal(report.reasons.length, 2)
  }
})

test('assess() is degraded when datagrams were wanted and cannot be had', () => {
  const datagrams = { state: 'unavailable', reason: 'UDP port 9000 is busy' } as const
  const { status, ready, reasons } = assess({ ...WELL, datagrams })
  assert.deepEqual([status, ready], ['degraded', true])
  assert.deepEqual(reasons, ['no datagrams: UDP port 9000 is busy'])
  assert.equal(assess({ ...WELL, datagrams: { state: 'off' } }).status, 'ok')
})

test('assess() is degraded while the agent registry does not answer, and only then', () => {
  const registry = {
    state: 'unavailable',
    reason: 'ECONNREFUSED',
    remedy: 'check RPC_URL',
  } as const
  const report = assess({ ...WELL, registry })
  assert.deepEqual([report.status, report.ready], ['degraded', true])
  assert.deepEqual(report.reasons, ['no agent registry: ECONNREFUSED; check RPC_URL'])
  for (const state of ['active', 'off'] as const) {
    assert.equal(assess({ ...WELL, registry: { state } }).status, 'ok')
  }
})
