/**
 * A flood of a million keys from one peer, against the store on disk: what it may hold stays under
 * its caps, honest records stay, and the sender is penalised (`security.md` B4).
 *
 * The peer is given more than `access` would let through, so that quotas alone have to hold; its
 * time is the test's. Work is left out: it costs the attacker, and here it would cost us.
 */

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Registry, seededRandom, silentLog, utf8 } from '../../src/base/index.ts'
import { dhtConfig } from '../../src/dht/config.ts'
import { dhtMetrics, SqliteStore } from '../../src/dht/index.ts'
import { contactOf, dhtKey } from '../../src/dht/key.ts'
import { providerKey } from '../../src/dht/provider-key.ts'
import { Records } from '../../src/dht/records.ts'
import { Writes } from '../../src/dht/writes.ts'
import { dataName, NETWORK, recordBytes, signerOf } from '../support/dht-fixture.ts'
import { FakeClock } from '../support/fake-clock.ts'

const KEYS = 1_000_000
const PUBLISHERS = 100
const HEAP_BYTES_MAX = 64 * 1024 ** 2
const folder = mkdtempSync(join(tmpdir(), 'dht-flood-'))
after(() => rmSync(folder, { recursive: true }))

function setup(config: Parameters<typeof dhtConfig.parse>[0] = {}) {
  const parsed = dhtConfig.parse({ workBits: 0, ...Object(config) })
  const clock = new FakeClock(1_000_000)
  const storage = new SqliteStore(join(mkdtempSync(join(folder, 'store-')), 'records.sqlite'))
  const self = contactOf(signerOf(9).peer)
  const random = seededRandom('flood')
  const responsible = () => true
  const rules = { storage, self, clock, random, network: NETWORK, responsible }
  const records = new Records(rules, parsed)
  const codes = new Map<string, number>()
  const metrics = {
    ...dhtMetrics(new Registry()),
    writesRefused: {
      add: (_: number, { code = '' } = {}) => void codes.set(code, (codes.get(code) ?? 0) + 1),
    },
    recordsStored: { set: () => undefined },
  }
  const asking = { policy: { admit: () => undefined }, siteOf: () => undefined, log: silentLog }
  const writes = new Writes({ ...asking, records, clock, metrics }, parsed)
  return { writes, records, storage, clock, codes, config: parsed }
}

interface Flooded {
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Records under ever new names; past the quotas nobody looks at a signature, so few have one. */
async function flooder(signedMax: number): Promise<(i: number) => Flooded> {
  const publishers = Array.from({ length: PUBLISHERS }, (_, i) => signerOf(100 + i))
  const said = { issuedMs: 1_000_000, workBits: 0 }
  const signed = await Promise.all(
    Array.from({ length: signedMax }, async (_, i): Promise<Flooded> => {
      const publisher = publishers[i % PUBLISHERS] ?? assert.fail()
      const name = dataName(publisher, `${i}`)
      return { key: name.bytes, value: await recordBytes(name, publisher, said) }
    }),
  )
  const [one] = publishers
  assert.ok(one !== undefined)
  const any = dataName(one, 'any')
  const model = await recordBytes(any, one, { ...said, value: new Uint8Array(200) })
  const at = Buffer.from(model).indexOf(any.key)
  return (i) => {
    const ready = signed[i]
    if (ready !== undefined) return ready
    const key = utf8(`/data/${one.peer}/${i}`)
    const value = Uint8Array.from(model)
    value.set(dhtKey(key), at)
    return { key, value }
  }
}

function bytesOnDisk(): number {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  return files
    .filter((file) => file.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
}

for (const { what, config, keys } of [
  { what: 'a million keys', config: {}, keys: KEYS },
  // Nobody is penalised, so each of them meets the quotas.
  { what: 'keys without a penalty', config: { penaltyMs: 100, refusalsMax: 10_000 }, keys: 20_000 },
]) {
  test(`${what} of one peer leave disk and heap under their caps, and honest records`, async () => {
    const { writes, records, storage, clock, codes, config: limits } = setup(config)
    const mallory = signerOf(50).peer
    const honest = dataName(signerOf(77), 'honest')
    const value = await recordBytes(honest, signerOf(77), { issuedMs: 1_000_000, workBits: 0 })
    const wrapped = { key: honest.bytes, value }
    assert.ok(writes.putValue(signerOf(77).peer, honest.bytes, wrapped) !== undefined)

    const next = await flooder(2 * limits.senderRecordsMax)
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < keys; i += 1) {
      const one = next(i)
      writes.putValue(mallory, one.key, one)
      writes.addProvider(mallory, providerKey(`${i}`), [{ peer: mallory, addresses: [] }])
      // A thousand writes a second, fifty times what `access` lets through.
      if (i % 1_000 === 999) await clock.advance(1_000)
    }
    assert.equal(storage.usageOf('sender', mallory).records, limits.senderRecordsMax)
    assert.ok(storage.usageOf('sender', mallory).bytes <= limits.senderBytesMax)
    assert.ok(storage.providerCount() <= limits.providersPerPeerMax)
    assert.ok(bytesOnDisk() <= 16 * 1024 ** 2, `${bytesOnDisk()} bytes on disk`)
    const grown = process.memoryUsage().heapUsed - before
    assert.ok(grown < HEAP_BYTES_MAX, `the heap grew by ${grown}`)
    assert.deepEqual(storage.get(honest.key)?.bytes, value)
    assert.equal(records.providers(dhtKey(providerKey(`${keys - 1}`)), 9).length, 0)
    const penalised = codes.get('penalty') ?? 0
    if (config.penaltyMs === undefined) assert.ok(penalised > 0.95 * 2 * keys, `${penalised}`)
    storage.close()
  })
}
