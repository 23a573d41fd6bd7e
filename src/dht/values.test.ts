import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { NETWORK, recordBytes, signerOf, WORK_BITS } from '../../test/support/dht-fixture.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { Registry, seededRandom, silentLog, utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { dhtConfig } from './config.ts'
import { Density } from './density.ts'
import { contactOf } from './key.ts'
import { MemoryStore } from './memory-store.ts'
import { dhtMetrics } from './metrics.ts'
import { Providers } from './providers.ts'
import { Records } from './records.ts'
import type { SearchOptions, SearchReport } from './search.ts'
import { parseRecordName } from './validators.ts'
import { Values } from './values.ts'
import type { Message } from './wire.ts'

const me = signerOf(9)
const name = parseRecordName(`/data/${me.peer}/x`)
/** The three closest are made up; whoever lies farther off is honest. */
const everybody = Array.from({ length: 8 }, (_, i) => contactOf(signerOf(100 + i).peer))
const closest = everybody.slice(0, 3)

interface World {
  readonly crowded: boolean
  /** What a peer answers to a search. */
  readonly holds?: ReadonlyMap<PeerId, Uint8Array>
}

/** Values and providers over a search that finds `closest`, or the region where it is crowded. */
function setup({ crowded, holds = new Map() }: World) {
  const clock = new FakeClock(1_000)
  const config = dhtConfig.parse({ workBits: WORK_BITS, replication: 3, readQuorum: 2 })
  const self = contactOf(me.peer)
  const random = seededRandom('values')
  const responsible = () => true
  const storage = new MemoryStore()
  const common = { clock, random, log: silentLog, network: NETWORK }
  const records = new Records({ ...common, storage, self, responsible }, config)
  let verified = 0
  const open = records.open.bind(records)
  records.open = (...given) => {
    verified += 1
    return open(...given)
  }
  const asked: { peer: PeerId; type: Message['type'] }[] = []
  const wished: SearchOptions['region'][] = []
  const search = {
    async run(_: Message, { region, onAnswer }: SearchOptions = {}): Promise<SearchReport> {
      wished.push(region)
      const walked = crowded && region !== undefined ? everybody : closest
      for (const { peer } of walked) {
        const value = holds.get(peer)
        const record = value === undefined ? {} : { record: { key: name.bytes, value } }
        if (onAnswer?.(peer, { type: 'getValue', ...record }) === true) break
      }
      const answered = walked.map(({ peer }) => peer)
      const rest = { failed: [], complete: true, shortfall: null, crowded, hops: 1, questions: 0 }
      return { ...rest, closest, region: walked, answered, asked: answered, vouched: closest }
    },
  }
  const questions = {
    async ask(peer: PeerId, messages: readonly Message[]): Promise<Message> {
      const last = messages.at(-1) ?? assert.fail()
      asked.push({ peer, type: last.type })
      if (last.type !== 'getProviders') return last
      return { ...last, providers: [{ peer: me.peer, addresses: [] }] }
    },
    learn: async () => undefined,
    addressesOf: async () => [],
  }
  const members = { selfAmong: () => false, density: new Density(3) }
  members.density.within = () => false
  const host = { self: me.peer, addressesOf: async () => [] }
  const deps = { ...common, host, records, members, questions, search }
  const metrics = dhtMetrics(new Registry())
  const values = new Values({ ...deps, signer: me, metrics }, config)
  return {
    values,
    providers: new Providers(deps, config),
    asked,
    wished,
    clock,
    verified: () => verified,
  }
}

const peersOf = (contacts: readonly { peer: PeerId }[]) => new Set(contacts.map(({ peer }) => peer))

test('where made-up peers crowd around a key, a write goes to everybody in the region', async () => {
  const { values, providers, asked, wished } = setup({ crowded: true })
  const put = await values.put(name.text, utf8('x'))
  assert.deepEqual([put.stored.length, put.wanted, put.crowded], [8, 8, true])
  assert.deepEqual(peersOf(asked), peersOf(everybody))
  asked.length = 0
  const provided = await providers.provide('tool')
  assert.deepEqual([provided.stored.length, provided.wanted, provided.crowded], [8, 8, true])
  assert.equal((await providers.find('tool')).crowded, true)
  assert.deepEqual(new Set(wished), new Set(['when-crowded']))
})

test('elsewhere it goes to the closest, and nothing is said of a crowd', async () => {
  const { values, asked } = setup({ crowded: false })
  const put = await values.put(name.text, utf8('x'))
  assert.deepEqual([put.stored.length, put.wanted], [3, 3])
  assert.ok(!('crowded' in put))
  assert.deepEqual(peersOf(asked), peersOf(closest))
})

test('a read goes on through the region, finds what lies there, and mends all of it', async () => {
  const old = await recordBytes(name, me, { version: 1 })
  const newest = await recordBytes(name, me, { version: 2 })
  const far = everybody.slice(5).map(({ peer }) => peer)
  const [a, b, c] = far as [PeerId, PeerId, PeerId]
  const holds = new Map([
    [a, old],
    [b, newest],
    [c, old],
  ])
  const { values, asked } = setup({ crowded: true, holds })
  const got = await values.get(name.text)
  assert.deepEqual([got.version, got.crowded, got.complete], [2, true, true])
  for (let i = 0; i < 10; i += 1) await setImmediate()
  const mended = peersOf(asked)
  assert.ok(mended.has(a) && mended.has(c) && !mended.has(b))
})

test('what several holders send alike is verified once, and every other version for itself', async () => {
  const old = await recordBytes(name, me, { version: 1 })
  const newest = await recordBytes(name, me, { version: 2 })
  const [a, b, c] = closest.map(({ peer }) => peer) as [PeerId, PeerId, PeerId]
  const alike = setup({
    crowded: false,
    holds: new Map([
      [a, newest],
      [b, Uint8Array.from(newest)],
    ]),
  })
  assert.deepEqual((await alike.values.get(name.text)).version, 2)
  assert.equal(alike.verified(), 1)

  const forged = Uint8Array.from(newest)
  forged[forged.length - 20] = (forged[forged.length - 20] ?? 0) ^ 1
  const holds = new Map([
    [a, old],
    [b, forged],
    [c, newest],
  ])
  const mixed = setup({ crowded: false, holds })
  assert.equal((await mixed.values.get(name.text)).version, 2)
  assert.ok(mixed.verified() >= 3)
})
