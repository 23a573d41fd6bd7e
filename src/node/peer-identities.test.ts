import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Emitter, seededRandom, silentLog } from '../base/index.ts'
import { generateKeys, type PeerId } from '../identity/index.ts'
import type { McpEvents, ServiceStatus } from '../mcp/index.ts'
import type { ConnectionInfo, NetEvents } from '../net/index.ts'
import type { TopicRules } from '../pubsub/index.ts'
import { PEER_IDENTITY_TOPIC, PeerIdentities, type PeerIdentitiesDeps } from './peer-identities.ts'
import {
  decodePeerIdentity,
  encodePeerIdentity,
  type PeerIdentity,
  signPeerIdentity,
} from './peer-identity.ts'

const alice = generateKeys(seededRandom('alice')).signer
const bob = generateKeys(seededRandom('bob')).signer
const INTERVAL_MS = 1_200_000
const NETWORK = 'test'

type Put = Readonly<{ key: string; value: Uint8Array; ttlSeconds: number | undefined }>

function setup(over: Partial<PeerIdentitiesDeps> = {}) {
  const clock = new FakeClock(1_000_000)
  const fail = (error: unknown) => assert.fail(String(error))
  const net = new Emitter<NetEvents>(fail)
  const mcp = new Emitter<McpEvents>(fail)
  const world = {
    addresses: ['/ip4/192.0.2.1/tcp/9000'],
    peers: [bob.peer] as PeerId[],
    services: [] as Pick<ServiceStatus, 'name' | 'state' | 'tools'>[],
    /** How many peers take a record, of 20. */
    holders: 20,
    /** What stands in the DHT for other peers. */
    value: null as Uint8Array | null,
  }
  const puts: Put[] = []
  const told: PeerIdentity[] = []
  let rules: TopicRules<PeerIdentity> | undefined
  const deps: PeerIdentitiesDeps = {
    dht: {
      async put(key, value, { ttlSeconds } = {}) {
        puts.push({ key, value, ttlSeconds })
        const stored = Array.from({ length: world.holders }, () => bob.peer)
        return { key, version: puts.length, stored, failed: [], wanted: 20 }
      },
      async get(key) {
        const { value } = world
        const found = { key, value, publisher: null, version: null }
        return { ...found, answered: [bob.peer], failed: [], complete: true }
      },
    },
    pubsub: {
      topic(name, given) {
        assert.equal(name, PEER_IDENTITY_TOPIC)
        rules = given as unknown as TopicRules<PeerIdentity>
      },
      async publish(topic, value) {
        told.push(value as PeerIdentity)
        return { topic, peers: 0, mesh: 0, state: 'nobody-listens' }
      },
    },
    services: { events: mcp, list: () => world.services },
    host: {
      self: alice.peer,
      events: net,
      addresses: () => world.addresses,
      connections: () => world.peers.map((peer) => ({ peer }) as ConnectionInfo),
    },
    signer: alice,
    clock,
    random: seededRandom('identities'),
    log: silentLog,
    network: NETWORK,
    ...over,
  }
  const config = { ttlSeconds: 3_600, intervalMs: INTERVAL_MS, roles: ['dht:server'] }
  const identities = new PeerIdentities(deps, config)
  const last = () => {
    const put = puts.at(-1)
    assert.ok(put !== undefined)
    return decodePeerIdentity(put.value)
  }
  const stop = async () => {
    await identities.stop()
    assert.equal(clock.waiting, 0, 'nothing waits any more')
  }
  const ruled = () => {
    assert.ok(rules !== undefined)
    return rules
  }
  return { clock, net, mcp, world, puts, told, identities, last, stop, ruled }
}

const calc = {
  name: 'calc',
  state: 'ready',
  tools: [{ name: 'add', description: '', inputSchema: {}, idempotent: true, readOnly: true }],
} as const

test('a node with a peer writes who it is under its own name, and tells it on the topic', async () => {
  const { clock, world, puts, told, identities, last, stop } = setup()
  world.services.push(calc, { ...calc, name: 'later', state: 'starting' })
  await identities.start()
  await clock.advance(2_000)
  assert.deepEqual(
    puts.map(({ key, ttlSeconds }) => ({ key, ttlSeconds })),
    [{ key: `/peer/${alice.peer}`, ttlSeconds: 3_600 }],
  )
  const { peer, endpoints, capabilities, lastSeenMs } = last()
  assert.deepEqual(
    { peer, endpoints, capabilities, lastSeenMs },
    {
      peer: alice.peer,
      endpoints: world.addresses,
      capabilities: ['dht:server', 'mcp:service:calc', 'mcp:tool:add'],
      lastSeenMs: 1_001_000,
    },
  )
  assert.deepEqual(told, [last()])
  await stop()
})

test('a node without peers writes nothing until the first one comes', async () => {
  const { clock, net, world, puts, identities, stop } = setup()
  world.peers = []
  await identities.start()
  await clock.advance(INTERVAL_MS * 2)
  assert.equal(puts.length, 0)
  world.peers = [bob.peer]
  net.emit('identified', { peer: bob.peer, protocols: [] })
  await clock.advance(2_000)
  assert.equal(puts.length, 1)
  await stop()
})

