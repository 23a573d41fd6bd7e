import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Contact, closestTo, commonPrefixLength, type DhtKey } from './key.ts'
import { RoutingTable } from './table.ts'

const SELF = new Uint8Array(32) as DhtKey
const config = {
  k: 3,
  nearest: 0,
  sitePeersMax: 3,
  siteBucketPeersMax: 2,
  failuresMax: 3,
  freshMs: 10,
}

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
    fc.record({
      head: fc.constantFrom(0x80, 0x40, 0x01),
      n: fc.nat(12),
      ok: fc.boolean(),
      site: fc.constantFrom(undefined, 'a', 'b'),
    }),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(events, (history) => {
      const table = new RoutingTable(SELF, config)
      const sites = new Map<PeerId, string>()
      for (const [i, { head, n, ok, site }] of history.entries()) {
        const one = contact(head, n)
        if (ok) table.seen(one, i, site)
        else table.failed(one.peer)
        if (!table.has(one.peer)) sites.delete(one.peer)
        else if (ok && site !== undefined) sites.set(one.peer, site)
      }
      const all = table.closest(SELF, 1_000)
      assert.equal(all.length, table.size)
      assert.equal(new Set(all.map(({ peer }) => peer)).size, table.size)
      for (const prefix of [0, 1, 7]) {
        const bucket = all.filter(({ key }) => commonPrefixLength(SELF, key) === prefix)
        assert.ok(bucket.length <= config.k)
        for (const site of ['a', 'b']) {
          const here = bucket.filter(({ peer }) => sites.get(peer) === site)
          assert.ok(here.length <= config.siteBucketPeersMax)
        }
      }
      for (const site of ['a', 'b']) {
        const here = all.filter(({ peer }) => sites.get(peer) === site)
        assert.ok(here.length <= config.sitePeersMax)
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

/** The site and head of contacts that are in different buckets, or in the same. */
const SITE = '192.88.0.0/16'

test('of one site no more than the table takes are let in, and no more than a bucket takes', () => {
  const table = new RoutingTable(SELF, { ...config, k: 10 })
  for (const n of [0, 1, 2]) table.seen(contact(0x80, n), 0, SITE)
  assert.equal(table.size, 2, 'two in one bucket')
  table.seen(contact(0x40, 0), 0, SITE)
  assert.equal(table.size, 3)
  table.seen(contact(0x20, 0), 0, SITE)
  assert.equal(table.size, 3, 'three in the table, though this bucket is empty')
  table.seen(contact(0x20, 1), 0, '192.89.0.0/16')
  for (const n of [2, 3, 4, 5]) table.seen(contact(0x20, n), 0)
  assert.equal(table.size, 8, 'others are free to come, and who has no site is not counted')
})

test('a site has room again when one of its peers goes', () => {
  const table = new RoutingTable(SELF, { ...config, k: 10 })
  for (const n of [0, 1]) table.seen(contact(0x80, n), 0, SITE)
  table.remove(contact(0x80, 0).peer)
  table.seen(contact(0x80, 2), 1, SITE)
  assert.ok(table.has(contact(0x80, 2).peer))
})

test('a peer that moves is counted where it is now, and goes if there is no room for it', () => {
  const table = new RoutingTable(SELF, { ...config, k: 10 })
  for (const n of [0, 1]) table.seen(contact(0x80, n), 0, SITE)
  table.seen(contact(0x80, 2), 0, '192.89.0.0/16')
  table.seen(contact(0x80, 0), 1, '192.90.0.0/16')
  table.seen(contact(0x80, 3), 1, SITE)
  assert.ok(table.has(contact(0x80, 3).peer), 'the one that moved left room')
  table.seen(contact(0x80, 2), 2, SITE)
  assert.equal(table.has(contact(0x80, 2).peer), false)
  table.seen(contact(0x80, 0), 3)
  table.seen(contact(0x80, 4), 3, '192.90.0.0/16')
  table.seen(contact(0x80, 5), 3, '192.90.0.0/16')
  assert.equal(table.has(contact(0x80, 5).peer), false, 'not to know is no move')
})

test('one site cannot push other candidates out, nor get more places through the waiting', () => {
  const table = fullBucket()
  table.seen(contact(0x80, 3), 3)
  for (const n of [4, 5, 6, 7, 8]) table.seen(contact(0x80, n), 4, SITE)
  for (const n of [0, 1, 2]) table.remove(contact(0x80, n).peer)
  const held = [3, 4, 5, 6, 7, 8].filter((n) => table.has(contact(0x80, n).peer))
  assert.deepEqual(held, [3, 4, 5])

  const other = fullBucket()
  for (const n of [4, 5]) other.seen(contact(0x80, n), 4, SITE)
  for (const head of [0x40, 0x20, 0x10]) other.seen(contact(head), 5, SITE)
  other.remove(contact(0x80, 0).peer)
  assert.equal(other.size, 5, 'a candidate whose site has filled meanwhile is let go')
})

test('no more candidates wait than a bucket has places, the newest of them', () => {
  const table = fullBucket()
  for (let n = 3; n < 100; n += 1) table.seen(contact(0x80, n), n)
  const entered = new Set<PeerId>()
  for (let turn = 0; turn < 100; turn += 1) {
    const [first] = table.closest(SELF, 1)
    if (first === undefined) break
    entered.add(first.peer)
    table.remove(first.peer)
  }
  assert.equal(table.size, 0)
  const waited = [...entered].filter((peer) => ![0, 1, 2].some((n) => peer === `128-${n}`))
  assert.deepEqual(new Set(waited), new Set(['128-99', '128-98', '128-97']))
})

test('a candidate that no longer serves is forgotten', () => {
  const table = fullBucket()
  table.seen(contact(0x80, 3), 3)
  table.remove(contact(0x80, 3).peer)
  table.remove(contact(0x80, 0).peer)
  assert.equal(table.size, 2)
})

test('however many newcomers come, those who answer stay, and pings stay few', () => {
  const table = fullBucket()
  let pings = 0
  for (let n = 3; n < 10_003; n += 1) {
    const newcomer = { peer: `new ${n}` as PeerId, key: contact(0x80, n % 250).key }
    const doubted = table.seen(newcomer, 100 + n / 1_000)
    if (doubted === undefined) continue
    pings += 1
    table.seen(doubted, 100 + n / 1_000)
  }
  for (const n of [0, 1, 2]) assert.ok(table.has(contact(0x80, n).peer))
  assert.ok(pings <= 6, `${pings} pings in 10 ms, in which each of 3 peers is fresh once`)
})

test('the version changes when somebody comes or goes, and not when a peer is seen again', () => {
  const table = fullBucket()
  const { version } = table
  table.seen(contact(0x80, 0), 5)
  table.seen(contact(0x80, 7), 5)
  assert.equal(table.version, version)
  table.remove(contact(0x80, 1).peer)
  assert.notEqual(table.version, version)
})

test('a neighbour is let into a full bucket, for the farthest that is none', () => {
  const table = new RoutingTable(SELF, { ...config, nearest: 3 })
  for (const n of [5, 9, 7]) table.seen(contact(0x80, n), n)
  table.seen(contact(0x40, 0), 10)
  table.seen(contact(0x80, 8), 11)
  assert.equal(table.has(contact(0x80, 8).peer), false, 'three are nearer')
  table.seen(contact(0x80, 6), 12)
  const held = table.closest(SELF, 9).map(({ peer }) => peer)
  assert.deepEqual(held, ['64-0', '128-5', '128-6', '128-7'])
  table.seen(contact(0x20, 0), 13)
  table.seen(contact(0x10, 0), 13)
  table.seen(contact(0x80, 1), 14)
  assert.equal(table.has(contact(0x80, 1).peer), false, 'three lie in deeper buckets by now')
  table.remove(contact(0x80, 7).peer)
  assert.ok(table.has(contact(0x80, 1).peer), 'it waits like all others')
})

test('whoever comes, a table holds the peers nearest to us', () => {
  const random = seededRandom('nearest')
  const all = Array.from({ length: 300 }, (_, i) => {
    return { peer: `p${i}` as PeerId, key: Uint8Array.from(random.bytes(32)) as DhtKey }
  })
  for (const count of [21, 40, 70, 100, 150, 300]) {
    const table = new RoutingTable(SELF, { ...config, k: 20, nearest: 20 })
    const some = all.slice(0, count)
    for (const one of some) table.seen(one, 0)
    assert.deepEqual(table.closest(SELF, 20), closestTo(SELF, some, 20))
    const buckets = some.filter(({ peer }) => table.has(peer))
    assert.equal(buckets.length, table.size)
  }
})
