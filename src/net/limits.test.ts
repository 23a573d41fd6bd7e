import assert from 'node:assert/strict'
import { test } from 'node:test'
import { netConfig } from './config.ts'
import { type Inbound, InboundLimits } from './limits.ts'

const config = netConfig.parse({
  pendingMax: 6,
  pendingPerHostMax: 2,
  pendingPerSiteMax: 3,
  connectionsPerHostMax: 4,
  connectionsPerSiteMax: 5,
})

function from(ip: string | undefined, { speaks = true } = {}) {
  const state = { evicted: false }
  return {
    ip,
    state,
    spoke: () => speaks,
    evict() {
      state.evicted = true
    },
  } satisfies Inbound & { state: object }
}

test('one host has few pending connections, whatever it sends', () => {
  const limits = new InboundLimits(config)
  assert.equal(limits.enter(from('10.0.0.1')), undefined)
  assert.equal(limits.enter(from('::ffff:10.0.0.1')), undefined)
  assert.equal(limits.enter(from('10.0.0.1')), 'pending host')
  assert.equal(limits.enter(from('10.0.0.2')), undefined)
  assert.equal(limits.enter(from('10.0.0.3')), 'pending site')
  assert.equal(limits.enter(from('10.0.1.1')), undefined)
})

test('the nodes of this machine have half of the pending places, and no more', () => {
  for (const ip of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    const limits = new InboundLimits({ ...config, pendingMax: 8, connectionsPerHostMax: 100 })
    for (let i = 0; i < 4; i += 1) assert.equal(limits.enter(from(ip)), undefined, ip)
    assert.equal(limits.enter(from(ip)), 'pending host', ip)
    assert.equal(limits.enter(from('10.0.0.1')), undefined)
  }
})

test('an IPv6 /56 is one host and a /48 one site', () => {
  const limits = new InboundLimits(config)
  assert.equal(limits.enter(from('2001:db8:1:1::1')), undefined)
  assert.equal(limits.enter(from('2001:db8:1:ff::2')), undefined)
  assert.equal(limits.enter(from('2001:db8:1:2::3')), 'pending host')
  assert.equal(limits.enter(from('2001:db8:1:100::1')), undefined)
  assert.equal(limits.enter(from('2001:db8:1:200::1')), 'pending site')
})

test('the oldest silent connection makes room for the next', () => {
  const limits = new InboundLimits(config)
  const busy = from('10.0.0.1')
  const first = from('10.0.0.1', { speaks: false })
  limits.enter(busy)
  limits.enter(first)
  assert.equal(limits.enter(from('10.0.0.1')), undefined)
  assert.equal(first.state.evicted, true)
  assert.equal(busy.state.evicted, false)
  assert.equal(limits.pending, 2)
})

test('a full pool of silent sockets from everywhere does not shut out a newcomer', () => {
  const limits = new InboundLimits(config)
  for (let i = 0; i < 1_000; i += 1) {
    assert.equal(limits.enter(from(`10.${i >> 8}.${i & 255}.1`, { speaks: false })), undefined)
  }
  assert.equal(limits.pending, 6)
  assert.equal(limits.enter(from('9.9.9.9')), undefined)
})

test('encrypted connections count by host and site until they close', () => {
  const limits = new InboundLimits(config)
  const open = [1, 2, 3, 4].map(() => from('10.0.0.1'))
  for (const inbound of open) {
    assert.equal(limits.enter(inbound), undefined)
    limits.upgraded(inbound)
  }
  assert.equal(limits.enter(from('10.0.0.1')), 'host')
  assert.equal(limits.enter(from('10.0.0.2')), undefined)
  assert.equal(limits.enter(from('10.0.0.3')), 'site')
  const [first] = open
  assert.ok(first !== undefined)
  limits.leave(first)
  limits.leave(first)
  assert.equal(limits.enter(from('10.0.0.1')), undefined)
  assert.equal(limits.enter(from('10.0.0.1')), 'host')
})

test('connections without an address count in all only', () => {
  const limits = new InboundLimits(config)
  for (let i = 0; i < 6; i += 1) assert.equal(limits.enter(from(undefined)), undefined)
  assert.equal(limits.enter(from(undefined)), 'pending')
})
