/**
 * Gossip under attack, between real hosts: floods of subscriptions, frames that are no frames, and
 * peers that read nothing. Each is held against who does it; whoever else there is, is heard.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { RPC } from '@libp2p/gossipsub/message'
import { Registry, secureRandom, silentLog, stopAll, systemClock } from '../../src/base/index.ts'
import type { Channel, Libp2pHost, Protocol } from '../../src/net/index.ts'
import { gossipService, Pubsub, pubsubConfig, pubsubMetrics } from '../../src/pubsub/index.ts'
import { testHost } from '../support/testnet.ts'

const MESHSUB: Protocol = {
  id: '/meshsub/1.1.0',
  framing: 'varint',
  frameBytesMax: 8 * 1_024 * 1_024,
  inboundMax: 8,
  outboundMax: 8,
}
const MIB = 1_048_576
const PATIENCE_MS = 10_000

/** A node that reads `t`; its clock runs ahead by what the test says. */
async function node(config = {}) {
  const registry = new Registry()
  const parsed = pubsubConfig.parse(config)
  const time = { aheadMs: 0 }
  const clock = { ...systemClock, now: () => Date.now() + time.aheadMs }
  const metrics = pubsubMetrics(registry)
  const room = { policy: { admit() {} }, log: silentLog, metrics, clock }
  const gossip = await gossipService(room, parsed)
  const listen = ['/ip4/127.0.0.1/tcp/0']
  const host = await testHost({ listen, deps: { services: { pubsub: gossip.service } } })
  const pubsub = new Pubsub({ ...room, gossip, network: 'main', random: secureRandom }, parsed)
  for (const service of [host, pubsub]) await service.start()
  const heard: unknown[] = []
  const reader = pubsub.subscribe('t')
  void (async () => {
    for await (const { value } of reader) heard.push(value)
  })()
  const count = (name: string, labels = {}) => registry.total(name, labels)
  const refused = (reason: string) => count('p2p_pubsub_refusals', { reason })
  const dispose = () => stopAll([host, pubsub])
  return { host, pubsub, heard, time, count, refused, [Symbol.asyncDispose]: dispose }
}

/** A peer without GossipSub, that writes what it likes, and reads nothing unless told. */
async function attacker(target: { readonly host: Libp2pHost }) {
  const host = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  await host.start()
  const opened: Channel[] = []
  const never = Promise.withResolvers<void>()
  await host.handle(MESHSUB, async (channel) => {
    opened.push(channel)
    await never.promise
  })
  const connect = () => host.connect(target.host.addresses()[0] ?? '')
  await connect()
  const open = () => host.open(target.host.self, MESHSUB)
  const dispose = async () => {
    never.resolve()
    await host.stop()
  }
  return { host, connect, open, opened, [Symbol.asyncDispose]: dispose }
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, what)
    await wait(10)
  }
}

/** Whether two good nodes still hear each other, at each of them. */
async function stillWorks(a: Awaited<ReturnType<typeof node>>): Promise<void> {
  await using b = await node()
  await b.host.connect(a.host.addresses()[0] ?? '')
  await b.pubsub.publish('t', 'from b', { waitForMeshMs: PATIENCE_MS })
  await a.pubsub.publish('t', 'from a', { waitForMeshMs: PATIENCE_MS })
  await until(() => a.heard.length + b.heard.length === 2, 'both are heard')
}

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

function heapAfterGc(): number {
  gc()
  return process.memoryUsage().heapUsed
}

const subscribe = (topic: string) => ({ subscribe: true, topic })
const frameOf = (topics: readonly string[]) =>
  RPC.encode({ subscriptions: topics.map(subscribe), messages: [] })

/** As short as a subscription can be, so that 349,525 of them are a frame of 0.7 MiB. */
function shortFlood(): Uint8Array {
  const flood = new Uint8Array(349_525 * 2)
  for (let at = 0; at < flood.length; at += 2) flood[at] = 0x0a
  return flood
}

/** With names, as in CVE-2026-46679: a frame of 4 MiB. */
function longFlood(): Uint8Array {
  return frameOf(Array.from({ length: 349_525 }, (_, i) => i.toString(36).padStart(6, '0')))
}

