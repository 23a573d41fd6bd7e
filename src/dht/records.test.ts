import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  dataName,
  NETWORK,
  recordBytes,
  signerOf,
  WORK_BITS,
} from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom, utf8 } from '../base/index.ts'
import type { Signer } from '../identity/index.ts'
import { type DhtConfig, dhtConfig } from './config.ts'
import { compareDistance, contactOf, type DhtKey, dhtKey } from './key.ts'
import { MemoryStore } from './memory-store.ts'
import { providerKey } from './provider-key.ts'
import type { Sender } from './quotas.ts'
import { decodeRecord, encodeRecord } from './record.ts'
import { Records } from './records.ts'
import { parseRecordName } from './validators.ts'

const alice = signerOf(1)
const bob = signerOf(2)
const self = contactOf(signerOf(9).peer)
const name = dataName(alice, 'a')

/** Who brings something, from a network that is not public unless it is named. */
const from = ({ peer }: Signer, site: string | null = null): Sender => ({ peer, site })

function setup(
  config: Partial<DhtConfig> = {},
  responsible: (key: DhtKey) => boolean = () => true,
) {
  const clock = new FakeClock(1_000)
  const deps = {
    storage: new MemoryStore(),
    self,
    clock,
    random: seededRandom('records'),
    network: NETWORK,
    responsible,
  }
  const records = new Records(deps, dhtConfig.parse({ workBits: WORK_BITS, ...config }))
  return { records, clock, storage: deps.storage }
}

test('an older version never replaces a newer one, and is told of it', async () => {
  const { records } = setup()
  const [first, second] = await Promise.all(
    [1, 2].map((version) => recordBytes(name, alice, { version })),
  )
  assert.ok(first !== undefined && second !== undefined)
  assert.deepEqual(records.put(name, second), { kind: 'stored' })
  const outcome = records.put(name, first)
  assert.ok(outcome.kind === 'newer')
  assert.deepEqual(outcome.held.bytes, second)
  assert.deepEqual(records.get(name.key)?.bytes, second)
  assert.deepEqual(records.put(name, second), { kind: 'stored' }, 'the same again is no failure')
})

test('of equal versions the value with the larger hash stays, whichever came first', async () => {
  // SHA-256 of "b" begins with 3e, that of "a" with ca.
  const small = await recordBytes(name, alice, { value: 'b' })
  const large = await recordBytes(name, alice, { value: 'a' })
  for (const order of [
    [small, large],
    [large, small],
  ]) {
    const { records } = setup()
    for (const bytes of order) records.put(name, bytes)
    assert.deepEqual(records.get(name.key)?.bytes, large)
  }
})

test('a record is stored under its own key only', async () => {
  const { records } = setup()
  const bytes = await recordBytes(dataName(alice, 'b'), alice)
  assert.throws(() => records.put(name, bytes), /key is not that of/)
  assert.equal(records.count, 0)
})

test('only the publisher that a name carries may publish it', async () => {
  const { records } = setup()
  const bytes = await recordBytes(name, bob)
  assert.throws(() => records.put(name, bytes), coded('DHT_NOT_PUBLISHER'))
  for (const text of [`/peer/${alice.peer}`, `/mcp/calc/${alice.peer}`]) {
    const other = parseRecordName(text)
    const forged = await recordBytes(other, bob)
    assert.throws(() => records.put(other, forged), coded('DHT_NOT_PUBLISHER'))
    records.put(other, await recordBytes(other, alice))
  }
})

test('what does not hold is not stored', async () => {
  const { records } = setup()
  const good = await recordBytes(name, alice)
  const bent = Uint8Array.from(good)
  const at = Buffer.from(good).indexOf('hello')
  bent.set(utf8('hallo'), at)
  const cases = [
    [bent, /work|signature/],
    [await recordBytes(name, alice, { network: 'other' }), /work|signature/],
    [await recordBytes(name, alice, { issuedMs: 61_001 }), /in the future/],
    [await recordBytes(name, alice, { issuedMs: 0, ttlSeconds: 1 }), /over/],
    [utf8('plain value'), /WIRE|Cannot accept/],
  ] as const
  for (const [bytes, reason] of cases) assert.throws(() => records.put(name, bytes), reason)
  assert.equal(records.count, 0)
})

