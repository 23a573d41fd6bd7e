/** Keeping relays, with relays in memory that say what the test has them say. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { silentLog } from '../base/index.ts'
import { framesOf } from './frames.ts'
import { RelayClient } from './relay-client.ts'
import { encodeHop, RELAY_MESSAGE_BYTES_MAX, RELAY_STATUS } from './relay-protocol.ts'

const [SELF, RELAY] = [signerOf(1).peer, signerOf(2).peer]
const AT = `/ip4/5.9.77.100/tcp/9000/p2p/${RELAY}`
const HOUR = 3_600_000

function setup() {
  const clock = new FakeClock(1_000_000)
  const told: string[] = []
  const state = { lifeMs: HOUR, asked: 0, sleptMs: 0, answering: Promise.resolve() }
  const now = () => clock.now() + state.sleptMs
  const answer = async () => {
    const [near, far] = await streamPair()
    const { signal } = new AbortController()
    const serve = async () => {
      const frames = framesOf(far, RELAY_MESSAGE_BYTES_MAX)
      await frames.read(signal)
      state.asked += 1
      await state.answering
      const reservation = { expiresAtMs: now() + state.lifeMs, addresses: [AT], voucher: undefined }
      const said = { type: 'status', status: RELAY_STATUS.ok } as const
      await frames.write(encodeHop({ ...said, reservation }), signal)
      await far.close()
    }
    void serve()
    return near
  }
  const connection = {
    remotePeer: peerIdFromString(RELAY),
    remoteAddr: multiaddr(AT),
    status: 'open',
    newStream: answer,
  } as unknown as Connection
  const client = new RelayClient(
    {
      libp2p: {
        getConnections: () => [connection],
        addEventListener: () => undefined,
        peerStore: { get: async () => Promise.reject(new Error('none')) },
      } as unknown as ConstructorParameters<typeof RelayClient>[0]['libp2p'],
      self: SELF,
      clock: { now, sleep: clock.sleep.bind(clock), deadline: clock.deadline.bind(clock) },
      log: silentLog,
      connect: async () => connection,
      changed: () =>
        told.push(
          client
            .states()
            .map(({ relay }) => relay)
            .join(' '),
        ),
    },
    { relays: [AT], negotiationTimeoutMs: 10_000 },
  )
  client.start()
  /** Streams in memory take a few milliseconds of real time; the clock stands. */
  const until = async (holds: () => boolean) => {
    for (let turns = 0; !holds(); turns += 1) {
      assert.ok(turns < 100_000, `waited in vain until ${holds.toString()}`)
      await setImmediate()
    }
  }
  const settle = () => clock.advance(0)
  return { client, clock, state, told, until, settle }
}

test('a reservation is renewed at half of its life, and let go when it is not wanted', async () => {
  const { client, clock, state, until, settle } = setup()
  client.want(true)
  await until(() => client.states().length === 1)
  await settle()
  await clock.advance(HOUR / 2 + 20_000)
  await until(() => state.asked === 2)
  client.want(false)
  assert.deepEqual(client.states(), [])
  await client.stop()
  assert.equal(clock.waiting, 0)
})

test('a reservation that comes when none is wanted any more is not kept', async () => {
  const { client, state, until, settle, told } = setup()
  const held = Promise.withResolvers<void>()
  state.answering = held.promise
  client.want(true)
  await until(() => state.asked === 1)
  client.want(false)
  held.resolve()
  const stopping = settle().then(() => client.stop())
  await stopping
  assert.deepEqual(client.states(), [])
  assert.deepEqual(told, [])
})

test('a reservation that ends too soon to be of use is none, and not asked for at once', async () => {
  const { client, clock, state, until, told } = setup()
  state.lifeMs = 2_000
  client.want(true)
  await until(() => state.asked === 1)
  for (let seconds = 0; seconds < 30; seconds += 1) await clock.advance(1_000)
  assert.deepEqual([client.states().length, state.asked, told.length], [0, 1, 0])
  await client.stop()
})

test('a reservation that was renewed in time is not lost with the one before', async () => {
  const { client, clock, state, until, settle, told } = setup()
  client.want(true)
  await until(() => client.states().length === 1)
  await settle()
  // The machine slept past the end of it.
  state.sleptMs = 2 * HOUR
  await clock.advance(20_000)
  await until(() => state.asked >= 2)
  await settle()
  assert.equal(client.states()[0]?.relay, RELAY)
  assert.deepEqual(told, [RELAY])
  await client.stop()
})
