import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { ConnectionFacts } from './connection-facts.ts'

const PEER = '12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg'

test('a connection is read once, and what changes is always new', () => {
  let read = 0
  const connection = {
    remotePeer: PEER,
    get remoteAddr() {
      read += 1
      return `/ip4/192.0.2.1/udp/9/quic-v1/p2p/${PEER}`
    },
    direction: 'inbound',
    timeline: { open: 5 },
    streams: [] as unknown[],
  }
  const facts = new ConnectionFacts()
  const of = () => facts.of(connection as unknown as Connection)
  assert.deepEqual(of(), {
    peer: PEER,
    address: '/ip4/192.0.2.1/udp/9/quic-v1',
    transport: 'quic',
    direction: 'inbound',
    path: 'direct',
    openedAtMs: 5,
    streams: 0,
  })
  connection.streams.push({})
  assert.equal(of().streams, 1)
  assert.equal(read, 1)
})
