import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { NETWORK, recordBytes, signerOf, WORK_BITS } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { type FakeHost, FakeNet } from '../../test/support/fake-net.ts'
import { Registry, seededRandom, silentLog, utf8 } from '../base/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import { kadProtocolId } from '../wire/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { Dht } from './dht.ts'
import { DhtError } from './errors.ts'
import { closestTo, contactOf, dhtKey } from './key.ts'
import { dhtMetrics } from './metrics.ts'
import { dhtProtocol } from './protocol.ts'
import { siteOf } from './site.ts'
import { SqliteStore } from './sqlite-store.ts'
import { parseRecordName } from './validators.ts'
import { decodeMessage, encodeMessage } from './wire.ts'

interface Node {
  readonly dht: Dht
  readonly host: FakeHost
  readonly signer: Signer
  readonly store: SqliteStore
}

/** `count` nodes that were told of the first one only, and have found each other. */
async function network(count: number, config: Partial<DhtConfig> = {}) {
  const net = new FakeNet()
  const clock = new FakeClock(1_000_000)
  const nodes: Node[] = []
  const add = async (more: Partial<DhtConfig> = {}): Promise<Node> => {
    const signer = signerOf(1_000 + nodes.length)
    const host = net.add(signer.peer)
    const store = new SqliteStore(':memory:')
    const dht = new Dht(
      {
        host,
        signer,
        policy: { admit() {} },
        storage: store,
        clock,
        random: seededRandom(signer.peer),
        log: silentLog,
        metrics: dhtMetrics(new Registry()),
        network: NETWORK,
      },
      dhtConfig.parse({ workBits: WORK_BITS, ...config, ...more }),
    )
    await dht.start()
    const node = { dht, host, signer, store }
    nodes.push(node)
    const first = nodes[0]
    if (first !== undefined && first !== node) {
      await host.learn(first.host.self, first.host.addresses(), host.self)
      await host.connect(first.host.self)
      await quiet()
    }
    return node
  }
  for (let i = 0; i < count; i += 1) await add()
  const at = (i: number): Node => nodes[i] ?? assert.fail()
  const stop = async () => {
    await Promise.all(nodes.map(({ dht }) => dht.stop()))
    await quiet()
    assert.equal(clock.waiting, 0, 'no timer is left behind')
  }
  return { at, nodes, add, clock, [Symbol.asyncDispose]: stop }
}

/** Lets whatever is under way go on until it must wait for time. */
async function quiet(): Promise<void> {
  for (let i = 0; i < 200; i += 1) await setImmediate()
}

/** The `count` nodes closest to the place of `name`, as nobody in the network can know it better. */
function closestNodes(nodes: readonly Node[], name: string, count: number): Set<PeerId> {
  const contacts = nodes.map(({ host }) => contactOf(host.self))
  return new Set(closestTo(dhtKey(utf8(name)), contacts, count).map(({ peer }) => peer))
}

test('nodes that know one of them find each other', async () => {
  await using net = await network(12)
  for (const { dht } of net.nodes) assert.equal(dht.peers, 11)
})

test('a value is stored by the closest and read from anywhere', async () => {
  await using net = await network(30, { replication: 8 })
  const key = `/data/${net.at(3).host.self}/greeting`
  const put = await net.at(3).dht.put(key, utf8('hello'))
  assert.deepEqual(
    { ...put, stored: put.stored.length },
    { key, version: 1, stored: 8, failed: [], wanted: 8 },
  )
  assert.deepEqual(new Set(put.stored), closestNodes(net.nodes, key, 8))

  for (const reader of [0, 3, 17, 29]) {
    const got = await net.at(reader).dht.get(key)
    assert.deepEqual(got.value, Uint8Array.from(utf8('hello')))
    assert.equal(got.publisher, net.at(3).host.self)
    assert.deepEqual([got.version, got.complete, got.failed.length], [1, true, 0])
  }
})

test('the next value has the next version, and is the one that is read', async () => {
  await using net = await network(8)
  const key = `/data/${net.at(1).host.self}/x`
  await net.at(1).dht.put(key, utf8('one'))
  const [two, three] = await Promise.all([
    net.at(1).dht.put(key, utf8('two')),
    net.at(1).dht.put(key, utf8('three')),
  ])
  assert.deepEqual([two.version, three.version].sort(), [2, 3])
  const got = await net.at(5).dht.get(key)
  assert.equal(got.version, 3)
})

