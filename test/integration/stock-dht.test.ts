/**
 * What stock kad-dht lets a peer do to what is stored, and what ours does in its place
 * (`security.md` B2 to B4): the same bytes go to both, side by side.
 *
 * The stock node is helped as far as it can be: its validator and its selector are made from our
 * record, so that it sees every bad signature and can tell which version is newer. What is asserted
 * of it is its weakness: when one of these fails, the stock part was mended, and so much of ours
 * may be given up.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { memory } from '@libp2p/memory'
import { ping } from '@libp2p/ping'
import { createLibp2p } from 'libp2p'
import { AccessPolicy, accessConfig, accessMetrics, type Policy } from '../../src/access/index.ts'
import { Registry, seededRandom, silentLog, systemClock, utf8 } from '../../src/base/index.ts'
import { dhtConfig } from '../../src/dht/config.ts'
import { Dht, dhtMetrics, MemoryStore } from '../../src/dht/index.ts'
import { dhtProtocol } from '../../src/dht/protocol.ts'
import { Questions } from '../../src/dht/questions.ts'
import { compareRecords, decodeRecord, verifyRecord } from '../../src/dht/record.ts'
import { parseRecordNameBytes, type RecordName } from '../../src/dht/validators.ts'
import type { Message } from '../../src/dht/wire.ts'
import { type PeerId, peerId } from '../../src/identity/index.ts'
import { dataName, NETWORK, recordBytes, signerOf } from '../support/dht-fixture.ts'
import { eventually } from '../support/nodes.ts'
import { openPolicy, testHost } from '../support/testnet.ts'

const PROTOCOL = '/t/kad/1.0.0'
const RULES = { network: NETWORK, workBits: 0 }
const config = dhtConfig.parse({ protocol: PROTOCOL, workBits: 0 })
const alice = signerOf(1)
const name = dataName(alice, 'a')
/** As many again as ours takes of one peer, and more. */
const KEYS = 1_000
const now = () => ({ issuedMs: systemClock.now(), workBits: 0 })

/** A stock node, one of ours, and somebody who asks both of them anything. */
async function sideBySide(policy: Policy = openPolicy) {
  const stock = await stockNode()
  const host = await testHost()
  const attacker = await testHost()
  await host.start()
  // It looks like a node of ours, which hears of a refusal and keeps its stream.
  const own = { id: '/p2p-foundation/t/1.0.0', framing: 'varint', frameBytesMax: 64 } as const
  await attacker.handle({ ...own, inboundMax: 1, outboundMax: 1 }, async () => undefined)
  await attacker.start()
  const storage = new MemoryStore()
  const room = { clock: systemClock, random: seededRandom('stock'), log: silentLog }
  const metrics = dhtMetrics(new Registry())
  const signer = signerOf(9)
  const dht = new Dht({ ...room, host, signer, policy, storage, metrics, network: NETWORK }, config)
  await dht.start()
  const stockId = peerId(stock.peerId.toString())
  const stockAddresses = stock.getMultiaddrs().map(String)
  await attacker.learn(stockId, stockAddresses, attacker.self)
  await attacker.learn(host.self, host.addresses(), attacker.self)
  await attacker.connect(host.self)
  await eventually(async () => {
    return (await host.protocolsOf(attacker.self)).includes(own.id) || undefined
  })
  const questions = new Questions(
    { ...room, host: attacker, metrics },
    config,
    dhtProtocol('', PROTOCOL),
  )
  const ask = (of: PeerId, message: Message) => questions.ask(of, [message], {})
  const stop = async () => {
    questions.stop()
    await dht.stop()
    await attacker.stop()
    await host.stop()
    await stock.stop()
  }
  return { ask, stock: stockId, ours: host.self, dht, storage, [Symbol.asyncDispose]: stop }
}

async function stockNode() {
  const node = await createLibp2p({
    addresses: { listen: [`/memory/stock-${process.pid}`] },
    transports: [memory()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: PROTOCOL,
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        validators: {
          data: async (key, value) => {
            const record = decodeRecord(value)
            assert.equal(record.publisher, parseRecordNameBytes(key).publisher)
            verifyRecord(record, RULES, systemClock.now())
          },
        },
        selectors: {
          data: (_key, values) => {
            const records = values.map(decodeRecord)
            const [best] = records.toSorted((a, b) => compareRecords(b, a))
            return best === undefined ? 0 : records.indexOf(best)
          },
        },
      }),
    },
  })
  await node.start()
  return node
}

function put(value: Uint8Array, key = name.bytes, recordKey = key): Message {
  return { type: 'putValue', key, record: { key: recordKey, value, receivedMs: systemClock.now() } }
}

const get = (key = name.bytes): Message => ({ type: 'getValue', key })

function versionIn({ record }: Message): number | undefined {
  return record === undefined ? undefined : decodeRecord(record.value).version
}