test('a forged signature is refused even where no work is asked', async () => {
  const { records } = setup({ workBits: 0 })
  const bytes = Uint8Array.from(await recordBytes(name, alice, { workBits: 0 }))
  const at = Buffer.from(bytes).indexOf('hello')
  bytes.set(utf8('hallo'), at)
  assert.throws(() => records.put(name, bytes), /signature/)
})

test('a record lives for its ttl, and no longer than we are configured to keep it', async () => {
  const { records, clock } = setup({ recordTtlSeconds: 60 })
  records.put(name, await recordBytes(name, alice, { ttlSeconds: 10 }))
  const long = dataName(alice, 'long')
  records.put(long, await recordBytes(long, alice, { ttlSeconds: 86_400 }))
  await clock.advance(9_000)
  assert.equal(records.get(name.key), undefined)
  assert.ok(records.get(long.key) !== undefined)
  await clock.advance(51_000)
  assert.equal(records.get(long.key), undefined)
  records.sweep()
  assert.equal(records.count, 0)
})

test('one publisher has a quota, in records and in bytes; replacing is no addition', async () => {
  const { records } = setup({ publisherRecordsMax: 2 })
  for (const rest of ['a', 'b']) {
    records.put(dataName(alice, rest), await recordBytes(dataName(alice, rest), alice))
  }
  const third = dataName(alice, 'c')
  const bytes = await recordBytes(third, alice)
  assert.throws(() => records.put(third, bytes), coded('DHT_PUBLISHER_QUOTA'))
  records.put(name, await recordBytes(name, alice, { version: 2 }))
  records.put(dataName(bob, 'a'), await recordBytes(dataName(bob, 'a'), bob))

  const large = setup({ publisherBytesMax: 9_000 }).records
  const value = new Uint8Array(5_000)
  large.put(name, await recordBytes(name, alice, { value }))
  const more = await recordBytes(third, alice, { value })
  assert.throws(() => large.put(third, more), coded('DHT_PUBLISHER_QUOTA'))
  large.put(name, await recordBytes(name, alice, { value, version: 2 }))
})

test('a full store gives up the farthest record for a nearer one, never for a farther', async () => {
  const { records } = setup({ recordsMax: 3 })
  const names = Array.from({ length: 8 }, (_, i) => dataName(alice, `${i}`)).sort((a, b) =>
    compareDistance(self.key, a.key, b.key),
  )
  const put = async (i: number) => {
    const one = names[i] ?? assert.fail()
    return records.put(one, await recordBytes(one, alice))
  }
  for (const i of [6, 4, 2]) await put(i)
  await assert.rejects(put(7), coded('DHT_CROWDED'))
  await put(1)
  assert.equal(records.count, 3)
  const held = names.filter(({ key }) => records.get(key) !== undefined)
  assert.deepEqual(held, [names[1], names[2], names[4]])
})

test('our own records are neither counted against a quota nor given up for others', async () => {
  const me = signerOf(9)
  const { records } = setup({ recordsMax: 2, publisherRecordsMax: 1 })
  for (const rest of ['a', 'b']) {
    records.put(dataName(me, rest), await recordBytes(dataName(me, rest), me))
  }
  const bytes = await recordBytes(name, alice)
  assert.throws(() => records.put(name, bytes), coded('DHT_CROWDED'))
})

