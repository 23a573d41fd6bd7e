import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode, Registry, seededRandom, silentLog } from '../base/index.ts'
import { generateKeys, type PeerId } from '../identity/index.ts'
import { AccessPolicy } from './access-policy.ts'
import { accessConfig } from './config.ts'
import { accessMetrics } from './metrics.ts'
import { ACTIONS, type Action } from './policy.ts'

const random = seededRandom('access')
const peers = Array.from({ length: 200 }, () => generateKeys(random).signer.peer)
const [alice, bob] = peers as [PeerId, PeerId]

function setup(given: Record<string, unknown> = {}) {
  const clock = new FakeClock(1_000_000)
  const registry = new Registry()
  const metrics = accessMetrics(registry)
  const policy = new AccessPolicy({ clock, log: silentLog, metrics }, accessConfig.parse(given))
  /** How many of `tries` are admitted, all at this moment. */
  const admitted = (peer: PeerId, action: Action, tries: number) => {
    let count = 0
    for (let i = 0; i < tries; i += 1) {
      try {
        policy.admit(peer, action)
        count += 1
      } catch (error) {
        assert.ok(hasCode(error, 'ACCESS_QUOTA'))
      }
    }
    return count
  }
  return { policy, clock, registry, admitted }
}

test('admit() lets a stranger do each listed action', () => {
  const { policy } = setup()
  for (const action of ACTIONS) policy.admit(alice, action)
})

test('admit() denies whatever is not listed, to strangers and granted peers alike', () => {
  const { policy } = setup({ granted: [bob] })
  for (const action of ['host.change', '', 'constructor', '__proto__', 'connect ']) {
    assert.throws(() => policy.admit(alice, action as Action), coded('ACCESS_DENIED'), action)
    assert.throws(() => policy.admit(bob, action as Action), coded('ACCESS_DENIED'), action)
  }
})

test('admit() denies everything to a blocked peer, though it were granted', () => {
  const { policy } = setup({ blocked: [alice], granted: [alice] })
  for (const action of ACTIONS) {
    assert.throws(() => policy.admit(alice, action), coded('ACCESS_DENIED'))
  }
  policy.admit(bob, 'connect')
})

test('a denial says what is missing, and that trying again is no use', () => {
  const { policy } = setup({ blocked: [alice] })
  assert.throws(
    () => policy.admit(alice, 'mcp.call'),
    (error) => {
      assert.ok(hasCode(error, 'ACCESS_DENIED'))
      assert.match(error.message, /"mcp\.call": the peer is blocked here/)
      assert.equal(error.retryable, false)
      return true
    },
  )
})

test('one peer gets its rate and no more, and its neighbour is not charged', () => {
  const { admitted } = setup({ ratePerPeer: 100, burstSeconds: 1 })
  assert.equal(admitted(alice, 'rpc.call', 500), 100)
  assert.equal(admitted(alice, 'rpc.call', 1), 0)
  assert.equal(admitted(bob, 'rpc.call', 500), 100)
})

test('a burst is so many seconds of the rate, and fills again with time', async () => {
  const { admitted, clock } = setup({ ratePerPeer: 100, burstSeconds: 3 })
  assert.equal(admitted(alice, 'stream', 500), 300)
  await clock.advance(500)
  assert.equal(admitted(alice, 'stream', 500), 50)
})

test('messages of others that a peer hands on take nothing from what it may do itself', () => {
  const { admitted } = setup({ ratePerPeer: 100, burstSeconds: 1 })
  assert.equal(admitted(alice, 'pubsub.message', 500), 100)
  assert.equal(admitted(alice, 'rpc.call', 500), 100)
  assert.equal(admitted(alice, 'pubsub.message', 1), 0)
})

test('a DHT write costs five of what a request costs', () => {
  const { admitted } = setup({ ratePerPeer: 100, burstSeconds: 1 })
  assert.equal(admitted(alice, 'dht.put', 500), 20)
  assert.equal(admitted(bob, 'dht.query', 500), 100)
})

test('a granted peer has the rate of granted peers', () => {
  const { admitted } = setup({ ratePerPeer: 5, rateGranted: 50, burstSeconds: 1, granted: [bob] })
  assert.equal(admitted(alice, 'mcp.call', 100), 5)
  assert.equal(admitted(bob, 'mcp.call', 100), 50)
})

test('all peers together get the rate of the node', () => {
  const { admitted } = setup({ ratePerPeer: 100, rateTotal: 1_000, burstSeconds: 1 })
  const total = peers.reduce((sum, peer) => sum + admitted(peer, 'connect', 10), 0)
  assert.equal(total, 1_000)
})

test('a refusal by quota says whose it was and when to come back, and keeps its word', async () => {
  const { policy, admitted, clock } = setup({ ratePerPeer: 7, burstSeconds: 1 })
  admitted(alice, 'connect', 7)
  const refusal = catchQuota(() => policy.admit(alice, 'dht.put'))
  assert.equal(refusal.of, 'peer')
  assert.equal(refusal.retryAfterMs, 715)
  await clock.advance(refusal.retryAfterMs - 1)
  assert.throws(() => policy.admit(alice, 'dht.put'), coded('ACCESS_QUOTA'))
  await clock.advance(1)
  policy.admit(alice, 'dht.put')
})

test('a peer that the node refused is not charged for it', async () => {
  const { admitted, clock } = setup({ ratePerPeer: 10, rateTotal: 10, burstSeconds: 1 })
  assert.equal(admitted(alice, 'connect', 10), 10)
  assert.equal(admitted(bob, 'connect', 10), 0)
  await clock.advance(1_000)
  assert.equal(admitted(bob, 'connect', 10), 10)
})

test('refusals are counted by listed action and reason only', async () => {
  const { policy, registry, admitted } = setup({ ratePerPeer: 5, burstSeconds: 1 })
  admitted(alice, 'connect', 6)
  assert.throws(() => policy.admit(alice, 'made up by a peer' as Action))
  const { body } = await registry.prometheusText()
  assert.match(body, /p2p_access_refusals\{action="connect",reason="peer"\} 1/)
  assert.match(body, /p2p_access_refusals\{action="unlisted",reason="denied"\} 1/)
})

function catchQuota(work: () => void) {
  try {
    work()
  } catch (error) {
    assert.ok(hasCode(error, 'ACCESS_QUOTA'))
    return error.facts as { of: string; retryAfterMs: number }
  }
  return assert.fail('was admitted')
}

test('reconfigure() applies to peers that were seen before; what they spent stays spent', async () => {
  const { policy, admitted, clock } = setup({ ratePerPeer: 10, burstSeconds: 1 })
  assert.equal(admitted(alice, 'connect', 20), 10)
  policy.reconfigure(accessConfig.parse({ ratePerPeer: 100, burstSeconds: 1 }))
  assert.equal(admitted(alice, 'connect', 200), 0)
  await clock.advance(500)
  assert.equal(admitted(alice, 'connect', 200), 50)
  assert.equal(admitted(bob, 'connect', 200), 100)

  policy.reconfigure(accessConfig.parse({ blocked: [alice], granted: [bob] }))
  assert.throws(() => policy.admit(alice, 'connect'), coded('ACCESS_DENIED'))
  policy.reconfigure(accessConfig.parse({ ratePerPeer: 5, burstSeconds: 1, rateTotal: 5 }))
  await clock.advance(60_000)
  assert.equal(admitted(alice, 'connect', 20) + admitted(bob, 'connect', 20), 5)
})
