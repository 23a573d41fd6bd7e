import assert from 'node:assert/strict'
import { test } from 'node:test'
import { distanceShare } from '../../../src/dht/density.ts'
import { chance } from './chance.ts'
import { lay, plan } from './siege.ts'
import { idsAround, sybilsAt } from './sybils.ts'
import { randomKey } from './world.ts'

const wanted = { seed: 2, nodes: 400, keys: 1, readsPerKey: 8, sybilsPerKey: 45 }
const siege = plan(wanted)

test('values written and read among 45 Sybils are found, and stay at honest nodes', async () => {
  const found = await lay(siege, { region: true })
  assert.equal(found.reads, 8)
  assert.equal(found.success, 1)
  assert.equal(found.stale, 0)
  assert.ok(found.holdersMin >= 4, `${found.holdersMin} honest nodes hold the value`)
  assert.ok(found.crowded > 0, 'nobody noticed the Sybils')
})

test('without the rule of the region the same reads find nothing', async () => {
  const { success } = await lay(siege, { region: false })
  assert.ok(success < 0.5, `${success} of the reads`)
})

test('the same seed gives the same siege, another seed another', async () => {
  const hash = async (seed: number) => {
    const small = plan({ ...wanted, seed, nodes: 100, sybilsPerKey: 10, readsPerKey: 2 })
    return (await lay(small, { region: true })).eventHash
  }
  assert.equal(await hash(1), await hash(1))
  assert.notEqual(await hash(1), await hash(2))
})

test('Sybils lie where they were told to lie, in as many networks as they were given', () => {
  const draw = chance(7, 'sybils')
  const target = randomKey(draw)
  const ids = idsAround({ target, count: 12, within: 1 / 50 }, draw)
  const found = sybilsAt(ids, 3, draw)
  assert.equal(new Set(found.map(({ contact }) => contact.peer)).size, 12)
  for (const { contact, honest } of found) {
    assert.ok(distanceShare(target, contact.key) < 1 / 50)
    assert.equal(honest, false)
  }
  const sites = new Set(found.map(({ host }) => host.split('.').slice(0, 2).join('.')))
  assert.equal(sites.size, 3)
})