test('what has expired makes room before anything else', async () => {
  const { records, clock } = setup({ recordsMax: 1 })
  records.put(name, await recordBytes(name, alice, { ttlSeconds: 10 }))
  await clock.advance(20_000)
  const far = [0, 1, 2, 3]
    .map((i) => dataName(bob, `${i}`))
    .sort((a, b) => compareDistance(self.key, b.key, a.key))[0]
  assert.ok(far !== undefined)
  records.put(far, await recordBytes(far, bob))
  assert.ok(records.get(far.key) !== undefined)
})

test('providers expire, are bounded by key and by peer, and are never us by quota', async () => {
  const { records, clock } = setup({
    providersPerKeyMax: 2,
    providersPerPeerMax: 2,
    providerTtlSeconds: 60,
  })
  const [x, y, z] = ['x', 'y', 'z'].map((text) => dhtKey(providerKey(text)))
  assert.ok(x !== undefined && y !== undefined && z !== undefined)
  records.addProvider(x, from(alice))
  await clock.advance(1_000)
  records.addProvider(x, from(bob))
  records.addProvider(x)
  assert.deepEqual(new Set(records.providers(x, 9)), new Set([bob.peer, self.peer]))

  records.addProvider(y, from(bob))
  assert.throws(() => records.addProvider(z, from(bob)), coded('DHT_PUBLISHER_QUOTA'))
  records.addProvider(y, from(bob))
  assert.equal(records.providers(x, 1).length, 1)

  await clock.advance(60_000)
  assert.deepEqual(records.providers(x, 9), [])
})

test('providers in all are bounded: the first to expire goes', async () => {
  const { records, clock, storage } = setup({ providersMax: 2 })
  for (const text of ['x', 'y', 'z']) {
    records.addProvider(dhtKey(providerKey(text)), from(alice))
    await clock.advance(1)
  }
  assert.equal(storage.providerCount(), 2)
  assert.deepEqual(records.providers(dhtKey(providerKey('x')), 9), [])
})

test('of all that is wrong with a write, what is cheapest to see is said: a flood dies there', async () => {
  const touched: string[] = []
  const { records, storage } = setup({ senderRecordsMax: 1 }, (key) => {
    touched.push('responsible')
    return Buffer.compare(key, name.key) === 0
  })
  const sender = from(bob)
  records.put(name, await recordBytes(name, alice), sender)
  for (const call of ['get', 'usageOf', 'usage', 'put'] as const) {
    const real = storage[call].bind(storage) as (...args: unknown[]) => unknown
    Object.assign(storage, {
      [call]: (...args: unknown[]) => {
        touched.push(call)
        return real(...args)
      },
    })
  }
  const other = dataName(alice, 'other')
  const good = await recordBytes(other, alice)
  const unsigned = bentSignature(good)
  const idle = bentSignature(await recordBytes(other, alice, { workBits: 0, network: 'none' }))
  const refused = (bytes: Uint8Array, code: RegExp, by = sender) => {
    touched.length = 0
    assert.throws(() => records.put(other, bytes, by), code)
    return touched
  }

  // Too long, and without work: it is not even read.
  assert.deepEqual(refused(new Uint8Array(10_000), /TOO_LONG|too long|limit/i), [])
  // Without work, over the quota, far away, and badly signed.
  assert.deepEqual(refused(idle, /work/), [])
  // Over the quota, far away, and badly signed.
  assert.ok(!refused(unsigned, /it brought 1 records/).includes('responsible'))
  // Far away and badly signed.
  assert.ok(refused(unsigned, /far from this node/, from(alice)).includes('responsible'))
  // Badly signed only: nothing is stored.
  touched.length = 0
  const newer = bentSignature(await recordBytes(name, alice, { version: 2 }))
  assert.throws(() => records.put(name, newer, sender), /signature/)
  assert.ok(!touched.includes('put') && !touched.includes('usage'))
  assert.equal(records.get(name.key)?.record.version, 1)
})

