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

/** So slow that no rate matters. */
function slowly(limits = config): InboundLimits {
  let nowMs = 0
  return new InboundLimits(limits, () => (nowMs += 1_000))
}

/** As the gater asks. */
function enter(limits: InboundLimits, inbound: Inbound) {
  return limits.knock(inbound.ip) ?? limits.enter(inbound)
}

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
  const limits = slowly()
  assert.equal(enter(limits, from('10.0.0.1')), undefined)
  assert.equal(enter(limits, from('::ffff:10.0.0.1')), undefined)
  assert.equal(enter(limits, from('10.0.0.1')), 'pending host')
  assert.equal(enter(limits, from('10.0.0.2')), undefined)
  assert.equal(enter(limits, from('10.0.0.3')), 'pending site')
  assert.equal(enter(limits, from('10.0.1.1')), undefined)
})

test('the nodes of this machine have half of the pending places, and no more', () => {
  for (const ip of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    const limits = slowly({ ...config, pendingMax: 8, connectionsPerHostMax: 100 })
    for (let i = 0; i < 4; i += 1) assert.equal(enter(limits, from(ip)), undefined, ip)
    assert.equal(enter(limits, from(ip)), 'pending host', ip)
    assert.equal(enter(limits, from('10.0.0.1')), undefined)
  }
})

test('an IPv6 /56 is one host and a /48 one site', () => {
  const limits = slowly()
  assert.equal(enter(limits, from('2001:db8:1:1::1')), undefined)
  assert.equal(enter(limits, from('2001:db8:1:ff::2')), undefined)
  assert.equal(enter(limits, from('2001:db8:1:2::3')), 'pending host')
  assert.equal(enter(limits, from('2001:db8:1:100::1')), undefined)
  assert.equal(enter(limits, from('2001:db8:1:200::1')), 'pending site')
})

test('the oldest silent connection makes room for the next', () => {
  const limits = slowly()
  const busy = from('10.0.0.1')
  const first = from('10.0.0.1', { speaks: false })
  enter(limits, busy)
  enter(limits, first)
  assert.equal(enter(limits, from('10.0.0.1')), undefined)
  assert.equal(first.state.evicted, true)
  assert.equal(busy.state.evicted, false)
  assert.equal(limits.pending, 2)
})

test('a full pool of silent sockets from everywhere does not shut out a newcomer', () => {
  const limits = slowly()
  for (let i = 0; i < 1_000; i += 1) {
    assert.equal(enter(limits, from(`10.${i >> 8}.${i & 255}.1`, { speaks: false })), undefined)
  }
  assert.equal(limits.pending, 6)
  assert.equal(enter(limits, from('9.9.9.9')), undefined)
})

test('encrypted connections count by host and site until they close', () => {
  const limits = slowly()
  const open = [1, 2, 3, 4].map(() => from('10.0.0.1'))
  for (const inbound of open) {
    assert.equal(enter(limits, inbound), undefined)
    limits.upgraded(inbound)
  }
  assert.equal(enter(limits, from('10.0.0.1')), 'host')
  assert.equal(enter(limits, from('10.0.0.2')), undefined)
  assert.equal(enter(limits, from('10.0.0.3')), 'site')
  const [first] = open
  assert.ok(first !== undefined)
  limits.leave(first)
  limits.leave(first)
  assert.equal(enter(limits, from('10.0.0.1')), undefined)
  assert.equal(enter(limits, from('10.0.0.1')), 'host')
})

test('connections without an address count in all only', () => {
  const limits = slowly()
  for (let i = 0; i < 6; i += 1) assert.equal(enter(limits, from(undefined)), undefined)
  assert.equal(enter(limits, from(undefined)), 'pending')
})

test('one host has a rate, and in a flood all hosts have equal shares', () => {
  let nowMs = 0
  const rates = { ...config, pendingMax: 20, inboundPerSecondMax: 5, pendingPerHostMax: 20 }
  const open = { pendingPerSiteMax: 20, connectionsPerHostMax: 100, connectionsPerSiteMax: 100 }
  const limits = new InboundLimits({ ...rates, ...open }, () => nowMs)
  const taken = (ip: string) => {
    const inbound = from(ip)
    const refusal = enter(limits, inbound)
    limits.leave(inbound)
    return refusal === undefined
  }
  const count = (ip: string) => Array.from({ length: 9 }, () => taken(ip)).filter(Boolean).length
  assert.equal(count('9.0.0.1'), 5)
  for (let i = 2; i <= 10; i += 1) taken(`9.0.${i}.1`)
  assert.equal(count('9.1.0.1'), 2)
  assert.equal(count('127.0.0.1'), 5, 'the nodes of this machine share one address')
  nowMs = 1_000
  assert.equal(count('9.1.0.1'), 5)
})

test('when all pending have spoken, one of the largest crowd goes, and no one of a smaller', () => {
  const crowd = ['9.0.0.1', '9.0.0.2', '9.0.0.3'].map((ip) => from(ip))
  const limits = slowly({ ...config, pendingMax: 4 })
  const lone = from('9.0.1.1')
  for (const one of [lone, ...crowd]) assert.equal(enter(limits, one), undefined)
  assert.equal(enter(limits, from('9.0.2.1')), undefined)
  assert.deepEqual(
    [lone, ...crowd].map(({ state }) => state.evicted),
    [false, true, false, false],
  )
  assert.equal(enter(limits, from('9.0.0.4')), 'pending')
})

test('our own peers are not counted by where they are, and their host is let in', () => {
  const limits = slowly()
  const own = [1, 2, 3, 4, 5].map(() => from('9.0.0.1'))
  for (const one of own) {
    assert.equal(enter(limits, one), undefined)
    assert.equal(limits.upgraded(one, true), undefined)
  }
  const strangers = [1, 2, 3, 4].map(() => from('9.0.0.1'))
  for (const one of strangers) {
    assert.equal(enter(limits, one), undefined)
    assert.equal(limits.upgraded(one), undefined)
  }
  const fifth = from('9.0.0.1')
  assert.equal(enter(limits, fifth), undefined)
  assert.equal(limits.upgraded(fifth), 'host')
})