test('a node that lost its store goes on above the version that the network holds', async () => {
  await using net = await network(8)
  const { dht, host, store } = net.at(1)
  const key = `/data/${host.self}/x`
  await dht.put(key, utf8('one'))
  store.delete(parseRecordName(key).key)
  assert.equal((await dht.put(key, utf8('two'))).version, 2)
})

test('a write that meets a version it did not read takes the next', async () => {
  await using net = await network(4)
  const { dht, host, signer } = net.at(0)
  const name = parseRecordName(`/data/${host.self}/x`)
  await dht.put(name.text, utf8('one'))
  const { store } = net.at(2)
  const old = store.get(name.key) ?? assert.fail()
  store.put({ ...old, bytes: await recordBytes(name, signer, { version: 9, issuedMs: 1_000_000 }) })
  const get = store.get.bind(store)
  store.get = () => {
    store.get = get
    return undefined
  }
  const report = await dht.put(name.text, utf8('two'))
  assert.deepEqual([report.version, report.stored.length], [10, 4])
})

test('only our own names can be published, and only values that fit', async () => {
  await using net = await network(2)
  const { dht, host } = net.at(0)
  const foreign = `/data/${net.at(1).host.self}/x`
  await assert.rejects(dht.put(foreign, utf8('mine')), coded('DHT_NOT_PUBLISHER'))
  await assert.rejects(dht.put('/ipns/x', utf8('x')), coded('DHT_NAMESPACE_UNKNOWN'))
  await assert.rejects(dht.get('/ipns/x'), coded('DHT_NAMESPACE_UNKNOWN'))
  const key = `/data/${host.self}/x`
  await assert.rejects(dht.put(key, new Uint8Array(8_193)), coded('DHT_VALUE_TOO_LONG'))
  for (const ttlSeconds of [0, 86_401, 0.5]) {
    await assert.rejects(dht.put(key, utf8('x'), { ttlSeconds }), coded('DHT_TTL_INVALID'))
  }
})

test('alone, a node stores at itself and says so', async () => {
  await using net = await network(1)
  const { dht, host } = net.at(0)
  const key = `/data/${host.self}/x`
  const put = await dht.put(key, utf8('x'))
  assert.deepEqual(put, { key, version: 1, stored: [host.self], failed: [], wanted: 20 })
  const got = await dht.get(key)
  assert.deepEqual([got.version, got.answered], [1, [host.self]])
  const none = await dht.get(`/data/${host.self}/y`)
  assert.deepEqual(
    [none.value, none.publisher, none.version, none.complete],
    [null, null, null, false],
  )
})

test('peers that are gone are named with the reason, and leave the table', async () => {
  await using net = await network(6)
  const key = `/data/${net.at(0).host.self}/x`
  net.at(4).host.die()
  const put = await net.at(0).dht.put(key, utf8('x'))
  assert.equal(put.stored.length, 5)
  const got = await net.at(1).dht.get(`/data/${net.at(0).host.self}/never`)
  assert.equal(got.value, null)
  assert.deepEqual(
    got.failed.map(({ peer }) => peer),
    [net.at(4).host.self],
  )
  assert.equal(got.failed[0]?.code, 'NET_PEER_UNREACHABLE')
})

test('a read brings the newest version to holders that are behind', async () => {
  await using net = await network(6)
  const { dht, host, signer } = net.at(0)
  const key = `/data/${host.self}/x`
  await dht.put(key, utf8('one'))
  const name = parseRecordName(key)
  const newer = await recordBytes(name, signer, { version: 9, issuedMs: 1_000_000, value: 'nine' })
  for (const { store } of net.nodes.slice(3)) {
    const old = store.get(name.key) ?? assert.fail()
    store.put({ ...old, bytes: newer })
  }
  assert.equal((await net.at(1).dht.get(key)).version, 9)
  await quiet()
  for (const { store } of net.nodes) assert.deepEqual(store.get(name.key)?.bytes, newer)
})

