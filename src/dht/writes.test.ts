import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  dataName,
  NETWORK,
  recordBytes,
  signerOf,
  WORK_BITS,
} from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { AccessError, type Action } from '../access/index.ts'
import { Registry, seededRandom, silentLog, utf8 } from '../base/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { DhtError } from './errors.ts'
import { contactOf, dhtKey } from './key.ts'
import { MemoryStore } from './memory-store.ts'
import { dhtMetrics } from './metrics.ts'
import { providerKey } from './provider-key.ts'
import { decodeRecord } from './record.ts'
import { Records } from './records.ts'
import type { KadRecord } from './wire.ts'
import { Writes } from './writes.ts'

const alice = signerOf(1)
const bob = signerOf(2)
const name = dataName(alice, 'a')

function setup(config: Partial<DhtConfig> = {}, refuse?: Action) {
  const clock = new FakeClock(1_000)
  const parsed = dhtConfig.parse({ workBits: WORK_BITS, ...config })
  const storage = new MemoryStore()
  const near = { yes: true }
  const records = new Records(
    {
      storage,
      self: contactOf(signerOf(9).peer),
      clock,
      random: seededRandom('writes'),
      network: NETWORK,
      responsible: () => near.yes,
    },
    parsed,
  )
  const asked: Action[] = []
  const counted: string[] = []
  const metrics = {
    ...dhtMetrics(new Registry()),
    writesRefused: { add: (_: number, { code = '' } = {}) => void counted.push(code) },
    penalties: { add: () => void counted.push('penalty') },
  }
  const writes = new Writes(
    {
      policy: {
        admit(peer, action) {
          asked.push(action)
          if (action !== refuse) return
          throw AccessError.QUOTA({ peer, action, of: 'peer', retryAfterMs: 1 })
        },
      },
      records,
      siteOf: (peer) => (peer === bob.peer ? '198.51' : undefined),
      clock,
      log: silentLog,
      metrics,
    },
    parsed,
  )
  return { writes, records, storage, clock, asked, counted, near }
}

const wrapped = (value: Uint8Array, key = name.bytes): KadRecord => ({ key, value })

test('what is stored is on the account of who brought it and of its network', async () => {
  const { writes, storage } = setup()
  const value = await recordBytes(name, alice)
  assert.deepEqual(writes.putValue(bob.peer, name.bytes, wrapped(value)), wrapped(value))
  for (const [account, id, records] of [
    ['sender', bob.peer, 1],
    ['sender', alice.peer, 0],
    ['publisher', alice.peer, 1],
    ['site', '198.51', 1],
  ] as const) {
    assert.equal(storage.usageOf(account, id).records, records)
  }
  const key = providerKey('tool')
  const own = { peer: bob.peer, addresses: [] }
  assert.deepEqual(writes.addProvider(bob.peer, key, [own]), own)
  assert.equal(storage.providerCountOf('site', '198.51'), 1)
})

test('a write that never can be stored is paid for; what is our own affair is not', async () => {
  const { writes, asked, counted, near, storage } = setup()
  assert.equal(writes.putValue(bob.peer, name.bytes, wrapped(utf8('plain'))), undefined)
  assert.equal(writes.putValue(bob.peer, name.bytes, undefined), undefined)
  assert.equal(writes.addProvider(bob.peer, utf8('no hash'), []), undefined)
  assert.equal(writes.addProvider(bob.peer, providerKey('x'), []), undefined)
  assert.equal(asked.filter((action) => action === 'dht.refused').length, 4)
  assert.equal(counted.length, 4)

  const value = await recordBytes(name, alice)
  asked.length = 0
  near.yes = false
  assert.equal(writes.putValue(bob.peer, name.bytes, wrapped(value)), undefined)
  near.yes = true
  storage.put = () => {
    throw DhtError.STORE_FULL({ file: 'records.sqlite' })
  }
  assert.equal(writes.putValue(bob.peer, name.bytes, wrapped(value)), undefined)
  assert.deepEqual(asked, ['dht.put', 'dht.put'])
  assert.deepEqual(counted.slice(4), ['DHT_NOT_RESPONSIBLE', 'DHT_STORE_FULL'])
})

