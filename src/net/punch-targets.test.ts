import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { racePaths } from './dial-paths.ts'
import { kindsToTry, type PunchKind, punchTargets } from './punch-targets.ts'
import { relayAddresses } from './relay-addresses.ts'

const RELAY = '12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg'
const rules = { kind: undefined, scope: 'global', ours: new Set<string>() } as const

test('nobody makes us knock at loopback, at home, at system ports, or at many doors', () => {
  const told = [
    '/ip4/127.0.0.1/tcp/9000',
    '/ip4/192.168.1.1/udp/9001/quic-v1',
    '/ip4/8.8.8.8/tcp/22',
    '/dns4/example.org/tcp/9000',
    `/ip4/8.8.8.8/tcp/9000/p2p/${RELAY}/p2p-circuit`,
    ...Array.from({ length: 9 }, (_, i) => `/ip4/8.8.8.${i}/tcp/9000`),
  ]
  const found = punchTargets(told, rules).map(({ text }) => text)
  assert.deepEqual(
    found,
    [0, 1, 2, 3].map((i) => `/ip4/8.8.8.${i}/tcp/9000`),
  )
})

test('who is behind the same router is tried at home as well', () => {
  const told = ['/ip4/81.2.69.100/udp/9001/quic-v1', '/ip4/192.168.1.7/udp/9001/quic-v1']
  assert.equal(punchTargets(told, rules).length, 1)
  assert.equal(punchTargets(told, { ...rules, ours: new Set(['81.2.69.100']) }).length, 2)
  assert.equal(punchTargets(told, { ...rules, kind: 'tcp' }).length, 0)
})

test('of a relay one address of each kind is announced, as far as others reach it', () => {
  const addresses = [
    '/ip4/127.0.0.1/tcp/9000',
    '/ip4/5.9.77.10/tcp/9000',
    '/ip4/5.9.77.11/tcp/9000',
    '/ip6/2a00:1::1/udp/9001/quic-v1',
  ]
  const found = relayAddresses(`/ip4/5.9.77.10/udp/9001/quic-v1/p2p/${RELAY}`, RELAY as never, {
    addresses,
  })
  assert.deepEqual(found, [
    `/ip4/5.9.77.10/udp/9001/quic-v1/p2p/${RELAY}/p2p-circuit`,
    `/ip4/5.9.77.10/tcp/9000/p2p/${RELAY}/p2p-circuit`,
    `/ip6/2a00:1::1/udp/9001/quic-v1/p2p/${RELAY}/p2p-circuit`,
  ])
})

test('a relay is asked after half a second, and at once when nothing else is left', async () => {
  const clock = new FakeClock()
  const options = { clock, signal: new AbortController().signal, discard: () => undefined }
  const silent = { isRelayed: false, run: () => new Promise<string>(() => undefined) }
  const relay = { isRelayed: true, run: async () => 'relayed' }
  let won: string | undefined
  void racePaths([silent, relay], options).then((result) => {
    won = result.won
  })
  await clock.advance(400)
  assert.equal(won, undefined)
  await clock.advance(200)
  assert.equal(won, 'relayed')
  const broken = { isRelayed: false, run: () => Promise.reject(new RangeError('refused')) }
  const result = await racePaths([broken, relay], options)
  assert.equal(result.won, 'relayed')
  assert.ok(result.failures.get(0)?.error instanceof RangeError)
})

test('relays that are told of meanwhile are asked, and a failure of all is told of each', async () => {
  const clock = new FakeClock()
  const options = { clock, signal: new AbortController().signal, discard: () => undefined }
  const broken = { isRelayed: false, run: () => Promise.reject(new RangeError('refused')) }
  const more = async () => [{ ...broken, isRelayed: true }]
  const result = await racePaths([broken], { ...options, more })
  assert.equal(result.won, undefined)
  assert.deepEqual([...result.begun], [0, 1])
  assert.equal(result.failures.size, 2)
})

test('a kind that is in vain leaves its tries to the other one', () => {
  const tried = (found: (kind: string) => boolean) => {
    const vain = new Set<PunchKind>()
    const all: PunchKind[] = []
    for (const kind of kindsToTry(vain)) {
      all.push(kind)
      if (!found(kind)) vain.add(kind)
    }
    return all
  }
  assert.deepEqual(
    tried(() => true),
    ['quic', 'tcp', 'quic'],
  )
  assert.deepEqual(
    tried((kind) => kind === 'tcp'),
    ['quic', 'tcp', 'tcp', 'tcp'],
  )
  assert.deepEqual(
    tried((kind) => kind === 'quic'),
    ['quic', 'tcp', 'quic', 'quic'],
  )
  assert.deepEqual(
    tried(() => false),
    ['quic', 'tcp'],
  )
})