test('values are renewed before they expire, until they are withdrawn', async () => {
  await using net = await network(4, { recordTtlSeconds: 600 })
  const { dht, host } = net.at(0)
  const key = `/data/${host.self}/x`
  await dht.put(key, utf8('x'))
  for (let i = 0; i < 12; i += 1) {
    await net.clock.advance(60_000)
    await quiet()
  }
  const got = await net.at(2).dht.get(key)
  assert.ok(got.version !== null && got.version >= 2)

  dht.withdraw(key)
  for (let i = 0; i < 12; i += 1) {
    await net.clock.advance(60_000)
    await quiet()
  }
  assert.equal((await net.at(2).dht.get(key)).value, null)
})

test('a value with a ttl of its own is not renewed', async () => {
  await using net = await network(3)
  const { dht, host } = net.at(0)
  const key = `/data/${host.self}/x`
  await dht.put(key, utf8('x'), { ttlSeconds: 30 })
  assert.ok((await net.at(2).dht.get(key)).value !== null)
  for (let i = 0; i < 4; i += 1) {
    await net.clock.advance(10_000)
    await quiet()
  }
  assert.equal((await net.at(2).dht.get(key)).value, null)
})

test('what was published alone reaches peers that come later', async () => {
  await using net = await network(1)
  const { dht, host } = net.at(0)
  const key = `/mcp/calc/${host.self}`
  await dht.put(key, utf8('x'))
  await dht.provide('mcp:service:calc')
  const late = await net.add()
  for (let i = 0; i < 4; i += 1) {
    await net.clock.advance(10_000)
    await quiet()
  }
  assert.ok(late.store.get(parseRecordName(key).key) !== undefined)
  assert.equal(late.store.providerCount(), 1)
})

test('providers are found by name, with their addresses', async () => {
  await using net = await network(10)
  const name = 'mcp:service:everything'
  for (const i of [2, 7]) {
    const report = await net.at(i).dht.provide(name)
    assert.deepEqual([report.stored.length, report.failed.length, report.wanted], [10, 0, 20])
  }
  const found = await net.at(9).dht.findProviders(name)
  const expected = [2, 7].map((i) => ({
    peer: net.at(i).host.self,
    addresses: [net.at(i).host.address],
  }))
  assert.deepEqual(new Set(found.providers), new Set(expected))
  assert.deepEqual([found.answered.length, found.failed.length, found.complete], [10, 0, true])
  assert.deepEqual((await net.at(9).dht.findProviders('mcp:service:other')).providers, [])
})

test('unprovide() ends the announcements', async () => {
  await using net = await network(3, { providerTtlSeconds: 600 })
  const { dht } = net.at(0)
  await dht.provide('tool')
  dht.unprovide('tool')
  for (let i = 0; i < 11; i += 1) await net.clock.advance(60_000)
  assert.deepEqual((await net.at(1).dht.findProviders('tool')).providers, [])
})

test('a client asks and publishes, but stores nothing and is in no table', async () => {
  await using net = await network(4)
  const client = await net.add({ mode: 'client' })
  assert.equal(client.dht.peers, 4)
  for (const { dht } of net.nodes.slice(0, 4)) assert.equal(dht.peers, 3)
  const key = `/data/${client.host.self}/x`
  const put = await client.dht.put(key, utf8('x'))
  assert.equal(put.stored.length, 4)
  assert.ok(!put.stored.includes(client.host.self))
  assert.ok((await net.at(2).dht.get(key)).value !== null)
  assert.deepEqual(await net.at(2).dht.findPeer(client.host.self), [client.host.address])
})

test('closest() is exact and findPeer() finds those we never met', async () => {
  await using net = await network(30, { k: 5, replication: 5 })
  const key = utf8('somewhere')
  const { closest, complete } = await net.at(4).dht.closest(key)
  const others = net.nodes.filter(({ host }) => host.self !== net.at(4).host.self)
  assert.deepEqual(new Set(closest), closestNodes(others, 'somewhere', 5))
  assert.ok(complete)

  const { dht, host } = net.at(4)
  host.book.delete(net.at(20).host.self)
  assert.deepEqual(await dht.findPeer(net.at(20).host.self), [net.at(20).host.address])
  assert.deepEqual(await dht.findPeer(signerOf(7).peer), [])
})

test('a caller that gives up is let go at once', async () => {
  await using net = await network(3)
  const silent = {
    id: kadProtocolId(NETWORK),
    framing: 'varint',
    frameBytesMax: 1,
    inboundMax: 1,
    outboundMax: 1,
  } as const
  await net.at(1).host.handle(silent, async () => undefined)
  const caller = new AbortController()
  const got = net.at(0).dht.get(`/data/${net.at(2).host.self}/x`, { signal: caller.signal })
  queueMicrotask(() => caller.abort(new TypeError('never mind')))
  await assert.rejects(got, /never mind/)
})

