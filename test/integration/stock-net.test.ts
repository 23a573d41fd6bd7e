/**
 * What stock js-libp2p gets wrong in a lookup, and ours does not: both on the same network, so that
 * a test fails if either changes (the numbers are those of docs/protocols/dht.md).
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/base/index.ts'
import type { PeerId } from '../../src/identity/index.ts'
import { K, StockWorld, type Walked } from '../support/stock-world.ts'

const NODES = 300
const KEYS = Array.from({ length: 6 }, (_, i) => utf8(`key ${i}`))

/** The share of the true k closest that a lookup found. */
function shareFound({ closest }: Walked, truth: readonly PeerId[]): number {
  return truth.filter((peer) => closest.includes(peer)).length / K
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

test('5: a liar that names the closest under dead addresses burns them for stock, not for us', async (t) => {
  const stock: number[] = []
  const ours: number[] = []
  for (const key of KEYS.slice(0, 4)) {
    const world = new StockWorld(NODES, 'world of liars')
    const asker = world.farFrom(key)
    const truth = world.truth(key, asker)
    const before = shareFound(await world.stock(asker, key), truth)
    assert.ok(before >= 0.9, `stock finds ${before} where nobody lies`)
    world.corrupt(world.seedOf(asker, key, truth))
    stock.push(shareFound(await world.stock(asker, key), truth))
    ours.push(shareFound(await world.ours(asker, key), truth))
  }
  const shares = `stock finds ${stock.join(' ')}; ours ${ours.join(' ')}`
  t.diagnostic(`one liar of ${NODES}: of the true closest ${shares}`)
  assert.deepEqual(ours, [1, 1, 1, 1])
  assert.ok(mean(stock) < 0.6, `stock found ${mean(stock)}`)
})

test('6: stock goes on until every path has k; ours splits k across its paths', async (t) => {
  const world = new StockWorld(NODES, 'world')
  const stock: number[] = []
  const ours: number[] = []
  for (const key of KEYS) {
    const asker = world.farFrom(key)
    const truth = world.truth(key, asker)
    const [theirs, own] = [await world.stock(asker, key), await world.ours(asker, key)]
    assert.ok(shareFound(theirs, truth) >= 0.9)
    assert.equal(shareFound(own, truth), 1)
    stock.push(theirs.responses)
    ours.push(own.responses)
  }
  t.diagnostic(`responses of a lookup at ${NODES}: stock ${mean(stock)}, ours ${mean(ours)}`)
  assert.ok(mean(ours) <= 50, `ours: ${mean(ours)}`)
  assert.ok(mean(stock) > 1.6 * mean(ours), `stock: ${mean(stock)}, ours: ${mean(ours)}`)
})
