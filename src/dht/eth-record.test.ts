import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NETWORK, recordBytes, signerOf, WORK_BITS } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { CodedError, seededRandom } from '../base/index.ts'
import {
  type EthSigner,
  ethSigner,
  newEthKey,
  type Signer,
  signBinding,
} from '../identity/index.ts'
import { type Cbor, encodeCbor } from '../wire/index.ts'
import { dhtConfig } from './config.ts'
import {
  ETH_RECORD_SECONDS,
  ETH_VALUE_BYTES_MAX,
  encodeEthValue,
  ethRecordKey,
  openEthValue,
  readEthValue,
} from './eth-record.ts'
import { contactOf } from './key.ts'
import { MemoryStore } from './memory-store.ts'
import { decodeRecord } from './record.ts'
import { Records } from './records.ts'
import { parseRecordName } from './validators.ts'

const NOW_MS = 1_800_000_000_000
const eth = ethSigner(newEthKey(seededRandom('eth record')))
const otherEth = ethSigner(newEthKey(seededRandom('other eth record')))
const [alice, bob] = [signerOf(1), signerOf(2)]
const name = parseRecordName(ethRecordKey(eth.address))

interface Bound {
  readonly eth?: EthSigner
  readonly node?: Signer
  readonly version?: number
  readonly network?: string
  readonly lifeMs?: number
}

async function boundValue(bound: Bound = {}): Promise<Uint8Array> {
  const { version = NOW_MS, network = NETWORK, lifeMs = 3_600_000 } = bound
  const times = { version, issuedMs: NOW_MS, expiresMs: NOW_MS + lifeMs }
  const binding = await signBinding(times, { eth, node: alice, ...bound }, network)
  return encodeEthValue({ binding, preKeys: [Uint8Array.of(1)] })
}

/** The record of the address as `publisher` would have it. */
async function recordOf(bound: Bound = {}, publisher: Signer = bound.node ?? alice) {
  const value = await boundValue(bound)
  const { version = NOW_MS } = bound
  return recordBytes(name, publisher, { value, version, issuedMs: NOW_MS })
}

function setup() {
  const clock = new FakeClock(NOW_MS)
  const self = contactOf(signerOf(9).peer)
  const storage = new MemoryStore()
  const random = seededRandom('records')
  const deps = { storage, self, clock, random, network: NETWORK, responsible: () => true }
  return { clock, records: new Records(deps, dhtConfig.parse({ workBits: WORK_BITS })) }
}

test('the record of an address is stored for the peer that both keys say', async () => {
  const { records } = setup()
  const bytes = await recordOf()
  assert.deepEqual(records.put(name, bytes), { kind: 'stored' })
  const { value } = records.open(name, bytes).record
  const { binding, preKeys } = openEthValue(value, { network: NETWORK, nowMs: NOW_MS })
  assert.deepEqual([binding.peer, binding.address], [alice.peer, eth.address])
  assert.deepEqual(preKeys, [Uint8Array.of(1)])
})

test('the name is the address in lower case and nothing else', () => {
  const { address } = eth
  assert.equal(name.text, `/eth/${address.toLowerCase()}`)
  const wrong = ['/eth/', `/eth/${address}`, `${name.text}/x`, name.text.slice(0, -1), '/eth/0xzz']
  for (const text of wrong) {
    assert.throws(() => parseRecordName(text), coded('DHT_KEY_INVALID'), text)
  }
})

test('a record with one signature only, or for another network, is stored nowhere', async () => {
  const mute = { ...alice, sign: () => new Uint8Array(64) }
  const forged = { address: eth.address, signMessage: otherEth.signMessage }
  for (const [what, bound] of [
    ['only the address signed', { node: mute }],
    ['only the peer signed', { eth: forged }],
    ['another network', { network: 'elsewhere' }],
  ] as const) {
    const { records } = setup()
    const bytes = await recordOf(bound, alice)
    assert.throws(() => records.put(name, bytes), coded('IDENTITY_BINDING_INVALID'), what)
    assert.throws(() => records.open(name, bytes), coded('IDENTITY_BINDING_INVALID'), what)
    assert.equal(records.count, 0)
  }
})