test('a peer that falls silent is named when the question runs out', async () => {
  await using net = await network(3)
  const { dht } = net.at(0)
  const mute = net.at(1).host
  const protocol = {
    id: kadProtocolId(NETWORK),
    framing: 'varint',
    frameBytesMax: 1,
    inboundMax: 1,
    outboundMax: 1,
  } as const
  await mute.handle(protocol, async () => undefined)
  for (const { dht: other } of [net.at(1)]) await other.stop()
  const got = dht.get(`/data/${net.at(2).host.self}/x`)
  await net.clock.advance(5_000)
  await quiet()
  const { failed } = await got
  assert.deepEqual(
    failed.map(({ peer }) => peer),
    [mute.self],
  )
})

test('a full disk costs a node its copy and nothing else', async () => {
  await using net = await network(4)
  const full = () => {
    throw DhtError.STORE_FULL({ file: 'records.sqlite' })
  }
  net.at(0).store.put = full
  net.at(2).store.put = full
  const [self, , other] = net.nodes.map(({ host }) => host.self)
  const put = await net.at(0).dht.put(`/data/${self}/x`, utf8('x'))
  assert.equal(put.stored.length, 2)
  assert.deepEqual(put.failed, [
    { peer: self, code: 'DHT_STORE_FULL' },
    { peer: other, code: 'DHT_PUT_REFUSED' },
  ])
  assert.ok((await net.at(0).dht.get(`/data/${self}/x`)).value !== null)
})

/** Sends a record of `publisher` to one node as any peer of the network may. */
async function offer(from: Node, to: Node, { version = 1 } = {}) {
  const name = parseRecordName(`/data/${from.host.self}/offered`)
  const value = await recordBytes(name, from.signer, { version, issuedMs: 1_000_000 })
  const channel = await from.host.open(to.host.self, dhtProtocol(NETWORK))
  const record = { key: name.bytes, value }
  await channel.write(encodeMessage({ type: 'putValue', key: name.bytes, record }))
  const answer = decodeMessage((await channel.read()) ?? assert.fail())
  await channel.close()
  return answer.record !== undefined
}

test('a node stores what lies near it; of what lies far it takes nothing, from anybody', async () => {
  await using net = await network(40, { k: 5, replication: 5 })
  const sender = net.at(0)
  const name = `/data/${sender.host.self}/offered`
  const contacts = net.nodes.slice(1).map(({ host }) => contactOf(host.self))
  const order = closestTo(dhtKey(utf8(name)), contacts, 39).map(({ peer }) => peer)
  const nodeAt = (i: number) =>
    net.nodes.find(({ host }) => host.self === order[i]) ?? assert.fail()
  for (const i of [0, 1, 2, 3, 4]) assert.equal(await offer(sender, nodeAt(i)), true)
  for (const i of [36, 37, 38]) {
    assert.equal(await offer(sender, nodeAt(i)), false)
    assert.equal(nodeAt(i).dht.recordsStored, 0)
  }
})

test('what a peer brings counts on the public network that it is connected from', async () => {
  await using net = await network(2)
  const [from, to] = [net.at(0), net.at(1)]
  assert.equal(await offer(from, to), true)
  const site = siteOf('8.8.4.4') ?? assert.fail()
  assert.equal(to.store.usageOf('site', site).records, 0, 'loopback is no public network')
  const connections = to.host.connections()
  to.host.connections = () =>
    connections.map((each) => ({ ...each, address: '/ip4/8.8.8.8/tcp/4001' }))
  assert.equal(await offer(from, to, { version: 2 }), true)
  assert.equal(to.store.usageOf('site', site).records, 1)
  assert.equal(to.store.usageOf('sender', from.host.self).records, 1)
})

test('a DHT that the node did not join cannot be looked into', async () => {
  await using net = await network(1, { extraProtocols: ['/ipfs/kad/1.0.0'] })
  const { dht } = net.at(0)
  assert.deepEqual([dht.extra('/ipfs/kad/1.0.0').peers, dht.peers], [0, 0])
  assert.throws(() => dht.extra('/other/kad/1.0.0'), coded('DHT_PROTOCOL_UNKNOWN'))
})
