import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AGENTS_NETWORK,
  agentOf,
  preKeysOf,
  recordValue,
  type TestAgent,
} from '../../test/support/agents.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Emitter, Registry, seededRandom, silentLog } from '../base/index.ts'
import { ethRecordKey, openEthValue } from '../dht/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { ConnectionInfo, NetEvents } from '../net/index.ts'
import { presenceMetrics } from './metrics.ts'
import { OwnRecord } from './own-record.ts'
import { Presence, type PresenceDeps } from './presence.ts'

const NOW_MS = 1_800_000_000_000
const INTERVAL_MS = 1_200_000
const alice = agentOf(1)
const bob = agentOf(2)

function setup(over: Partial<PresenceDeps> = {}) {
  const clock = new FakeClock(NOW_MS)
  const net = new Emitter<NetEvents>((error) => assert.fail(String(error)))
  const world = {
    peers: [bob.node.peer],
    /** How many peers take a record, of 20. */
    holders: 20,
    values: new Map<string, Uint8Array>(),
    isDown: false,
    /** Peers that do not answer; with `isAlone` there is nobody to ask. */
    silent: [] as PeerId[],
    isAlone: false,
    gets: 0,
  }
  const puts: { key: string; version: number; ttlSeconds: number | undefined; atMs: number }[] = []
  const random = seededRandom('presence')
  const common = { clock, random, log: silentLog, network: AGENTS_NETWORK }
  const preKeys = preKeysOf(alice, clock)
  const own = new OwnRecord({ ...common, eth: alice.eth, signer: alice.node, preKeys })
  const registry = new Registry()
  const deps: PresenceDeps = {
    ...common,
    own,
    metrics: presenceMetrics(registry),
    dht: {
      async put(key, value, { ttlSeconds, version = 0 } = {}) {
        if (world.isDown) throw new TypeError('nobody answers')
        puts.push({ key, version, ttlSeconds, atMs: clock.now() })
        world.values.set(key, value)
        const stored = Array.from({ length: world.holders }, () => bob.node.peer)
        return { key, version, stored, failed: [], wanted: 20 }
      },
      async get(key) {
        world.gets += 1
        if (world.isDown) throw new TypeError('nobody answers')
        const value = world.values.get(key) ?? null
        const found = { key, value, publisher: null, version: null }
        const failed = world.silent.map((peer) => ({ peer, code: 'NET_CONNECT_FAILED' }))
        const answered = world.isAlone ? [alice.node.peer] : [alice.node.peer, bob.node.peer]
        return { ...found, answered, failed, complete: !world.isAlone }
      },
    },
    host: {
      self: alice.node.peer,
      events: net,
      addresses: () => ['/ip4/192.0.2.1/tcp/9000'],
      connections: () => world.peers.map((peer) => ({ peer }) as ConnectionInfo),
    },
    addressesOf: async (peer) => [`/ip4/192.0.2.2/tcp/9000/p2p/${peer}`],
    ...over,
  }
  const presence = new Presence(deps, { ttlSeconds: 3_600, intervalMs: INTERVAL_MS })
  const comes = () => net.emit('identified', { peer: bob.node.peer, protocols: [] })
  const lookups = (outcome: string) => registry.total('p2p_agent_lookups', { outcome })
  return { presence, clock, world, puts, own, comes, lookups }
}

/** That so many have no record of bob, and so many did not say. */
const uncertain = (answered: number, failed: number) => ({
  code: 'AGENT_RECORD_UNCERTAIN',
  retryable: true,
  facts: { address: bob.eth.address, answered, failed },
})

/** Has `agent` in the DHT, with its pre-keys. */
async function publish(
  { clock, world }: ReturnType<typeof setup>,
  agent: TestAgent,
  version = clock.now(),
): Promise<Uint8Array> {
  const preKeys = await preKeysOf(agent, clock).current()
  const value = await recordValue(agent, clock.now(), { version, preKeys })
  world.values.set(ethRecordKey(agent.eth.address), value)
  return value
}

