/** What every `RecordStorage` promises. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../src/base/index.ts'
import { dhtKey } from '../../src/dht/key.ts'
import type { RecordStorage, StoredRecord } from '../../src/dht/storage.ts'
import type { PeerId } from '../../src/identity/index.ts'
import { signerOf } from '../support/dht-fixture.ts'

const alice = signerOf(1).peer
const bob = signerOf(2).peer

/** Runs the suite for one implementation; `make` gives an empty storage. */
export function testRecordStorage(kind: string, make: () => RecordStorage): void {
  const withStorage = (what: string, body: (storage: RecordStorage) => void): void => {
    test(`${kind}: ${what}`, () => {
      const storage = make()
      try {
        body(storage)
      } finally {
        storage.close()
      }
    })
  }

  withStorage('a record comes back as it was put, and is replaced by the next', (storage) => {
    assert.equal(storage.get(dhtKey(utf8('a'))), undefined)
    storage.put(row('a', { size: 10 }))
    storage.put(row('b', { size: 1 }))
    assert.deepEqual(storage.get(dhtKey(utf8('a'))), row('a', { size: 10 }))
    storage.put(row('a', { size: 3, publisher: bob }))
    assert.deepEqual(storage.get(dhtKey(utf8('a'))), row('a', { size: 3, publisher: bob }))
    assert.deepEqual(storage.usage(), { records: 2, bytes: 4 })
  })

  withStorage('of the message that brought a record nothing else is kept', (storage) => {
    const bytes = new Uint8Array(64 * 1024).subarray(100, 110)
    storage.put({ ...row('a', { size: 10 }), bytes })
    assert.equal(storage.get(dhtKey(utf8('a')))?.bytes.buffer.byteLength, 10)
  })

  withStorage('usage() counts in all, usageOf() by publisher, sender and site', (storage) => {
    assert.deepEqual(storage.usage(), { records: 0, bytes: 0 })
    assert.deepEqual(storage.usageOf('publisher', bob), { records: 0, bytes: 0 })
    storage.put(row('a', { size: 10 }))
    storage.put(row('b', { size: 20, publisher: bob }))
    storage.put(row('c', { size: 30, publisher: bob }))
    assert.deepEqual(storage.usage(), { records: 3, bytes: 60 })
    assert.deepEqual(storage.usageOf('publisher', bob), { records: 2, bytes: 50 })
    storage.delete(dhtKey(utf8('b')))
    storage.delete(dhtKey(utf8('never there')))
    assert.deepEqual(storage.usage(), { records: 2, bytes: 40 })
    assert.deepEqual(storage.usageOf('publisher', bob), { records: 1, bytes: 30 })

    storage.put(row('c', { size: 5, publisher: bob, sender: bob, site: '192.0' }))
    assert.deepEqual(storage.usageOf('sender', alice), { records: 1, bytes: 10 })
    assert.deepEqual(storage.usageOf('sender', bob), { records: 1, bytes: 5 })
    assert.deepEqual(storage.usageOf('site', '192.0'), { records: 1, bytes: 5 })
    assert.deepEqual(storage.usageOf('site', bob), { records: 0, bytes: 0 }, 'kinds stay apart')
    storage.put(row('c', { size: 6, publisher: bob, sender: alice }))
    assert.deepEqual(storage.usageOf('sender', alice), { records: 2, bytes: 16 })
    assert.deepEqual(storage.usageOf('site', '192.0'), { records: 0, bytes: 0 })
  })

  withStorage('farthest() is the one of the greatest distance that others published', (storage) => {
    assert.equal(storage.farthest(alice), undefined)
    storage.put(row('a', { distance: [0x00, 0xff], publisher: bob }))
    storage.put(row('b', { distance: [0x80, 0x00], publisher: bob }))
    storage.put(row('c', { distance: [0xff, 0xff] }))
    assert.deepEqual(storage.farthest(alice)?.key, dhtKey(utf8('b')))
    assert.deepEqual(storage.farthest(bob)?.key, dhtKey(utf8('c')))
  })

  withStorage('sweep() deletes what has expired and nothing else', (storage) => {
    storage.put(row('a', { expiresMs: 100, size: 5 }))
    storage.put(row('b', { expiresMs: 101, size: 7, site: '192.0' }))
    const [key, site] = [dhtKey(utf8('x')), '192.0']
    storage.putProvider({ key, peer: alice, site, expiresMs: 100 })
    storage.putProvider({ key, peer: bob, site, expiresMs: 101 })
    storage.sweep(100)
    assert.equal(storage.get(dhtKey(utf8('a'))), undefined)
    assert.deepEqual(storage.usage(), { records: 1, bytes: 7 })
    for (const [account, id] of [
      ['publisher', alice],
      ['sender', alice],
      ['site', site],
    ] as const) {
      assert.deepEqual(storage.usageOf(account, id), { records: 1, bytes: 7 })
    }
    assert.deepEqual(
      [storage.providerCountOf('site', site), storage.providerCountOf('peer', alice)],
      [1, 0],
    )
    assert.deepEqual(
      storage.providers(dhtKey(utf8('x'))).map(({ peer }) => peer),
      [bob],
    )
    assert.equal(storage.providerCount(), 1)
  })

  withStorage(
    'providers are counted by peer and in all; the first to expire is dropped',
    (storage) => {
      const [x, y] = [dhtKey(utf8('x')), dhtKey(utf8('y'))]
      storage.putProvider({ key: x, peer: alice, site: 'a', expiresMs: 30 })
      storage.putProvider({ key: x, peer: bob, site: 'b', expiresMs: 20 })
      storage.putProvider({ key: y, peer: bob, site: 'b', expiresMs: 10 })
      storage.putProvider({ key: x, peer: alice, site: null, expiresMs: 40 })
      const countsOf = () => [
        storage.providerCount(),
        storage.providerCountOf('peer', bob),
        storage.providerCountOf('site', 'a'),
        storage.providerCountOf('site', 'b'),
      ]
      assert.deepEqual(countsOf(), [3, 2, 0, 2])
      storage.dropProvider(x)
      assert.deepEqual(storage.providers(x), [{ key: x, peer: alice, site: null, expiresMs: 40 }])
      assert.deepEqual(countsOf(), [2, 1, 0, 1])
      storage.dropProvider()
      assert.deepEqual(storage.providers(y), [])
      storage.deleteProvider(x, alice)
      storage.deleteProvider(x, alice)
      storage.dropProvider()
      assert.equal(storage.providerCount(), 0)
    },
  )
}

interface Shape {
  readonly size?: number
  readonly publisher?: PeerId
  readonly sender?: PeerId
  readonly site?: string | null
  readonly distance?: readonly number[]
  readonly expiresMs?: number
}

function row(name: string, shape: Shape): StoredRecord {
  const { size = 1, publisher = alice, distance = [1], expiresMs = 1_000 } = shape
  const { sender = alice, site = null } = shape
  return {
    key: dhtKey(utf8(name)),
    bytes: new Uint8Array(size).fill(7),
    publisher,
    sender,
    site,
    distance: Uint8Array.from(distance),
    receivedMs: 1,
    expiresMs,
  }
}