test('after so many refusals nothing of a peer is read for a while, and others are not touched', async () => {
  const { writes, records, clock, counted } = setup({ refusalsMax: 3, penaltyMs: 10_000 })
  const value = await recordBytes(name, alice)
  const bad = wrapped(utf8('plain'))
  for (let i = 0; i < 3; i += 1) writes.putValue(bob.peer, name.bytes, bad)
  assert.equal(counted.at(-1), 'penalty')
  assert.equal(writes.putValue(bob.peer, name.bytes, wrapped(value)), undefined)
  const own = { peer: bob.peer, addresses: [] }
  assert.equal(writes.addProvider(bob.peer, providerKey('x'), [own]), undefined)
  assert.deepEqual(counted.slice(-2), ['penalty', 'penalty'])
  assert.equal(records.count, 0)

  assert.ok(writes.putValue(alice.peer, name.bytes, wrapped(value)) !== undefined)
  await clock.advance(10_000)
  assert.ok(writes.putValue(bob.peer, name.bytes, wrapped(value)) !== undefined)
})

test('a full share of a publisher is the fault of nobody who mends its values', async () => {
  const { writes, asked, counted } = setup({ publisherRecordsMax: 1, refusalsMax: 2 })
  const names = ['a', 'b', 'c', 'd'].map((one) => dataName(alice, one))
  const values = await Promise.all(names.map((one) => recordBytes(one, alice)))
  const put = (sender: typeof bob) =>
    names.map(({ bytes }, i) => {
      const value = values[i] ?? assert.fail()
      return writes.putValue(sender.peer, bytes, wrapped(value, bytes)) !== undefined
    })
  assert.deepEqual(put(bob), [true, false, false, false])
  assert.deepEqual(counted, Array(3).fill('DHT_PUBLISHER_QUOTA'))
  assert.ok(!asked.includes('dht.refused'))
  put(alice)
  assert.ok(counted.includes('penalty'), 'who goes on with its own pays')
})

test('who can pay neither for a write nor for a wasted one loses the stream', async () => {
  const value = await recordBytes(name, alice)
  const poor = setup({}, 'dht.put')
  const put = () => poor.writes.putValue(bob.peer, name.bytes, wrapped(value))
  assert.throws(put, coded('ACCESS_QUOTA'))
  assert.equal(poor.records.count, 0)
  const { writes } = setup({}, 'dht.refused')
  const waste = () => writes.putValue(bob.peer, name.bytes, undefined)
  assert.throws(waste, coded('ACCESS_QUOTA'))
})

test('whatever the order in which versions come, the highest stays and is what is told', async () => {
  const versions = [1, 2, 3, 4, 5, 6]
  const bytes = await Promise.all(
    versions.map((version) => recordBytes(name, alice, { version, value: `${version}` })),
  )
  await fc.assert(
    fc.asyncProperty(fc.shuffledSubarray(bytes, { minLength: 6 }), async (order) => {
      const { writes, records } = setup()
      const heard = await Promise.all(
        order.map(async (value, i) => {
          const sender = i % 2 === 0 ? bob.peer : alice.peer
          const told = writes.putValue(sender, name.bytes, wrapped(value))?.value
          return told === undefined ? 0 : decodeRecord(told).version
        }),
      )
      let highest = 0
      for (const [i, value] of order.entries()) {
        highest = Math.max(highest, decodeRecord(value).version)
        assert.equal(heard[i], highest)
      }
      assert.equal(records.get(name.key)?.record.version, 6)
    }),
  )
})

/**
 * The flood of one peer (`security.md` B4), as far as it gets past `access`: endless keys of
 * endless publishers, half of them with work. 10⁶ in the long form; what grows with each write
 * would show in 20,000 as well.
 */
test('a flood of keys from one peer stays within its share, and honest records stay', async () => {
  const { writes, records, storage } = setup({ senderRecordsMax: 50, providersPerPeerMax: 50 })
  const honest = dataName(signerOf(77), 'honest')
  const value = await recordBytes(honest, signerOf(77))
  assert.ok(writes.putValue(signerOf(77).peer, honest.bytes, wrapped(value, honest.bytes)))

  const publishers = Array.from({ length: 100 }, (_, i) => signerOf(1_000 + i))
  const flood = await Promise.all(
    publishers.map(async (publisher) => {
      const one = dataName(publisher, 'x')
      return { one, value: await recordBytes(one, publisher) }
    }),
  )
  for (let i = 0; i < 20_000; i += 1) {
    const { one, value: bytes } = flood[i % flood.length] ?? assert.fail()
    writes.putValue(bob.peer, one.bytes, wrapped(bytes, one.bytes))
    const own = { peer: bob.peer, addresses: [] }
    writes.addProvider(bob.peer, providerKey(`${i}`), [own])
  }
  assert.ok(storage.usageOf('sender', bob.peer).records <= 50)
  assert.ok(storage.providerCount() <= 50)
  assert.ok(records.count <= 51)
  assert.ok(records.get(honest.key) !== undefined)
  assert.equal(records.providers(dhtKey(providerKey('19999')), 9).length, 0)
})