test('its own record is written once there is a peer, and again before it expires', async () => {
  const all = setup()
  const { presence, clock, world, puts, comes } = all
  world.peers = []
  await presence.start()
  assert.ok(presence.binding() !== undefined, 'there from the start')
  await clock.advance(60_000)
  assert.equal(puts.length, 0)
  world.peers = [bob.node.peer]
  comes()
  comes()
  await clock.advance(1_000)
  await clock.advance(INTERVAL_MS)
  await presence.stop()
  assert.deepEqual(
    puts.map(({ key, ttlSeconds }) => [key, ttlSeconds]),
    [1, 2].map(() => [ethRecordKey(alice.eth.address), 3_600]),
  )
  const [first, second] = puts
  assert.ok(first !== undefined && second !== undefined && second.version > first.version)
  const value = world.values.get(first.key) ?? assert.fail()
  const { binding } = openEthValue(value, { network: AGENTS_NETWORK, nowMs: clock.now() })
  assert.deepEqual([binding.version, binding.peer], [second.version, alice.node.peer])
})

test('it is written over what the address said through another peer', async () => {
  const all = setup()
  const { presence, clock, puts } = all
  await publish(all, { eth: alice.eth, node: bob.node }, NOW_MS + 50_000)
  await presence.start()
  await clock.advance(1_000)
  await presence.stop()
  assert.deepEqual(
    puts.map(({ version }) => version),
    [NOW_MS + 50_001],
  )
})

test('while too few hold it, and while nobody answers, it is written again sooner', async () => {
  const { presence, clock, world, puts } = setup()
  world.holders = 3
  await presence.start()
  await clock.advance(1_000)
  assert.equal(puts.length, 1)
  await clock.advance(15_000)
  assert.equal(puts.length, 2)
  world.isDown = true
  await clock.advance(60_000)
  world.isDown = false
  world.holders = 20
  await clock.advance(120_000)
  assert.ok(puts.length >= 3)
  const written = puts.length
  await clock.advance(60_000)
  assert.equal(puts.length, written, 'enough hold it')
  world.peers = []
  await clock.advance(INTERVAL_MS)
  await presence.stop()
  assert.equal(puts.length, written, 'there is nobody to write it to')
})

test('an address is found in the DHT, with keys and addresses, and known for five minutes', async () => {
  const all = setup()
  const { presence, clock, world, lookups } = all
  await publish(all, bob)
  const found = await presence.find(bob.eth.address)
  assert.equal(found?.peer, bob.node.peer)
  assert.equal(found.preKeys.length, 1)
  assert.deepEqual(found.addresses, [`/ip4/192.0.2.2/tcp/9000/p2p/${bob.node.peer}`])
  await presence.find(bob.eth.address)
  assert.equal(world.gets, 1)
  await clock.advance(300_000)
  await presence.find(bob.eth.address)
  assert.equal(world.gets, 2)
  presence.forget(bob.eth.address)
  await presence.find(bob.eth.address)
  assert.deepEqual([world.gets, await lookups('found'), await lookups('known')], [3, 3, 1])
})

test('its own address is found without asking anybody', async () => {
  const { presence, world, lookups } = setup()
  const own = await presence.find(alice.eth.address)
  assert.deepEqual([own?.peer, own?.addresses.length, world.gets], [alice.node.peer, 1, 0])
  assert.equal(await lookups('own'), 1)
})

test('where the network does not answer, what was known serves while its binding holds', async () => {
  const all = setup()
  const { presence, clock, world, lookups } = all
  assert.equal(await presence.find(bob.eth.address), undefined)
  await publish(all, bob)
  await presence.find(bob.eth.address)
  world.isDown = true
  await clock.advance(3_600_000)
  assert.equal((await presence.find(bob.eth.address))?.peer, bob.node.peer)
  world.isDown = false
  world.values.clear()
  assert.equal((await presence.find(bob.eth.address))?.peer, bob.node.peer, 'its record expired')
  await clock.advance(86_400_000)
  assert.equal(await presence.find(bob.eth.address), undefined)
  assert.deepEqual([await lookups('stale'), await lookups('nobody')], [2, 2])
})

test('that nobody has a record is said only where everybody was asked and answered', async () => {
  const all = setup()
  const { presence, world, lookups } = all
  const find = () => presence.find(bob.eth.address)
  assert.equal(await find(), undefined)
  world.silent = [agentOf(3).node.peer, agentOf(4).node.peer]
  await assert.rejects(find(), uncertain(1, 2))
  world.silent = []
  world.isAlone = true
  await assert.rejects(find(), uncertain(0, 0))
  world.isDown = true
  await assert.rejects(find(), uncertain(0, 0))
  assert.deepEqual([await lookups('nobody'), await lookups('uncertain')], [1, 3])
  world.isDown = false
  world.silent = [agentOf(3).node.peer]
  await publish(all, bob)
  assert.equal((await find())?.peer, bob.node.peer)
})

