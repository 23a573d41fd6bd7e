import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DhtKey, KEY_BYTES } from '../../../src/dht/key.ts'
import { Lookup } from '../../../src/dht/lookup.ts'
import { chance } from './chance.ts'
import { STOCK, StockPaths } from './stock-paths.ts'
import { inventedContact } from './world.ts'

const target = new Uint8Array(KEY_BYTES) as DhtKey

/** A peer at a distance of `away` steps. */
function at(away: number) {
  const key = new Uint8Array(KEY_BYTES)
  key[0] = away
  return inventedContact(`at ${away}`, key)
}

const self = at(255).peer
const seeds = Array.from({ length: 20 }, (_, i) => at(100 + i))

function stock() {
  return new StockPaths(target, self, seeds, chance(1, 'stock'))
}

test('start() asks on ten paths at once', () => {
  const { ask, done } = stock().start()
  assert.equal(ask.length, 20)
  assert.equal(done, false)
})

test('a peer that one path was told of is lost to all others, even when it never answers', () => {
  const paths = stock()
  const [liar, honest] = paths.start().ask
  if (liar === undefined || honest === undefined) assert.fail()
  const burned = at(1)
  assert.deepEqual(paths.answered(liar.peer, [burned]).ask, [burned])
  assert.deepEqual(paths.failed(burned.peer).ask, [])
  assert.deepEqual(paths.answered(honest.peer, [burned]).ask, [], 'named by an honest peer as well')
  assert.ok(!paths.report().answered.includes(burned.peer))
})

test('ours asks it again when another path is told of it', () => {
  const lookup = new Lookup(target, self, seeds, {
    ...STOCK,
    alpha: 5,
    paths: 8,
    questionsMax: 200,
  })
  const [liar, honest] = lookup.start().ask
  if (liar === undefined || honest === undefined) assert.fail()
  const burned = at(1)
  assert.deepEqual(lookup.answered(liar.peer, [burned]).ask, [burned])
  lookup.failed(burned.peer)
  assert.deepEqual(lookup.answered(honest.peer, [burned]).ask, [burned])
})

test('only those closer than who named them are followed', () => {
  const paths = stock()
  const [first] = paths.start().ask
  if (first === undefined) assert.fail()
  const { ask } = paths.answered(first.peer, [at(200), at(3), inventedContact(self, at(2).key)])
  assert.deepEqual(ask, [at(3)])
})

test('it ends when all paths have nobody left to ask', () => {
  const paths = stock()
  let step = paths.start()
  for (const { peer } of step.ask) step = paths.answered(peer, [])
  assert.equal(step.done, true)
  assert.equal(paths.report().closest.length, STOCK.k)
})
