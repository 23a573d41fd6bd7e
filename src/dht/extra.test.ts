import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { FakeNet } from '../../test/support/fake-net.ts'
import { Registry, seededRandom, silentLog, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel } from '../net/index.ts'
import { dhtConfig } from './config.ts'
import { ExtraDht } from './extra.ts'
import { dhtMetrics } from './metrics.ts'
import { dhtProtocol } from './protocol.ts'
import { providerKey } from './provider-key.ts'
import { decodeMessage, encodeMessage, type Message } from './wire.ts'

const OTHER = '/ipfs/kad/1.0.0'
const peers = [1, 2, 3, 4].map((seed) => signerOf(seed).peer) as [PeerId, PeerId, PeerId, PeerId]
const [a, b, c] = peers
const stranger = signerOf(9).peer
const CONTENT = providerKey('some content')

/** Peers of another network, each of which knows the next, and one that speaks ours only. */
async function setup() {
  const net = new FakeNet()
  const clock = new FakeClock(1_000_000)
  const us = net.add(signerOf(500).peer)
  const hosts = peers.map((peer) => net.add(peer))
  const asked: { peer: PeerId; type: Message['type'] }[] = []
  const address = (peer: PeerId) => hosts.find(({ self }) => self === peer)?.address ?? ''
  const info = (peer: PeerId) => ({ peer, addresses: [address(peer)] })
  for (const [i, host] of hosts.entries()) {
    const next = peers[i + 1]
    const closer = next === undefined ? [] : [info(next)]
    const serve = async (channel: Channel) => {
      for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
        const { type, key = new Uint8Array() } = decodeMessage(frame)
        asked.push({ peer: host.self, type })
        const provides = host.self === c && Buffer.compare(key, CONTENT) === 0
        const providers = provides ? [{ peer: stranger, addresses: ['/ip4/127.0.0.1/tcp/77'] }] : []
        await channel.write(encodeMessage({ type, key, closer, providers }))
      }
    }
    await host.handle(dhtProtocol('', OTHER), (channel) => serve(channel).catch(() => undefined))
  }
  const log = silentLog
  const deps = { host: us, clock, random: seededRandom('x'), log }
  const extra = new ExtraDht(
    OTHER,
    { ...deps, metrics: dhtMetrics(new Registry()) },
    dhtConfig.parse({}),
  )
  await extra.start()
  const meet = async (peer: PeerId) => {
    await us.learn(peer, [address(peer)], us.self)
    await us.connect(peer)
  }
  const stop = async () => {
    await extra.stop()
    assert.equal(clock.waiting, 0)
  }
  return { extra, us, clock, asked, meet, net, [Symbol.asyncDispose]: stop }
}

test('in another DHT the node finds peers, the closest to a key, and providers of a content', async () => {
  await using world = await setup()
  const { extra, meet } = world
  assert.equal(extra.peers, 0)
  assert.deepEqual((await extra.closest(utf8('x'))).closest, [], 'nobody is known yet')
  await meet(a)
  assert.equal(extra.peers, 1)
  const { closest, failed } = await extra.closest(utf8('x'))
  assert.deepEqual([closest.length, failed], [4, []])
  assert.deepEqual(await extra.findPeer(b), ['/ip4/127.0.0.1/tcp/3'])
  const { providers } = await extra.findProviders(CONTENT)
  assert.deepEqual(providers, [{ peer: stranger, addresses: ['/ip4/127.0.0.1/tcp/77'] }])
  await assert.rejects(extra.findProviders(new Uint8Array()), coded('DHT_KEY_INVALID'))
  await assert.rejects(extra.findProviders(new Uint8Array(257)), coded('DHT_KEY_INVALID'))
})

test('whoever does not speak its protocol is not in its table, and nothing is served on it', async () => {
  await using world = await setup()
  const { extra, us, net } = world
  const ours = net.add(signerOf(600).peer)
  await ours.handle(dhtProtocol('test'), async () => undefined)
  await us.learn(ours.self, ours.addresses(), us.self)
  await us.connect(ours.self)
  assert.equal(extra.peers, 0)
  assert.ok(!us.spoken().some((protocol) => protocol.includes('kad')))
})

test('it looks around once it knows somebody, and only asks: nothing is ever stored there', async () => {
  await using world = await setup()
  const { extra, clock, asked, meet } = world
  await clock.advance(10_000)
  assert.deepEqual(asked, [])
  await meet(a)
  await clock.advance(10_000)
  for (let i = 0; i < 100; i += 1) await setImmediate()
  assert.equal(extra.peers, 4)
  await extra.findProviders(CONTENT)
  assert.ok(asked.every(({ type }) => type === 'findNode' || type === 'getProviders'))
})