test('a look-up that was called off rejects', async () => {
  const { presence, world } = setup()
  world.isDown = true
  const signal = AbortSignal.abort(new TypeError('called off'))
  await assert.rejects(presence.find(bob.eth.address, { signal }), /called off/)
})

test('the record of another address in its place, and one that does not hold, is nobody’s', async () => {
  const all = setup()
  const { presence, world, clock } = all
  const key = ethRecordKey(bob.eth.address)
  world.values.set(key, await recordValue(agentOf(3), clock.now()))
  assert.equal(await presence.find(bob.eth.address), undefined)
  world.values.set(key, await recordValue(bob, clock.now(), { network: 'elsewhere' }))
  assert.equal(await presence.find(bob.eth.address), undefined)
})

test('whoever was heard with keys needs no look-up, and an older record does not replace it', async () => {
  const all = setup()
  const { presence, world } = all
  const at = { network: AGENTS_NETWORK, nowMs: NOW_MS }
  const older = await publish(all, { eth: bob.eth, node: agentOf(3).node }, NOW_MS - 5)
  presence.heard({ record: openEthValue(await publish(all, bob), at) })
  presence.heard({ record: openEthValue(older, at) })
  assert.equal((await presence.find(bob.eth.address))?.peer, bob.node.peer)
  assert.equal(world.gets, 0)
  // A status has no keys: what it says of keys is nothing.
  presence.heard({
    record: openEthValue(await recordValue(bob, NOW_MS, { version: NOW_MS + 1 }), at),
  })
  assert.equal((await presence.find(bob.eth.address))?.preKeys.length, 1)
})

test('it tells when an address speaks through another peer, also of a status, and looks for its keys', async () => {
  const all = setup()
  const { presence, world } = all
  const at = { network: AGENTS_NETWORK, nowMs: NOW_MS }
  const moved: unknown[] = []
  presence.events.on('moved', ({ peer, binding }) => moved.push([peer, binding.address]))
  const { address } = bob.eth
  presence.heard({ record: openEthValue(await publish(all, bob, NOW_MS - 5), at) })
  assert.equal(presence.newest(address)?.peer, bob.node.peer)
  const elsewhere = { eth: bob.eth, node: agentOf(3).node }
  const brief = (version: number) => recordValue(elsewhere, NOW_MS, { version })
  presence.heard({ record: openEthValue(await brief(NOW_MS - 9), at) })
  assert.deepEqual([moved, presence.newest(address)?.peer], [[], bob.node.peer])
  presence.heard({ record: openEthValue(await brief(NOW_MS - 4), at) })
  assert.deepEqual(moved, [[agentOf(3).node.peer, address]])
  assert.equal(presence.newest(address)?.peer, agentOf(3).node.peer)
  await publish(all, elsewhere, NOW_MS - 4)
  const found = await presence.find(address)
  assert.deepEqual([found?.peer, found?.preKeys.length], [agentOf(3).node.peer, 1])
  assert.equal(world.gets, 1)
  assert.equal(moved.length, 1)
})

test('pre-keys that nobody signed, or whose time is over, are left out', async () => {
  const all = setup()
  const { presence, clock, world } = all
  const strange = await preKeysOf(agentOf(3), clock).current()
  const own = await preKeysOf(bob, clock).current()
  const value = await recordValue(bob, clock.now(), { preKeys: [...strange, ...own] })
  world.values.set(ethRecordKey(bob.eth.address), value)
  assert.equal((await presence.find(bob.eth.address))?.preKeys.length, 1)
})

test('without a DHT who was heard is found, and nothing is written', async () => {
  const all = setup({ dht: null })
  const { presence, world, clock, puts } = all
  await presence.start()
  await assert.rejects(presence.find(bob.eth.address), uncertain(0, 0))
  const value = await publish(all, bob)
  const record = openEthValue(value, { network: AGENTS_NETWORK, nowMs: NOW_MS })
  presence.heard({ record })
  await clock.advance(600_000)
  assert.equal((await presence.find(bob.eth.address))?.peer, bob.node.peer)
  await presence.stop()
  assert.deepEqual([puts, world.gets], [[], 0])
})
