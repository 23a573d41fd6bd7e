import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Outcome, PunchRounds } from './punch-rounds.ts'

const RELAY = signerOf(9).peer
const [SMALL = '', LARGE = ''] = [signerOf(1).peer, signerOf(2).peer].toSorted()
const CIRCUIT = `/ip4/5.9.77.10/tcp/9000/p2p/${RELAY}/p2p-circuit`

type Upgrade = (signal: AbortSignal) => Promise<Outcome>

/** Rounds of a node that others call through a relay, and what began when. */
function rounds(upgrade: Upgrade, self: string = SMALL) {
  const clock = new FakeClock()
  const open: Connection[] = []
  const began: number[] = []
  const punch = new PunchRounds({
    libp2p: { getConnections: (peer) => open.filter((one) => one.remotePeer.equals(peer)) },
    self: self as PeerId,
    clock,
    log: silentLog,
    upgrade: (_, __, signal) => {
      began.push(clock.now())
      return upgrade(signal)
    },
  })
  const startMs = clock.now()
  const connect = (address: string, peer = LARGE) => {
    const remotePeer = peerIdFromString(peer)
    const facts = { remotePeer, remoteAddr: multiaddr(address), direction: 'inbound' }
    open.push({ ...facts, status: 'open' } as unknown as Connection)
  }
  const called = (peer = LARGE) => {
    connect(CIRCUIT, peer)
    punch.called(peer as PeerId)
  }
  const seconds = () => began.map((atMs) => (atMs - startMs) / 1_000)
  return { clock, punch, open, connect, called, seconds }
}

test('what failed is tried again after half a minute, then every five minutes', async () => {
  const { clock, punch, called, seconds } = rounds(async () => 'relayed')
  called()
  for (let i = 0; i < 70; i += 1) await clock.advance(10_000)
  assert.deepEqual(seconds(), [0, 30, 330, 630])
  await punch.stop()
})

test('what came too early is tried again after two seconds', async () => {
  const { clock, punch, called, seconds } = rounds(async () => 'too early')
  called()
  for (let i = 0; i < 40; i += 1) await clock.advance(1_000)
  assert.deepEqual(seconds(), [0, 2, 32])
  await punch.stop()
})

test('a fault in a round is a round that failed', async () => {
  const { clock, punch, called, seconds } = rounds(async () => Promise.reject(new Error('broken')))
  called()
  for (let i = 0; i < 4; i += 1) await clock.advance(10_000)
  assert.deepEqual(seconds(), [0, 30])
  await punch.stop()
})

test('whoever calls again waits as well, and is tried over the circuit that it has then', async () => {
  const { clock, punch, open, called, seconds } = rounds(async () => 'relayed')
  called()
  await clock.advance(5_000)
  open.length = 0
  called()
  await clock.advance(5_000)
  assert.deepEqual(seconds(), [0])
  for (let i = 0; i < 3; i += 1) await clock.advance(10_000)
  assert.deepEqual(seconds(), [0, 30])
  await punch.stop()
})

test('there is no other round when the circuit is gone, or no longer needed', async () => {
  for (const end of ['gone', 'direct', 'stopped']) {
    const { clock, punch, open, connect, called, seconds } = rounds(async () => 'relayed')
    called()
    await clock.advance(1)
    if (end === 'gone') open.length = 0
    if (end === 'direct') connect('/ip4/91.2.69.2/tcp/9000')
    if (end === 'stopped') await punch.stop()
    for (let i = 0; i < 4; i += 1) await clock.advance(10_000)
    assert.deepEqual(seconds(), [0], end)
    await punch.stop()
  }
})

test('of two that have begun with each other one gives way', async () => {
  const ended: unknown[] = []
  const whole = (signal: AbortSignal) => {
    return new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        ended.push(signal.reason)
        reject(signal.reason as Error)
      })
    })
  }
  const small = rounds(whole, SMALL)
  small.called(LARGE)
  assert.equal(small.punch.givesWay(LARGE as PeerId), false)
  assert.deepEqual(ended, [])
  const large = rounds(whole, LARGE)
  large.called(SMALL)
  assert.equal(large.punch.givesWay(SMALL as PeerId), true)
  assert.match(String(ended), /the other side has begun as well/)
  for (let i = 0; i < 2; i += 1) await large.clock.advance(10_000)
  assert.deepEqual(large.seconds(), [0], 'and begins again only after a while')
  for (const { punch } of [small, large]) await punch.stop()
})

test('so many rounds at a time; the others wait for a place, and nobody is answered meanwhile', async () => {
  const { clock, punch, called, seconds } = rounds(async () => new Promise<never>(() => undefined))
  for (let i = 0; i < 20; i += 1) called(signerOf(100 + i).peer)
  await clock.advance(1)
  assert.equal(seconds().length, 16)
  assert.equal(punch.givesWay(LARGE as PeerId), false)
})
