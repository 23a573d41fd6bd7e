import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { utf8 } from '../base/index.ts'
import { Density } from './density.ts'
import { holdersOf } from './holders.ts'
import { contactOf, dhtKey } from './key.ts'

const self = contactOf(signerOf(0).peer)
const found = [1, 2, 3, 4, 5].map((seed) => contactOf(signerOf(seed).peer))
const key = dhtKey(utf8('x'))

/** Members that say whether this node is among the closest, and within the region. */
function members({ among, within }: { among: boolean; within: boolean }) {
  const density = new Density(20)
  density.within = () => within
  return { selfAmong: () => among, density }
}

const config = { mode: 'server', replication: 3 } as const

test('the closest hold it, this node in place of the last of them where it belongs', () => {
  const report = { closest: found, region: found, crowded: false }
  const near = members({ among: true, within: false })
  assert.deepEqual(holdersOf(key, report, { self, members: near }, config), {
    here: true,
    others: found.slice(0, 2),
    wanted: 3,
  })
  const far = members({ among: false, within: true })
  const others = found.slice(0, 3)
  assert.deepEqual(holdersOf(key, report, { self, members: far }, config), {
    here: false,
    others,
    wanted: 3,
  })
  const client = holdersOf(key, report, { self, members: near }, { ...config, mode: 'client' })
  assert.deepEqual(client, { here: false, others, wanted: 3 })
})

test('where the place is crowded all of the region holds it', () => {
  const report = { closest: found.slice(0, 3), region: found, crowded: true }
  const inside = { self, members: members({ among: false, within: true }) }
  assert.deepEqual(holdersOf(key, report, inside, config), { here: true, others: found, wanted: 6 })
  const outside = { self, members: members({ among: true, within: false }) }
  assert.deepEqual(holdersOf(key, report, outside, config), {
    here: false,
    others: found,
    wanted: 5,
  })
  assert.equal(holdersOf(key, report, inside, { ...config, mode: 'client' }).here, false)
})
