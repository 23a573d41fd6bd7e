import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, commonPrefixLength, type DhtKey } from './key.ts'
import { RoutingTable } from './table.ts'

const SELF = new Uint8Array(32) as DhtKey
const config = { k: 3, failuresMax: 3, freshMs: 10 }

/** A contact whose key begins with `head`; all others of its bytes say which one it is. */
function contact(head: number, n = 0): Contact {
  const key = new Uint8Array(32).fill(n)
  key[0] = head
  return { peer: `${head}-${n}` as PeerId, key: key as DhtKey }
}

/** A table whose bucket of prefix 0 is full of 0x80-0, 0x80-1 and 0x80-2, seen in that order. */
function fullBucket() {
  const table = new RoutingTable(SELF, config)
  for (const n of [0, 1, 2]) assert.equal(table.seen(contact(0x80, n), n), undefined)
  return table
}

test('a full bucket keeps its peers and asks after the least recently seen', () => {
  const table = fullBucket()
  assert.deepEqual(table.seen(contact(0x80, 3), 100), contact(0x80, 0))
  assert.equal(table.has(contact(0x80, 3).peer), false)
  assert.equal(table.seen(contact(0x80, 4), 101), undefined, 'one is asked at a time')

  assert.equal(table.seen(contact(0x80, 0), 102), undefined, 'it answered and stays')
  assert.ok(table.has(contact(0x80, 0).peer))
  assert.deepEqual(table.seen(contact(0x80, 5), 103), contact(0x80, 1), 'now the next is oldest')
})

test('a peer that fails makes room for the candidate seen last', () => {
  const table = fullBucket()
  table.seen(contact(0x80, 3), 100)
  table.seen(contact(0x80, 4), 101)
  table.failed(contact(0x80, 0).peer)
  assert.equal(table.has(contact(0x80, 0).peer), false)
  assert.ok(table.has(contact(0x80, 4).peer))
  assert.equal(table.has(contact(0x80, 3).peer), false)
  assert.equal(table.size, 3)
})

test('peers seen a moment ago are not asked whether they live', () => {
  const table = fullBucket()
  assert.equal(table.seen(contact(0x80, 3), 9), undefined)
  assert.deepEqual(table.seen(contact(0x80, 3), 10), contact(0x80, 0))
})

test('without a candidate a peer goes after failuresMax failures in a row', () => {
  const table = new RoutingTable(SELF, config)
  const one = contact(0x80)
  table.seen(one, 0)
  table.failed(one.peer)
  table.failed(one.peer)
  table.seen(one, 1)
  table.failed(one.peer)
  table.failed(one.peer)
  assert.ok(table.has(one.peer))
  table.failed(one.peer)
  assert.equal(table.size, 0)
  assert.equal(table.depth, -1)
})

test('we never enter our own table', () => {
  const table = new RoutingTable(SELF, config)
  table.seen({ peer: 'me' as PeerId, key: SELF }, 0)
  assert.equal(table.size, 0)
})

const keys = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes as DhtKey)

test('closest() is exact over what the table holds, wherever the key lies', () => {
  fc.assert(
    fc.property(
      keys,
      fc.array(keys, { maxLength: 60 }),
      fc.integer({ min: 1, max: 25 }),
      (at, all, n) => {
        const table = new RoutingTable(SELF, { ...config, k: 20 })
        // Half of them share a long prefix with us, where buckets are deep.
        const contacts = all.map((key, i) => {
          const near = key.map((byte, b) => (i % 2 === 0 && b < i / 2 ? 0 : byte)) as DhtKey
          return { peer: `p${i}` as PeerId, key: near }
        })
        for (const one of contacts) table.seen(one, 0)
        const held = contacts.filter(({ peer }) => table.has(peer))
        for (const target of [at, SELF, contacts[0]?.key ?? at]) {
          const places = table.closest(target, n).map(({ key }) => key)
          const truth = closestTo(target, held, n).map(({ key }) => key)
          assert.deepEqual(places, truth)
        }
      },
    ),
  )
})

test('whatever happens, no bucket holds more than k', () => {
  const events = fc.array(
    fc.record({ head: fc.constantFrom(0x80, 0x40, 0x01), n: fc.nat(12), ok: fc.boolean() }),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(events, (history) => {
      const table = new RoutingTable(SELF, config)
      for (const [i, { head, n, ok }] of history.entries()) {
        if (ok) table.seen(contact(head, n), i)
        else table.failed(contact(head, n).peer)
      }
      const all = table.closest(SELF, 1_000)
      assert.equal(all.length, table.size)
      assert.equal(new Set(all.map(({ peer }) => peer)).size, table.size)
      for (const prefix of [0, 1, 7]) {
        const bucket = all.filter(({ key }) => commonPrefixLength(SELF, key) === prefix)
        assert.ok(bucket.length <= config.k)
      }
    }),
  )
})

test('selfAmong() counts us among those we know', () => {
  const table = fullBucket()
  assert.ok(table.selfAmong(SELF, 1))
  const far = contact(0x80).key
  assert.equal(table.selfAmong(far, 3), false)
  assert.ok(table.selfAmong(far, 4))
})
