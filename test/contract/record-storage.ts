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

  withStorage('usage() counts in all and by publisher', (storage) => {
    assert.deepEqual(storage.usage(), { records: 0, bytes: 0 })
    storage.put(row('a', { size: 10 }))
    storage.put(row('b', { size: 20, publisher: bob }))
    storage.put(row('c', { size: 30, publisher: bob }))
    assert.deepEqual(storage.usage(), { records: 3, bytes: 60 })
    assert.deepEqual(storage.usage(bob), { records: 2, bytes: 50 })
    storage.delete(dhtKey(utf8('b')))
    storage.delete(dhtKey(utf8('never there')))
    assert.deepEqual(storage.usage(), { records: 2, bytes: 40 })
    assert.deepEqual(storage.usage(bob), { records: 1, bytes: 30 })
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
    storage.put(row('b', { expiresMs: 101, size: 7 }))
    storage.putProvider({ key: dhtKey(utf8('x')), peer: alice, expiresMs: 100 })
    storage.putProvider({ key: dhtKey(utf8('x')), peer: bob, expiresMs: 101 })
    storage.sweep(100)
    assert.equal(storage.get(dhtKey(utf8('a'))), undefined)
    assert.deepEqual(storage.usage(), { records: 1, bytes: 7 })
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
      storage.putProvider({ key: x, peer: alice, expiresMs: 30 })
      storage.putProvider({ key: x, peer: bob, expiresMs: 20 })
      storage.putProvider({ key: y, peer: bob, expiresMs: 10 })
      storage.putProvider({ key: x, peer: alice, expiresMs: 40 })
      assert.deepEqual([storage.providerCount(), storage.providerCount(bob)], [3, 2])
      storage.dropProvider(x)
      assert.deepEqual(storage.providers(x), [{ key: x, peer: alice, expiresMs: 40 }])
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
  readonly distance?: readonly number[]
  readonly expiresMs?: number
}

function row(name: string, shape: Shape): StoredRecord {
  const { size = 1, publisher = alice, distance = [1], expiresMs = 1_000 } = shape
  return {
    key: dhtKey(utf8(name)),
    bytes: new Uint8Array(size).fill(7),
    publisher,
    distance: Uint8Array.from(distance),
    receivedMs: 1,
    expiresMs,
  }
}
