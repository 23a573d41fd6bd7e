/** What lasting channels keep is counted for their peer, and so is a program that outlasts one. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryNet } from '../../test/support/channel-pair.ts'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, silentLog } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type ChannelConfig, channelConfig } from './config.ts'
import type { LastingChannel } from './lasting.ts'
import { LastingChannels } from './lasting-channels.ts'

const [A, B] = [signerOf(1).peer, signerOf(2).peer]
const FRAME = new Uint8Array(100_000)

/** A channel from A to a program at B, which has room for so many bytes. */
async function joined(roomBytes: number, knobs: Partial<ChannelConfig> = {}) {
  const [net, clock] = [new MemoryNet(), new FakeClock(1_000)]
  const kept = { [A]: 0, [B]: 0 } as Record<PeerId, number>
  const random = seededRandom('lasting')
  const node = async (self: PeerId) => {
    const keep = (_: PeerId, bytes: number) => {
      const now = (kept[self] ?? 0) + bytes
      if (bytes > 0 && self === B && now > roomBytes) return false
      kept[self] = now
      return true
    }
    const connect = async () => undefined
    const machine = {
      connections: () => [],
      ping: async () => 1,
      disconnect: async () => undefined,
    }
    const host = { ...net.host(self), ...machine }
    const room = { clock, random, log: silentLog, network: 'main' }
    const channels = new LastingChannels(
      { ...room, host, find: connect, connect, keep },
      channelConfig.parse(knobs),
    )
    await channels.start()
    return channels
  }
  const [a, b] = [await node(A), await node(B)]
  const served: LastingChannel[] = []
  const done = Promise.withResolvers<void>()
  b.serve('test/1', async (channel) => {
    served.push(channel)
    await done.promise
  })
  const near = await a.open(B, 'test/1')
  return { a, b, near, served, done, kept, clock }
}

test('what waits is counted at both sides, and given back when it is taken', async () => {
  const { near, served, kept, clock } = await joined(1_000_000)
  await near.write(FRAME)
  await clock.advance(0)
  assert.deepEqual(kept, { [A]: 100_000, [B]: 100_000 })
  await served[0]?.read()
  await clock.advance(10)
  assert.deepEqual(kept, { [A]: 0, [B]: 0 })
})

test('a peer that has us keep too much loses the channel, and is told', async () => {
  const { near, kept, clock } = await joined(250_000)
  for (let sent = 0; sent < 3; sent += 1) await near.write(FRAME)
  await clock.advance(0)
  await assert.rejects(near.read(), /keeps too much/)
  assert.equal(kept[A], 0)
})

test('a program writes no more than may be kept', async () => {
  const { served, clock } = await joined(150_000)
  const [far] = served
  await far?.write(FRAME)
  const refused = assert.rejects(far?.write(FRAME) ?? assert.fail(), coded('NET_CHANNEL_FULL'))
  await clock.advance(30_000)
  await refused
})

test('a channel that is over has its place, and is counted, until its program has ended', async () => {
  const { a, b, near, done, kept, clock } = await joined(1_000_000, { perPeerMax: 1 })
  await near.write(FRAME)
  await clock.advance(0)
  near.abort(new TypeError('enough'))
  await clock.advance(0)
  assert.equal(b.size, 0)
  assert.equal(kept[B], 100_000)
  await assert.rejects(a.open(B, 'test/1'), coded('NET_CHANNEL_REFUSED'))
  done.resolve()
  await clock.advance(0)
  assert.equal(kept[B], 0)
  await a.open(B, 'test/1')
})
