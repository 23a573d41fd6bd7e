import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closestTo } from '../../../src/dht/key.ts'
import { chance } from './chance.ts'
import { EventHeap } from './heap.ts'
import { LINK, Network } from './network.ts'
import { worldOracles } from './oracles.ts'
import { randomKey, World } from './world.ts'

const SEED = 11

function filled(nodes: number, adversaries = 0): World {
  const world = new World({ seed: SEED, nodes, adversaries })
  world.fillTables(SEED)
  return world
}

test('nearest() names those whom a look at every node would name', () => {
  const world = new World({ seed: SEED, nodes: 300, adversaries: 0.2 })
  const draw = chance(SEED, 'targets')
  for (let i = 0; i < 50; i += 1) {
    const target = randomKey(draw)
    const honest = world.honest.map(({ contact }) => contact)
    const wanted = closestTo(target, honest, 20).map(({ peer }) => peer)
    const found = world.nearest(target, 20, (node) => node.honest)
    assert.deepEqual(
      found.map(({ contact }) => contact.peer),
      wanted,
    )
  }
  assert.equal(world.nearest(randomKey(draw), 400, () => true).length, 300)
})

test('fillTables() fills each bucket as far as the network and the rules allow', () => {
  const world = filled(300)
  for (const node of world.nodes) {
    // Half of all nodes share no bit with any one, a quarter one: both buckets are full.
    assert.ok(node.table.isFull(0), `bucket 0 of node ${node.index}`)
    assert.ok(node.table.isFull(1), `bucket 1 of node ${node.index}`)
    // In a small network each node knows all of its neighbours.
    const near = world.nearest(node.contact.key, 5, (other) => other !== node)
    for (const { contact } of near) assert.ok(node.table.has(contact.peer))
  }
})

test('tables keep the rule of sites and hold nobody twice', () => {
  const world = filled(300)
  assert.deepEqual(worldOracles(world, { flying: 0 }), { tables: [], questions: [] })
})

test('worldOracles() tells of tables that break a rule and of questions that were lost', () => {
  const world = filled(300)
  const config = { ...world.config, bucketPeersMax: 5, sitePeersMax: 0, siteBucketPeersMax: 0 }
  const strict = { config, honest: world.honest, nodeOf: world.nodeOf.bind(world) }
  const { tables, questions } = worldOracles(strict, { flying: 2 })
  assert.match(tables?.join('\n') ?? '', /bucket of 20/)
  assert.match(tables?.join('\n') ?? '', /of one site/)
  assert.deepEqual(questions, ['2 questions never ended'])
})

test('a world follows from its seed', () => {
  const ids = (seed: number) =>
    new World({ seed, nodes: 20 }).nodes.map(({ contact, host }) => `${contact.peer} ${host}`)
  assert.deepEqual(ids(1), ids(1))
  assert.notDeepEqual(ids(1), ids(2))
})

function wired() {
  const world = filled(100, 0.1)
  const heap = new EventHeap()
  const network = new Network({ world, heap, chance: chance(SEED, 'run') })
  const [asker, asked] = world.honest
  const liar = world.nodes.find(({ honest }) => !honest)
  if (asker === undefined || asked === undefined || liar === undefined) assert.fail()
  return { world, heap, network, asker, asked, liar }
}

test('ask() brings the k closest that the other knows, without the asker, after one round trip', () => {
  const { heap, network, asker, asked, world } = wired()
  const target = asker.contact.key
  let named: readonly string[] = []
  network.ask(asker, asked.contact, target, (closer) => {
    named = (closer ?? []).map(({ peer }) => peer)
  })
  assert.equal(network.flying, 1)
  heap.run(() => false)
  const known = asked.table.closest(target, 30).map(({ peer }) => peer)
  const wanted = known.filter((peer) => peer !== asker.contact.peer).slice(0, world.config.k)
  assert.deepEqual(named, wanted)
  assert.ok(Math.abs(heap.nowMs - 2 * LINK.oneWayMs) <= 2 * LINK.oneWayMs * LINK.jitter)
  assert.equal(network.flying, 0)
})

test('ask() ends with nothing when the other is dead, silent or named at a dead address', () => {
  const { heap, network, asker, asked, liar, world } = wired()
  const ends: unknown[] = []
  const target = asker.contact.key
  network.ask(asker, liar.contact, target, (closer) => ends.push(closer))
  network.ask(asker, { ...asked.contact, dead: true }, target, (closer) => ends.push(closer))
  heap.run(() => false)
  asked.alive = false
  network.ask(asker, asked.contact, target, (closer) => ends.push(closer))
  heap.run(() => false)
  assert.deepEqual(ends, [undefined, undefined, undefined])
  assert.ok(heap.nowMs >= 2 * world.config.questionTimeoutMs)
})