test('the record is renewed with a new time before it expires', async () => {
  const { clock, puts, identities, last, stop } = setup()
  await identities.start()
  await clock.advance(2_000)
  await clock.advance(INTERVAL_MS)
  assert.equal(puts.length, 2)
  assert.ok(last().lastSeenMs > 1_000_000 + INTERVAL_MS / 2)
  await stop()
})

test('a change is written once things have settled, and never twice within ten seconds', async () => {
  const { clock, net, mcp, world, puts, identities, last, stop } = setup()
  await identities.start()
  await clock.advance(20_000)
  assert.equal(puts.length, 1)
  for (let i = 2; i < 6; i += 1) {
    world.addresses = [`/ip4/192.0.2.${i}/tcp/9000`]
    net.emit('addresses', { addresses: world.addresses })
    await clock.advance(100)
  }
  assert.equal(puts.length, 1)
  await clock.advance(1_000)
  assert.equal(puts.length, 2)
  assert.deepEqual(last().endpoints, ['/ip4/192.0.2.5/tcp/9000'])
  world.services.push(calc)
  mcp.emit('servicesChanged', { services: [] })
  await clock.advance(7_000)
  assert.equal(puts.length, 2)
  await clock.advance(3_000)
  assert.deepEqual([puts.length, last().capabilities.length], [3, 3])
  await stop()
})

test('an event that changes nothing about us writes nothing', async () => {
  const { clock, net, mcp, world, puts, identities, stop } = setup()
  await identities.start()
  await clock.advance(20_000)
  net.emit('addresses', { addresses: world.addresses })
  net.emit('identified', { peer: bob.peer, protocols: [] })
  mcp.emit('servicesChanged', { services: [] })
  await clock.advance(60_000)
  assert.equal(puts.length, 1)
  await stop()
})

test('while too few hold it, it is written again soon, and less and less often', async () => {
  const { clock, world, puts, identities, stop } = setup()
  world.holders = 3
  await identities.start()
  await clock.advance(32_000)
  const soon = puts.length
  await clock.advance(10 * INTERVAL_MS)
  const late = puts.length
  assert.equal(soon, 2)
  assert.ok(late > 10 && late < 30, `${late} writes`)
  await stop()
})

test('a write that fails is tried again', async () => {
  const { clock, identities, stop } = setup({
    dht: {
      put: () => {
        failed += 1
        return Promise.reject(new Error('no network'))
      },
      get: () => assert.fail('nothing is read'),
    },
  })
  let failed = 0
  await identities.start()
  await clock.advance(2_000)
  await clock.advance(31_000)
  assert.equal(failed, 2)
  await stop()
})

test('of() verifies what it read, and says when nobody has it', async () => {
  const { world, identities } = setup()
  const nobody = await identities.of(bob.peer)
  assert.deepEqual([nobody.identity, nobody.complete, nobody.answered], [null, true, [bob.peer]])
  const claims = { endpoints: ['/ip6/2001:db8::1/tcp/9000'], capabilities: ['dht:server'] }
  const theirs = await signPeerIdentity(claims, bob, { network: NETWORK, lastSeenMs: 900_000 })
  world.value = encodePeerIdentity(theirs)
  assert.deepEqual((await identities.of(bob.peer)).identity, theirs)
})

test('of() refuses one of somebody else, of another network, and one that nobody signed', async () => {
  const { world, identities } = setup()
  const none = { endpoints: [], capabilities: [] }
  const here = { network: NETWORK, lastSeenMs: 900_000 }
  const theirs = await signPeerIdentity(none, bob, here)
  for (const wrong of [
    await signPeerIdentity(none, alice, here),
    await signPeerIdentity(none, bob, { ...here, network: 'main' }),
    { ...theirs, capabilities: ['dht:server'] },
  ]) {
    world.value = encodePeerIdentity(wrong)
    await assert.rejects(identities.of(bob.peer), coded('NODE_PEER_IDENTITY_BROKEN'))
  }
})

test('of() gives our own without asking anybody', async () => {
  const { identities, world } = setup()
  world.value = new Uint8Array(3)
  const { identity } = await identities.of(alice.peer)
  assert.deepEqual([identity?.peer, identity?.endpoints], [alice.peer, world.addresses])
})

test('the topic believes what the peer itself signed, whoever hands it on, and nothing else', async () => {
  const { identities, ruled, stop, clock } = setup()
  await identities.start()
  const { codec, schema } = ruled()
  assert.ok(codec !== undefined && schema !== undefined)
  const none = { endpoints: [], capabilities: [] }
  const theirs = await signPeerIdentity(none, bob, { network: NETWORK, lastSeenMs: 900_000 })
  assert.deepEqual(schema(codec.decode(codec.encode(theirs))), theirs)
  const bent = { ...theirs, capabilities: ['dht:server'] }
  assert.throws(() => schema(codec.decode(codec.encode(bent))), coded('NODE_PEER_IDENTITY_BROKEN'))
  await clock.advance(3_600_000)
  const lastSeenMs = clock.now() - 3_600_000
  const kept = await signPeerIdentity(none, bob, { network: NETWORK, lastSeenMs })
  assert.deepEqual(schema(kept), kept)
  const old = { network: NETWORK, lastSeenMs: lastSeenMs - 1 }
  const stale = await signPeerIdentity(none, bob, old)
  assert.throws(() => schema(stale), coded('NODE_PEER_IDENTITY_BROKEN'))
  await stop()
})
