import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionGater, MultiaddrConnection, PeerId as RemotePeer } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, silentLog } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { Scope } from '../ip/index.ts'
import { netConfig } from './config.ts'
import { connectionGater, type GaterDeps } from './gater.ts'
import { netMetrics } from './metrics.ts'
import { Resources } from './resources.ts'

const SELF = peerId('12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg')
const OTHER = peerId('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')
const remote = (peer: PeerId): RemotePeer => peerIdFromString(peer)

function setup(over: Partial<GaterDeps> = {}, isOwn = false) {
  const clock = new FakeClock()
  const metrics = netMetrics(new Registry())
  const limits = { pendingPerHostMax: 1, connectionsPerHostMax: 2, connectionsPerPeerMax: 2 }
  const config = netConfig.parse(limits)
  const own = { clock, log: silentLog, metrics, isOwn: () => isOwn }
  return connectionGater(
    {
      self: SELF,
      policy: { admit() {} },
      log: silentLog,
      clock,
      metrics,
      resources: new Resources(own, config).hooks,
      spoke: () => true,
      connectionsOf: () => 0,
      scopeOfPeer: () => undefined,
      ...over,
    },
    config,
  )
}

/** A connection as far as the gater looks at one. */
function connection(address: string) {
  const events = new EventTarget()
  const fake = Object.assign(events, {
    remoteAddr: multiaddr(address),
    status: 'open',
    direction: 'inbound',
    onData: () => undefined,
    abort: () => events.dispatchEvent(new Event('close')),
  })
  return fake as unknown as MultiaddrConnection
}

const enter = ({ denyInboundConnection }: ConnectionGater, given: MultiaddrConnection) =>
  denyInboundConnection?.(given)
const close = (given: MultiaddrConnection) => given.abort(new TypeError('over'))

test('inbound connections are counted until they close', () => {
  const gater = setup()
  const first = connection('/ip4/10.0.0.1/tcp/1')
  const second = connection('/ip4/10.0.0.1/tcp/2')
  assert.equal(enter(gater, first), false)
  assert.equal(enter(gater, second), true)
  close(first)
  assert.equal(enter(gater, second), false)
})

test('an encrypted connection is no longer pending but still counts', () => {
  const gater = setup()
  for (const port of [1, 2]) {
    const open = connection(`/ip4/10.0.0.1/tcp/${port}`)
    assert.equal(enter(gater, open), false)
    assert.equal(gater.denyInboundEncryptedConnection?.(remote(OTHER), open), false)
  }
  assert.equal(enter(gater, connection('/ip4/10.0.0.1/tcp/3')), true)
})

test('the policy is asked for both directions, once the peer is proven', () => {
  const asked: string[] = []
  const gater = setup({
    policy: {
      admit(peer, action) {
        asked.push(`${peer} ${action}`)
        throw new TypeError('blocked')
      },
    },
  })
  const open = connection('/ip4/10.0.0.1/tcp/1')
  assert.equal(gater.denyInboundEncryptedConnection?.(remote(OTHER), open), true)
  assert.equal(gater.denyOutboundEncryptedConnection?.(remote(OTHER), open), true)
  assert.deepEqual(asked, [`${OTHER} connect`, `${OTHER} connect`])
})

test('one peer id has few connections', () => {
  const gater = setup({ connectionsOf: () => 2 })
  const open = connection('/memory/a')
  assert.equal(gater.denyInboundEncryptedConnection?.(remote(OTHER), open), true)
})

test('addresses that are nobody’s are not dialled', () => {
  const gater = setup()
  const denied = (address: string) => gater.denyDialMultiaddr?.(multiaddr(address))
  for (const address of ['/ip4/0.0.0.0/tcp/1', '/ip4/224.0.0.1/tcp/1', '/ip6/ff02::1/tcp/1']) {
    assert.equal(denied(address), true, address)
  }
  for (const address of ['/ip4/127.0.0.1/tcp/1', '/ip6/fd00::1/udp/1/quic-v1', '/memory/a']) {
    assert.equal(denied(address), false, address)
  }
})

test('what a peer says of its own addresses is kept as far as it is met', () => {
  const kept = (scope: Scope | undefined, address: string, peer = OTHER) =>
    setup({ scopeOfPeer: () => scope }).filterMultiaddrForPeer?.(remote(peer), multiaddr(address))
  assert.equal(kept('global', '/ip4/127.0.0.1/tcp/1'), false)
  assert.equal(kept('global', '/ip4/9.9.9.9/tcp/4001'), true)
  assert.equal(kept('private', '/ip4/10.0.0.1/tcp/1'), true)
  assert.equal(kept('loopback', '/ip4/127.0.0.1/tcp/1'), true)
  assert.equal(kept('global', '/ip4/127.0.0.1/tcp/1', SELF), true)
})
