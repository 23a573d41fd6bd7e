import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { commonPrefixLength, compareDistance, contactOf } from './key.ts'
import { RoutingTable } from './table.ts'
import { bucketsOf } from './table-report.ts'

test('bucketsOf() has every peer of the table once, in the bucket of its shared bits', () => {
  const self = contactOf(signerOf(0).peer)
  const limits = {
    k: 20,
    nearest: 20,
    failuresMax: 3,
    freshMs: 0,
    sitePeersMax: 3,
    siteBucketPeersMax: 2,
  }
  const table = new RoutingTable(self.key, limits)
  const others = Array.from({ length: 30 }, (_, i) => contactOf(signerOf(i + 1).peer))
  for (const contact of others) table.seen(contact, 0)

  const buckets = bucketsOf(self, table)
  const seen = buckets.flatMap(({ peers }) => peers)
  assert.equal(seen.length, table.size)
  assert.deepEqual(
    [...seen].sort(),
    others.flatMap(({ peer }) => (table.has(peer) ? [peer] : [])).sort(),
  )
  for (const { sharedBits, peers } of buckets) {
    const keys = peers.map((peer) => contactOf(peer).key)
    assert.ok(keys.every((key) => commonPrefixLength(self.key, key) === sharedBits))
    assert.deepEqual(
      keys,
      keys.toSorted((a, b) => compareDistance(self.key, a, b)),
    )
  }
  assert.deepEqual(
    buckets.map(({ sharedBits }) => sharedBits),
    [...new Set(buckets.map(({ sharedBits }) => sharedBits))].sort((a, b) => a - b),
  )
})

test('bucketsOf() is empty for an empty table', () => {
  const self = contactOf(signerOf(0).peer)
  assert.deepEqual(bucketsOf(self, { size: 0, closest: () => [] }), [])
})