test('B2: an older record overwrites a newer one at the stock node, and not at ours', async () => {
  await using both = await sideBySide()
  const [older, newer] = [
    await recordBytes(name, alice, { ...now(), version: 1 }),
    await recordBytes(name, alice, { ...now(), version: 2 }),
  ]
  for (const node of [both.stock, both.ours]) {
    await both.ask(node, put(newer))
    assert.equal(versionIn(await both.ask(node, get())), 2)
  }
  const echoed = await both.ask(both.stock, put(older))
  assert.equal(versionIn(echoed), 1, 'the stock node takes it')
  assert.equal(versionIn(await both.ask(both.stock, get())), 1, 'and the newer one is gone')

  const told = await both.ask(both.ours, put(older))
  assert.equal(versionIn(told), 2, 'ours answers with the newer one')
  assert.equal(versionIn(await both.ask(both.ours, get())), 2)
})

test('B3: a message whose key is not the record’s is stored by the stock node only', async () => {
  await using both = await sideBySide()
  const other = dataName(alice, 'other')
  const value = await recordBytes(other, alice, now())
  const misplaced = put(value, name.bytes, other.bytes)
  const echoed = await both.ask(both.stock, misplaced)
  assert.deepEqual(echoed.record?.key, other.bytes, 'it is told as done')
  // Whoever looks at the message alone, as a proxy or a quota does, sees another key.
  const there = await both.ask(both.stock, get(other.bytes))
  assert.deepEqual(there.record?.value, value, 'and stored where the message does not say')

  assert.equal((await both.ask(both.ours, misplaced)).record, undefined)
  for (const key of [name.bytes, other.bytes]) {
    assert.equal((await both.ask(both.ours, get(key))).record, undefined)
  }
  assert.equal(both.dht.recordsStored, 0)
  // The same under the right key is what ours takes.
  const taken = await both.ask(both.ours, put(value, other.bytes))
  assert.deepEqual(taken.record?.value, value)
})

/** So many values as one peer may publish without end, each of them good in itself. */
async function flood(count: number): Promise<{ name: RecordName; value: Uint8Array }[]> {
  const values = Array.from({ length: count }, async (_, i) => {
    const one = dataName(alice, `${i}`)
    return { name: one, value: await recordBytes(one, alice, now()) }
  })
  return Promise.all(values)
}

/** How many of the values are taken; asked in turns, as many at once as a stream carries. */
async function takenOf(
  ask: (message: Message) => Promise<Message>,
  values: Awaited<ReturnType<typeof flood>>,
): Promise<number> {
  let taken = 0
  for (let i = 0; i < values.length; i += 100) {
    const batch = values.slice(i, i + 100)
    const answers = await Promise.all(batch.map((one) => ask(put(one.value, one.name.bytes))))
    taken += answers.filter(({ record }) => record !== undefined).length
  }
  return taken
}

test('B4: the stock node takes every key of one peer, ours its share, and keeps the honest', async () => {
  await using both = await sideBySide()
  const bob = signerOf(2)
  const honest = dataName(bob, 'honest')
  const value = await recordBytes(honest, bob, now())
  for (const node of [both.stock, both.ours]) await both.ask(node, put(value, honest.bytes))

  const values = await flood(KEYS)
  const atStock = await takenOf((message) => both.ask(both.stock, message), values)
  assert.equal(atStock, KEYS)
  const atOurs = await takenOf((message) => both.ask(both.ours, message), values)
  assert.equal(atOurs, config.publisherRecordsMax)
  assert.ok(both.storage.usage().bytes <= config.publisherBytesMax + value.length)
  const kept = await both.ask(both.ours, get(honest.bytes))
  assert.deepEqual(kept.record?.value, value)

  // It may only have mended what another published. Who writes nonsense is not read for a while:
  // not even what it may write.
  for (let i = 0; i < config.refusalsMax; i += 1) {
    await both.ask(both.ours, put(utf8('nothing good')))
  }
  const again = await recordBytes(dataName(alice, '1'), alice, { ...now(), version: 2 })
  const refused = await both.ask(both.ours, put(again, dataName(alice, '1').bytes))
  assert.equal(refused.record, undefined)
})

test('B4: as strangers, a peer that floods loses its stream after some seconds’ worth', async () => {
  const room = { clock: systemClock, log: silentLog, metrics: accessMetrics(new Registry()) }
  await using both = await sideBySide(new AccessPolicy(room, accessConfig.parse({})))
  const outcomes = await Promise.allSettled(
    Array.from({ length: 120 }, () => both.ask(both.ours, put(utf8('nothing good')))),
  )
  assert.ok(outcomes.some(({ status }) => status === 'rejected'))
  assert.equal(both.dht.recordsStored, 0)
})

test('keys of fewer than three parts are stored by neither (CVE-2026-45783)', async () => {
  await using both = await sideBySide()
  const value = await recordBytes(name, alice, now())
  await assert.rejects(both.ask(both.stock, put(value, utf8('x'))), 'mended in the stock part')
  for (const key of [Uint8Array.of(0), utf8('x'), utf8('/x'), utf8('/data/x')]) {
    assert.equal((await both.ask(both.ours, put(value, key))).record, undefined)
    assert.equal((await both.ask(both.ours, get(key))).record, undefined)
  }
  assert.equal(both.dht.recordsStored, 0)
})
