import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distanceShare } from '../../../src/dht/density.ts'
import { compareDistance } from '../../../src/dht/key.ts'
import { chance } from './chance.ts'
import { LIES, liars } from './liars.ts'
import { mean, quantile } from './measure.ts'
import type { Named } from './network.ts'
import { runTrial } from './trial.ts'
import { randomKey, World } from './world.ts'

const small = { seed: 3, nodes: 300, lookups: 40 }

test('the same seed gives the same events, another seed others', () => {
  const { eventHash } = runTrial(small)
  assert.equal(runTrial(small).eventHash, eventHash)
  assert.notEqual(runTrial({ ...small, seed: 4 }).eventHash, eventHash)
})

test('in a healthy network every lookup finds the true closest, all of them', () => {
  const { figures, oracles, entries } = runTrial(small)
  assert.equal(figures.reached, 1)
  assert.equal(figures.exact, 1)
  assert.equal(figures.reported, 1)
  assert.ok(figures.hopsP99 <= 4)
  assert.ok(entries.mean <= entries.bound)
  assert.deepEqual(oracles, { tables: [], questions: [] })
})

test('among liars ours reaches more than the logic of stock kad-dht, with fewer questions', () => {
  for (const lie of ['inventing', 'burning'] as const) {
    const trial = { seed: 3, nodes: 1_000, lookups: 40, adversaries: 0.3, lie }
    const ours = runTrial(trial).figures
    const stock = runTrial({ ...trial, paths: 'stock' }).figures
    assert.ok(ours.reached >= 0.95, `${lie}: ours reached ${ours.reached}`)
    assert.ok(stock.reached < ours.reached, `${lie}: stock reached ${stock.reached}`)
    assert.ok(stock.rpcPerLookup > ours.rpcPerLookup)
  }
})

test('liars name k peers closer than any node, or the closest nodes under dead addresses', () => {
  const world = new World({ seed: 5, nodes: 1_000, adversaries: 0.2 })
  const draw = chance(5, 'lies')
  const [asker] = world.honest
  const liar = world.nodes.find(({ honest }) => !honest)
  if (asker === undefined || liar === undefined) assert.fail()
  const target = randomKey(draw)
  const [nearest] = world.nearest(target, 1, () => true)
  if (nearest === undefined) assert.fail()
  for (const lie of LIES) {
    const answer = liars(lie, world, draw)
    const named: readonly Named[] = answer(liar.contact, target, asker) ?? []
    assert.equal(named.length, world.config.k)
    if (lie === 'burning') {
      const near = world.nearest(target, world.config.k, ({ honest }) => honest)
      assert.deepEqual(
        named.map(({ peer }) => peer),
        near.map(({ contact }) => contact.peer),
      )
      assert.ok(named.every(({ dead }) => dead === true))
      continue
    }
    for (const { key, dead } of named) {
      assert.ok(compareDistance(target, key, nearest.contact.key) < 0)
      assert.notEqual(dead, true)
    }
  }
})

test('luring liars come closer with every name', () => {
  const world = new World({ seed: 5, nodes: 100 })
  const draw = chance(5, 'lies')
  const [asker] = world.honest
  if (asker === undefined) assert.fail()
  const target = randomKey(draw)
  const answer = liars('luring', world, draw)
  const named = [1, 2, 3].flatMap(() => answer(asker.contact, target, asker) ?? [])
  const away = named.map(({ key }) => distanceShare(target, key))
  assert.deepEqual(
    away,
    away.toSorted((a, b) => b - a),
  )
  assert.equal(new Set(away).size, away.length)
})

test('quantile() and mean() of nothing are 0; of values they are what a person would count', () => {
  assert.equal(quantile([], 0.5), 0)
  assert.equal(mean([]), 0)
  assert.equal(quantile([3, 1, 2], 0.5), 2)
  assert.equal(quantile([1, 2, 3, 4], 1), 4)
  assert.equal(
    quantile(
      Array.from({ length: 100 }, (_, i) => i + 1),
      0.99,
    ),
    99,
  )
  assert.equal(mean([1, 2, 6]), 3)
})
