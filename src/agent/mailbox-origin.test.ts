import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOf } from '../../test/support/mail.ts'
import { mailOrigin } from './mailbox-origin.ts'

const PEER = nodeOf(1).peer

test('a public address stands for its network, anything else for the peer itself', () => {
  const at = (address: string, path: 'direct' | 'relayed' = 'direct') =>
    mailOrigin(PEER, [{ peer: PEER, address, path }])
  assert.equal(at('/ip4/8.8.4.4/tcp/1'), '8.8.0.0/16')
  assert.equal(at('/ip6/2a00:1450:4001::1/udp/1/quic-v1'), '2a00:1450::/32')
  assert.equal(at('/ip4/192.168.1.2/tcp/1'), PEER)
  assert.equal(at('/ip4/127.0.0.1/tcp/1'), PEER)
  assert.equal(at('/memory/1'), PEER)
  assert.equal(at('/ip6/fe80::1%eth0/tcp/1'), PEER)
  assert.equal(
    mailOrigin(nodeOf(2).peer, [{ peer: PEER, address: '/ip4/8.8.8.8/tcp/1', path: 'direct' }]),
    nodeOf(2).peer,
  )
})

test('who comes through relays of one network has one account with all others who do', () => {
  const through = (n: number, relay: string) => {
    const { peer } = nodeOf(n)
    return mailOrigin(peer, [
      { peer, address: `${relay}/p2p/${PEER}/p2p-circuit`, path: 'relayed' },
    ])
  }
  const first = through(2, '/ip4/8.8.4.4/tcp/1')
  assert.equal(through(3, '/ip4/8.8.8.8/udp/1/quic-v1'), first)
  assert.notEqual(through(3, '/ip4/9.9.9.9/tcp/1'), first)
  assert.notEqual(
    first,
    mailOrigin(PEER, [{ peer: PEER, address: '/ip4/8.8.4.4/tcp/1', path: 'direct' }]),
  )
  assert.equal(through(2, '/ip4/10.0.0.1/tcp/1'), through(3, '/ip4/10.0.0.2/tcp/1'))
})