test('nobody publishes the binding of another peer, or of another address', async () => {
  const { records } = setup()
  const copied = await recordOf({}, bob)
  assert.throws(() => records.put(name, copied), coded('DHT_RECORD_INVALID'))
  const strange = await recordOf({ eth: otherEth })
  assert.throws(() => records.put(name, strange), coded('DHT_RECORD_INVALID'))
  const value = await boundValue()
  const lifted = await recordBytes(name, alice, { value, version: NOW_MS + 5, issuedMs: NOW_MS })
  assert.throws(() => records.put(name, lifted), /version is "?not that of its binding/)
})

test('of two peers the one bound later is that of the address, and the other cannot outbid it', async () => {
  const { records } = setup()
  const first = await recordOf({ version: NOW_MS - 10 })
  const later = await recordOf({ node: bob, version: NOW_MS - 9 })
  assert.deepEqual(records.put(name, first), { kind: 'stored' })
  assert.deepEqual(records.put(name, later), { kind: 'stored' })
  assert.equal(records.put(name, first).kind, 'newer')
  const renewed = await recordBytes(name, alice, {
    value: await boundValue({ version: NOW_MS - 10 }),
    version: NOW_MS - 10,
    issuedMs: NOW_MS + 30_000,
  })
  assert.equal(records.put(name, renewed).kind, 'newer')
  assert.equal(decodeRecord(records.get(name.key)?.bytes ?? assert.fail()).publisher, bob.peer)
})

test('the record of an address outlives its agent by a day, as no other record does', async () => {
  const { records, clock } = setup()
  const said = { value: await boundValue({ lifeMs: 8 * 86_400_000 }), version: NOW_MS }
  const ttl = { issuedMs: NOW_MS, ttlSeconds: ETH_RECORD_SECONDS }
  records.put(name, await recordBytes(name, alice, { ...said, ...ttl }))
  const other = parseRecordName(`/data/${alice.peer}/x`)
  records.put(other, await recordBytes(other, alice, ttl))
  await clock.advance(3_600_000)
  assert.equal(records.get(other.key), undefined)
  await clock.advance(1_000 * ETH_RECORD_SECONDS - 3_600_001)
  records.sweep()
  assert.ok(records.get(name.key))
  await clock.advance(1)
  assert.equal(records.get(name.key), undefined)
})

test('a binding that is over is no record any more, though the record lives', async () => {
  const { records, clock } = setup()
  const bytes = await recordOf({ lifeMs: 1_000 })
  records.open(name, bytes)
  await clock.advance(1_000)
  assert.throws(() => records.open(name, bytes), coded('IDENTITY_BINDING_INVALID'))
})

test('values of another form are refused before a signature is looked at', async () => {
  const [binding] = [new Uint8Array(10)]
  const wrong: Cbor[] = [
    null,
    new Map<Cbor, Cbor>([[1, binding]]),
    new Map<Cbor, Cbor>([
      [1, 'text'],
      [2, []],
    ]),
    new Map<Cbor, Cbor>([
      [1, new Uint8Array(513)],
      [2, []],
    ]),
    new Map<Cbor, Cbor>([
      [1, binding],
      [2, [1, 2, 3, 4, 5]],
    ]),
    new Map<Cbor, Cbor>([
      [1, binding],
      [2, []],
      [3, new Uint8Array(257)],
    ]),
    new Map<Cbor, Cbor>([
      [1, binding],
      [2, []],
      [4, new Uint8Array()],
    ]),
  ]
  for (const value of wrong) {
    assert.throws(() => readEthValue(encodeCbor(value)), coded('DHT_RECORD_INVALID'))
  }
  const hint = Uint8Array.of(7)
  assert.deepEqual(readEthValue(encodeEthValue({ binding, preKeys: [], hint })).hint, hint)
  const large = new Uint8Array(ETH_VALUE_BYTES_MAX)
  assert.throws(() => encodeEthValue({ binding, preKeys: [large] }), coded('WIRE_TOO_LONG'))
})

test('whatever bytes a peer sends as the value, the answer is an error with a code', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.throws(
        () => openEthValue(bytes, { network: NETWORK, nowMs: NOW_MS }),
        (error) => error instanceof CodedError,
      )
    }),
  )
})
