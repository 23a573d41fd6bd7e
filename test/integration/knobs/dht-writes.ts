/** What those knobs of `[dht]` change that bound what peers bring, and that join other DHTs. */

import { Registry, seededRandom, silentLog, utf8 } from '../../../src/base/index.ts'
import { Dht, dhtMetrics, MemoryStore } from '../../../src/dht/index.ts'
import { contactOf, dhtKey } from '../../../src/dht/key.ts'
import { Records } from '../../../src/dht/records.ts'
import { Writes } from '../../../src/dht/writes.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { dataName, NETWORK, recordBytes, signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeNet } from '../../support/fake-net.ts'
import { type Observations, type Observe, outcome, timesUntilRefused } from './observation.ts'

const SELF = signerOf(900)
const SITE = '198.51'

function room({ dht: config }: NodeConfig) {
  const clock = new FakeClock(1_000)
  const random = seededRandom('records')
  const self = contactOf(SELF.peer)
  const storage = new MemoryStore()
  const responsible = () => true
  const deps = { storage, self, clock, random, network: NETWORK, responsible }
  const records = new Records(deps, config)
  const asking = { policy: { admit: () => undefined }, siteOf: () => SITE, log: silentLog }
  const metrics = dhtMetrics(new Registry())
  return { clock, records, writes: new Writes({ ...asking, records, clock, metrics }, config) }
}

/** What is taken from one peer that brings the values of five, and from five of one network. */
const brought: Observe = async (config, made) => {
  const { records } = room(config)
  made()
  const put = async (seed: number, sender: number) => {
    const name = dataName(signerOf(seed), 'x')
    const value = new Uint8Array(4_000)
    const bytes = await recordBytes(name, signerOf(seed), { value, workBits: 0 })
    return outcome(() => records.put(name, bytes, { peer: signerOf(sender).peer, site: SITE }))
  }
  const outcomes: string[] = []
  for (let i = 1; i <= 5; i += 1) outcomes.push(await put(i, 1))
  for (let i = 6; i <= 10; i += 1) outcomes.push(await put(i, i))
  return outcomes
}

const provided: Observe = (config, made) => {
  const { records } = room(config)
  made()
  const add = (i: number) => {
    records.addProvider(dhtKey(utf8(`${i}`)), { peer: signerOf(i).peer, site: SITE })
  }
  return timesUntilRefused(add, 5)
}

/** Whether a good write is taken after two bad ones, at once and half a minute later. */
const penalised: Observe = async (config, made) => {
  const { writes, clock } = room(config)
  made()
  const { peer } = signerOf(1)
  const name = dataName(signerOf(1), 'x')
  const good = { key: name.bytes, value: await recordBytes(name, signerOf(1), { workBits: 0 }) }
  for (let i = 0; i < 2; i += 1) writes.putValue(peer, name.bytes, undefined)
  const taken = [writes.putValue(peer, name.bytes, good) !== undefined]
  await clock.advance(30_000)
  taken.push(writes.putValue(peer, name.bytes, good) !== undefined)
  return taken
}

const joined: Observe = ({ dht: config }) => {
  const host = new FakeNet().add(SELF.peer)
  const metrics = dhtMetrics(new Registry())
  const [clock, random, log] = [new FakeClock(), seededRandom('x'), silentLog]
  const policy = { admit: () => undefined }
  const room = { host, signer: SELF, policy, clock, random, log, metrics, network: NETWORK }
  const dht = new Dht({ ...room, storage: new MemoryStore() }, config)
  return outcome(() => dht.extra(OTHER))
}

const OTHER = '/ipfs/kad/1.0.0'
/** Proof of work is not what these look at. */
const beside = { 'dht.work_bits': 0 }

export const dhtWriteObservations: Observations = {
  'dht.sender_records_max': { value: 2, observe: brought, beside },
  'dht.sender_bytes_max': { value: 9_000, observe: brought, beside },
  'dht.site_records_max': { value: 2, observe: brought, beside },
  'dht.site_bytes_max': { value: 9_000, observe: brought, beside },
  'dht.providers_per_site_max': { value: 2, observe: provided },
  'dht.refusals_max': { value: 2, observe: penalised, beside },
  'dht.penalty': {
    value: 10,
    observe: penalised,
    beside: { ...beside, 'dht.refusals_max': 2 },
  },
  'dht.extra_protocols': { value: [OTHER], observe: joined },
}
