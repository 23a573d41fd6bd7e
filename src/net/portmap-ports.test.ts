import assert from 'node:assert/strict'
import { test } from 'node:test'
import { portsAt } from './portmap-ports.ts'

test('portsAt() has each port that hears the address, once, and no other', () => {
  const listening = [
    '/ip4/127.0.0.1/tcp/9000',
    '/ip4/10.0.0.2/tcp/9000',
    '/ip4/10.0.0.2/udp/9001/quic-v1',
    '/ip4/0.0.0.0/udp/9001/quic-v1/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA',
    '/ip4/10.0.0.3/tcp/9005',
    '/ip6/::/tcp/9006',
    '/ip4/10.0.0.2/tcp/0',
    '/ip4/10.0.0.2/tcp/9007/ws',
    '/memory/1',
    '/dns4/example.org/tcp/9008',
  ]
  const datagrams = [
    { host: '0.0.0.0', port: 9_000 },
    { host: '::', port: 9_000 },
    { host: '127.0.0.1', port: 9_009 },
  ]
  assert.deepEqual(portsAt('10.0.0.2', listening, datagrams), [
    { protocol: 'tcp', port: 9_000, suffix: '' },
    { protocol: 'udp', port: 9_001, suffix: '/quic-v1' },
    { protocol: 'udp', port: 9_000, suffix: '' },
  ])
  assert.deepEqual(portsAt('2a01:4f8::7', listening, datagrams), [
    { protocol: 'tcp', port: 9_006, suffix: '' },
    { protocol: 'udp', port: 9_000, suffix: '' },
  ])
})
