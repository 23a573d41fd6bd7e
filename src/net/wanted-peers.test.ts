import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Emitter, seededRandom, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { NetError } from './errors.ts'
import type { NetEvents } from './events.ts'
import type { ConnectionInfo } from './host.ts'
import { WANTED_MAX, WantedPeers } from './wanted-peers.ts'

const [SELF, PEER] = [signerOf(1).peer, signerOf(2).peer]
const ADDRESS = '/ip4/192.0.2.1/tcp/9000'

/** Wanted peers over a host whose one peer is there, or is not. */
async function setup(configured: readonly string[] = []) {
  const clock = new FakeClock()
  const events = new Emitter<NetEvents>((error) => {
    throw error
  })
  const state = { there: false, connected: false, dialledAt: [] as number[] }
  const connection = { peer: PEER } as ConnectionInfo
  const host = { self: SELF, events, connections: () => (state.connected ? [connection] : []) }
  const find = async (target: string): Promise<PeerId> => {
    state.dialledAt.push(clock.now())
    if (!state.there) throw NetError.CONNECT_FAILED({ target, tried: [] })
    state.connected = true
    return PEER
  }
  const random = seededRandom('wanted')
  const wanted = new WantedPeers({ host, find, clock, random, log: silentLog }, configured)
  const seen: string[] = []
  wanted.events.on('connected', ({ afterMs }) => seen.push(`connected after ${afterMs}`))
  wanted.events.on('lost', () => seen.push('lost'))
  await wanted.start()
  const drop = () => {
    state.connected = false
    events.emit('disconnected', { peer: PEER })
  }
  return { clock, state, wanted, seen, drop }
}

test('a configured peer is dialled until it answers, with pauses that grow to a minute', async () => {
  const { clock, state, wanted, seen } = await setup([ADDRESS])
  await clock.advance(600_000)
  const gaps = state.dialledAt.slice(1).map((at, i) => at - (state.dialledAt[i] ?? 0))
  assert.ok(gaps.length >= 10)
  for (const [i, gap] of gaps.entries()) {
    const whole = Math.min(60_000, 1_000 * 2 ** i)
    assert.ok(gap >= whole / 2 && gap <= whole, `pause ${i} is ${gap}`)
  }
  assert.match(wanted.list()[0]?.reason ?? '', /Cannot connect/)
  state.there = true
  await clock.advance(60_000)
  assert.equal(seen.length, 1)
  assert.deepEqual(wanted.list(), [{ target: ADDRESS, peer: PEER, connected: true, tries: 0 }])
  await wanted.stop()
  assert.equal(clock.waiting, 0)
})

test('a peer that goes is dialled at once, and lost and connected are told', async () => {
  const { clock, state, wanted, seen, drop } = await setup()
  state.there = true
  wanted.keep(PEER)
  await clock.advance(60_000)
  drop()
  await clock.advance(0)
  assert.deepEqual(seen, ['connected after 0', 'lost', 'connected after 0'])
  state.there = false
  await clock.advance(60_000)
  drop()
  await clock.advance(5_000)
  state.there = true
  await clock.advance(10_000)
  assert.equal(seen.length, 5)
  await wanted.stop()
})

test('a peer that comes and goes does not make us dial as fast as it does', async () => {
  const { clock, state, wanted, drop } = await setup()
  state.there = true
  wanted.keep(PEER)
  for (let i = 0; i < 1_000; i += 1) {
    await clock.advance(100)
    if (state.connected) drop()
  }
  assert.ok(state.dialledAt.length < 12, `${state.dialledAt.length} dials in 100 s`)
  await wanted.stop()
})

test('retryNow() ends the pause', async () => {
  const { clock, state, wanted } = await setup([PEER])
  await clock.advance(300_000)
  const before = state.dialledAt.length
  wanted.retryNow()
  await clock.advance(0)
  assert.equal(state.dialledAt.length, before + 1)
  await wanted.stop()
})

test('keep() holds as long as somebody holds, and then nobody is dialled any more', async () => {
  const { clock, state, wanted } = await setup([PEER])
  const release = wanted.keep(PEER)
  release()
  release()
  assert.equal(wanted.list().length, 1)
  const again = await setup()
  const only = again.wanted.keep(PEER)
  only()
  await again.clock.advance(300_000)
  assert.deepEqual([again.wanted.list().length, again.state.dialledAt.length], [0, 1])
  await clock.advance(2_000)
  assert.ok(state.dialledAt.length > 1)
  await wanted.stop()
})

test('keep() refuses what is no peer and no address, and one more than the limit', async () => {
  const { wanted } = await setup()
  assert.throws(() => wanted.keep('nobody'), coded('IDENTITY_PEER_ID_INVALID'))
  assert.throws(() => wanted.keep('/ip4/999/tcp/1'), coded('NET_ADDRESS_INVALID'))
  for (let i = 0; i < WANTED_MAX; i += 1) wanted.keep(`/ip4/192.0.2.1/tcp/${i + 1}`)
  assert.throws(() => wanted.keep('/ip4/192.0.2.2/tcp/1'), coded('NET_WANTED_EXHAUSTED'))
  await wanted.stop()
})

test('we are not dialled ourselves', async () => {
  const { clock, state, wanted } = await setup([SELF])
  await clock.advance(60_000)
  assert.equal(state.dialledAt.length, 0)
  await wanted.stop()
})