test('one peer may bring so much and no more, in records and in bytes, whoever published it', async () => {
  const { records } = setup({ senderRecordsMax: 2 })
  const put = async (seed: number, sender?: Sender, said: { version?: number } = {}) => {
    const one = dataName(signerOf(seed), 'x')
    records.put(one, await recordBytes(one, signerOf(seed), said), sender)
  }
  await put(101, from(bob))
  await put(102, from(bob))
  await assert.rejects(put(103, from(bob)), coded('DHT_SENDER_QUOTA'))
  await put(101, from(bob), { version: 2 })
  await put(103, from(alice))
  await assert.rejects(put(103, from(bob), { version: 2 }), coded('DHT_SENDER_QUOTA'))
  await put(104)
  // What another brings anew is on the other's account.
  await put(101, from(alice), { version: 3 })
  await put(105, from(bob))
  assert.equal(records.count, 5)

  const large = setup({ senderBytesMax: 9_000 }).records
  const value = new Uint8Array(5_000)
  large.put(name, await recordBytes(name, alice, { value }), from(bob))
  const second = dataName(signerOf(101), 'x')
  const more = await recordBytes(second, signerOf(101), { value })
  assert.throws(() => large.put(second, more, from(bob)), coded('DHT_SENDER_QUOTA'))
  large.put(name, await recordBytes(name, alice, { value, version: 2 }), from(bob))
})

test('the peers of one public network may bring so much together; those of private ones count alone', async () => {
  const { records } = setup({ siteRecordsMax: 2 })
  const put = async (seed: number, site: string | null) => {
    const one = dataName(signerOf(seed), 'x')
    records.put(one, await recordBytes(one, signerOf(seed)), from(signerOf(seed), site))
  }
  await put(101, '198.51')
  await put(102, '198.51')
  await assert.rejects(put(103, '198.51'), coded('DHT_SITE_QUOTA'))
  await put(103, '203.0')
  for (const seed of [104, 105, 106]) await put(seed, null)

  const large = setup({ siteBytesMax: 9_000 }).records
  const value = new Uint8Array(5_000)
  large.put(name, await recordBytes(name, alice, { value }), from(alice, '198.51'))
  const second = dataName(bob, 'x')
  const more = await recordBytes(second, bob, { value })
  assert.throws(() => large.put(second, more, from(bob, '198.51')), coded('DHT_SITE_QUOTA'))

  const { records: rows } = setup({ providersPerSiteMax: 1 })
  const key = dhtKey(providerKey('x'))
  rows.addProvider(key, from(alice, '198.51'))
  assert.throws(() => rows.addProvider(key, from(bob, '198.51')), coded('DHT_SITE_QUOTA'))
  rows.addProvider(key, from(alice, '198.51'))
  rows.addProvider(key, from(bob, '203.0'))
})

test('what is not our concern is refused, but for our own and for what lies here already', async () => {
  let near = true
  const { records } = setup({}, () => near)
  records.put(name, await recordBytes(name, alice), from(alice))
  const key = dhtKey(providerKey('x'))
  records.addProvider(key, from(alice))
  near = false
  const far = dataName(alice, 'far')
  const bytes = await recordBytes(far, alice)
  assert.throws(() => records.put(far, bytes, from(alice)), coded('DHT_NOT_RESPONSIBLE'))
  assert.throws(() => records.addProvider(key, from(bob)), coded('DHT_NOT_RESPONSIBLE'))
  records.put(name, await recordBytes(name, alice, { version: 2 }), from(alice))
  records.addProvider(key, from(alice))
  records.addProvider(key)
  records.put(far, bytes)
  assert.equal(records.count, 2)
})

/** The same record with one bit of its signature turned; its work still holds. */
function bentSignature(bytes: Uint8Array): Uint8Array {
  const record = decodeRecord(bytes)
  return Uint8Array.from(
    encodeRecord({
      ...record,
      signature: record.signature.map((byte, i) => (i === 7 ? byte ^ 1 : byte)),
    }),
  )
}