for (const [name, flood, reason] of [
  ['in a frame of 0.7 MiB', shortFlood(), 'frame'],
  ['in a frame of 4 MiB', longFlood(), 'oversize'],
] as const) {
  test(`349,525 subscriptions ${name} cost no memory, and their sender its hearing`, async () => {
    await using a = await node()
    await using mallory = await attacker(a)
    const before = heapAfterGc()
    const channel = await mallory.open()
    await channel.write(flood).catch(() => undefined)
    await until(async () => (await a.refused(reason)) === 1, 'refused')
    assert.ok(heapAfterGc() - before < 4 * MIB, 'the heap grew by less than 4 MiB')
    await until(() => channel.closed.aborted, 'its stream is gone')
    // It comes back at once and says something harmless.
    const again = await mallory.open()
    await again.write(frameOf(['t']))
    await until(async () => (await a.refused('unheard')) >= 1, 'it is not heard')
    assert.equal(a.pubsub.topics().find(({ topic }) => topic === 't')?.peers, 0)
    await stillWorks(a)
  })
}

test('as many in frames of a size that is allowed end after the second', async () => {
  await using a = await node()
  await using mallory = await attacker(a)
  const channel = await mallory.open()
  const before = heapAfterGc()
  for (let i = 0; i < 341; i += 1) {
    await channel.write(frameOf(Array.from({ length: 1_024 }, (_, j) => `${i}/${j}`)))
  }
  await until(async () => (await a.refused('unheard')) === 339, 'two frames were decoded')
  assert.equal(await a.refused('topics'), 960 + 1_024)
  assert.ok(heapAfterGc() - before < 4 * MIB, 'the heap grew by less than 4 MiB')
  await stillWorks(a)
})

test('frames that no library writes are refused before they are decoded', async () => {
  await using a = await node()
  await using mallory = await attacker(a)
  const channel = await mallory.open()
  await channel.write(Uint8Array.of(0x0b, 0xff, 0xff))
  await until(async () => (await a.refused('frame')) === 1, 'refused')
  await stillWorks(a)
})

test('a peer that reads nothing loses messages, not its stream, and then its place', async () => {
  await using a = await node({ peerQueueBytesMax: MIB })
  await using mallory = await attacker(a)
  const channel = await mallory.open()
  await channel.write(frameOf(['t']))
  await until(() => a.pubsub.topics().some(({ peers }) => peers === 1), 'it listens')
  const flood = async () => {
    for (let i = 0; i < 128; i += 1) {
      await a.pubsub.publish('t', new Uint8Array(60_000))
    }
  }
  const dropped = () => a.count('p2p_pubsub_slow_dropped')
  const cooled = () => a.count('p2p_pubsub_cooled')
  // The third spell of a second is one too many; a flood that takes longer here is two of them.
  for (let floods = 1; (await cooled()) === 0; floods += 1) {
    assert.ok(floods <= 3, 'the third flood is the last')
    const before = await dropped()
    await flood()
    assert.ok((await dropped()) > before, `flood ${floods}`)
    assert.equal(mallory.opened[0]?.closed.aborted, false)
    a.time.aheadMs += 1_000
  }
  assert.equal(await cooled(), 1)
  assert.equal((await a.pubsub.publish('t', 1)).state, 'nobody-listens')
  await until(async () => (await a.pubsub.publish('t', 1)).mesh === 0, 'it is out of the mesh')
  a.time.aheadMs += 30_000
  assert.equal((await a.pubsub.publish('t', 1)).peers, 1, 'and may try again')
  await stillWorks(a)
})

test('what is published right after connecting is not lost to those who wait for a mesh', async () => {
  for (let i = 0; i < 5; i += 1) {
    await using a = await node()
    await using b = await node()
    await b.host.connect(a.host.addresses()[0] ?? '')
    const sent = await b.pubsub.publish('t', i, { waitForMeshMs: PATIENCE_MS })
    assert.deepEqual(sent, { topic: 't', peers: 1, mesh: 1, state: 'sent' })
    await until(() => a.heard.length === 1, 'it arrives')
  }
})
