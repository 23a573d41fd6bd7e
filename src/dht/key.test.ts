import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareBytes, toHex, utf8 } from '../base/index.ts'
import { peerId, peerIdToBytes } from '../identity/index.ts'
import {
  closestTo,
  commonPrefixLength,
  compareDistance,
  contactOf,
  type DhtKey,
  dhtKey,
  distance,
  KEY_BYTES,
} from './key.ts'

const keys = fc
  .uint8Array({ minLength: KEY_BYTES, maxLength: KEY_BYTES })
  .map((bytes) => bytes as DhtKey)

test('dhtKey() is SHA-256', () => {
  assert.equal(
    toHex(dhtKey(utf8('abc'))),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  )
})

test('contactOf() hashes the multihash in the peer id, as kad-dht does', () => {
  const peer = peerId('12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA')
  const multihash = peerIdToBytes(peer)
  assert.equal(toHex(multihash.subarray(0, 6)), '002408011220')
  assert.deepEqual(contactOf(peer), { peer, key: dhtKey(multihash) })
})

test('compareDistance() orders as the XOR distances do', () => {
  fc.assert(
    fc.property(keys, keys, keys, (target, a, b) => {
      const whole = compareBytes(distance(target, a), distance(target, b))
      assert.equal(Math.sign(compareDistance(target, a, b)), Math.sign(whole))
    }),
  )
})

test('distance() is symmetric, and zero only between a key and itself', () => {
  fc.assert(
    fc.property(keys, keys, (a, b) => {
      assert.deepEqual(distance(a, b), distance(b, a))
      assert.equal(
        distance(a, b).every((byte) => byte === 0),
        compareBytes(a, b) === 0,
      )
    }),
  )
})

test('commonPrefixLength() counts the bits before the first that differs', () => {
  fc.assert(
    fc.property(keys, fc.nat(255), (key, bit) => {
      const other = Uint8Array.from(key, (byte, i) =>
        i === bit >> 3 ? byte ^ (0x80 >> (bit & 7)) : byte,
      ) as DhtKey
      assert.equal(commonPrefixLength(key, other), bit)
      assert.equal(commonPrefixLength(key, key), 256)
    }),
  )
})

test('closestTo() leaves its input as it is', () => {
  fc.assert(
    fc.property(keys, fc.array(keys, { maxLength: 8 }), fc.nat(8), (target, places, count) => {
      const contacts = places.map((key, i) => ({ peer: peerId(PEERS[i % 2] ?? ''), key }))
      const before = [...contacts]
      const near = closestTo(target, contacts, count)
      assert.deepEqual(contacts, before)
      assert.equal(near.length, Math.min(count, contacts.length))
    }),
  )
})

test('closestTo() gives what sorting all of them by distance gives', () => {
  // Few different bytes, so that distances are equal far beyond their beginning.
  const alike = fc
    .array(fc.constantFrom(0, 1, 128), { minLength: KEY_BYTES, maxLength: KEY_BYTES })
    .map((bytes) => Uint8Array.from(bytes).fill(0, 2, 30) as DhtKey)
  const places = fc.array(fc.oneof(keys, alike), { maxLength: 60 })
  fc.assert(
    fc.property(fc.oneof(keys, alike), places, fc.nat(70), (target, all, count) => {
      const contacts = all.map((key, i) => ({ peer: peerId(PEERS[i % 2] ?? ''), key, i }))
      const sorted = contacts.toSorted((a, b) => compareDistance(target, a.key, b.key))
      assert.deepEqual(closestTo(target, contacts, count), sorted.slice(0, count))
    }),
  )
})

const PEERS = [
  '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA',
  'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
]
