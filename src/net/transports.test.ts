import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import {
  compareAddresses,
  parseAny,
  parseListenAddress,
  parseMultiaddr,
  reaches,
  scopeOfAddress,
} from './transports.ts'

const PEER = '12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg'
const OTHER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'

test('parseMultiaddr() takes addresses apart', () => {
  assert.deepEqual(parseMultiaddr(`/ip6/::1/udp/9001/quic-v1/p2p/${PEER}`), {
    text: '/ip6/::1/udp/9001/quic-v1',
    peer: PEER,
    transport: 'quic',
    host: { kind: 'ip6', value: '::1' },
    port: 9_001,
  })
  assert.equal(parseMultiaddr('/dns4/example.org/tcp/4001').transport, 'tcp')
  assert.equal(parseMultiaddr(`/dnsaddr/example.org/p2p/${PEER}`).transport, 'dnsaddr')
  assert.equal(parseMultiaddr('/memory/a').transport, 'memory')
})

test('parseMultiaddr() says what is wrong with an address that we cannot dial', () => {
  const wrong: readonly [string, RegExp][] = [
    ['', /does not start with/],
    ['127.0.0.1:9000', /does not start with/],
    ['/ip4/300.0.0.1/tcp/9000', /Cannot use address "\/ip4\/300.0.0.1/],
    ['/ip4/127.0.0.1/tcp/70000', /Cannot use/],
    ['/ip4/127.0.0.1/tcp/0', /port 0/],
    ['/ip4/127.0.0.1/tcp/80/ws', /we speak TCP, QUIC/],
    ['/ip4/127.0.0.1/udp/9001/quic', /we speak TCP, QUIC/],
    ['/ip4/127.0.0.1', /we speak TCP, QUIC/],
    ['/ip4/127.0.0.1/tcp/9000/p2p/nobody', /Cannot use/],
    [`/ip4/127.0.0.1/tcp/9000${'/p2p/x'.repeat(200)}`, /characters long/],
  ]
  for (const [text, message] of wrong) {
    assert.throws(() => parseMultiaddr(text), coded('NET_ADDRESS_INVALID'), text)
    assert.throws(() => parseMultiaddr(text), message, text)
  }
})

test('parseListenAddress() takes IP addresses with TCP or QUIC, port 0 included', () => {
  assert.equal(parseListenAddress('/ip6/::/tcp/0').port, 0)
  for (const text of ['/dns4/example.org/tcp/1', '/dnsaddr/example.org', '/ip4/1.2.3.4/udp/1']) {
    assert.throws(() => parseListenAddress(text), coded('NET_ADDRESS_INVALID'), text)
  }
})

test('addresses are dialled IPv6 before IPv4, and QUIC before TCP', () => {
  const order = [
    '/ip6/2001:db8::1/udp/1/quic-v1',
    '/ip6/2001:db8::1/tcp/1',
    '/ip4/192.0.2.1/udp/1/quic-v1',
    '/ip4/192.0.2.1/tcp/1',
  ]
  const mixed = [3, 0, 2, 1].map((i) => parseAny(order[i] ?? ''))
  assert.deepEqual(
    mixed.sort(compareAddresses).map(({ text }) => text),
    order,
  )
})

test('reaches() believes an address no further than where it was told', () => {
  const at = (ip: string) => parseAny(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/4001`)
  assert.equal(reaches(at('9.9.9.9'), 'global'), true)
  for (const narrow of ['127.0.0.1', '10.0.0.1', '169.254.1.1', 'fe80::1', '::ffff:127.0.0.1']) {
    assert.equal(reaches(at(narrow), 'global'), false, narrow)
  }
  assert.equal(reaches(at('2002:a00:1::1'), 'global'), false)
  assert.equal(reaches(at('127.0.0.1'), 'private'), false)
  assert.equal(reaches(at('10.0.0.1'), 'private'), true)
  assert.equal(reaches(at('0.0.0.0'), 'loopback'), false)
  assert.equal(reaches(at('224.0.0.1'), 'loopback'), false)
  assert.equal(reaches(parseAny('/dns4/example.org/tcp/1'), 'loopback'), false)
  assert.equal(scopeOfAddress(parseAny('/memory/a')), 'loopback')
})

test('an address through a relay names the relay, and where it is', () => {
  const through = parseMultiaddr(`/ip4/192.0.2.1/tcp/9000/p2p/${PEER}/p2p-circuit/p2p/${OTHER}`)
  assert.equal(through.transport, 'relay')
  assert.equal(through.relay, PEER)
  assert.equal(through.peer, OTHER)
  assert.equal(through.host?.value, '192.0.2.1')
  assert.equal(through.text, `/ip4/192.0.2.1/tcp/9000/p2p/${PEER}/p2p-circuit`)
  const twice = `/ip4/192.0.2.1/tcp/1/p2p/${PEER}/p2p-circuit/p2p/${OTHER}/p2p-circuit`
  assert.throws(() => parseMultiaddr(twice), coded('NET_ADDRESS_INVALID'))
})

test('relays are dialled after everything else', () => {
  const texts = [
    `/ip6/2001:4::1/udp/1/quic-v1/p2p/${PEER}/p2p-circuit`,
    '/ip4/8.8.8.8/tcp/1',
    '/ip4/8.8.8.8/udp/1/quic-v1',
  ]
  const sorted = texts.map(parseMultiaddr).sort(compareAddresses)
  assert.deepEqual(
    sorted.map(({ transport }) => transport),
    ['quic', 'tcp', 'relay'],
  )
})
