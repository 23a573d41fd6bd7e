/** What the knobs of `[dht]` change. */

import { Registry, seededRandom, silentLog, utf8 } from '../../../src/base/index.ts'
import { Dht, dhtMetrics, SqliteStore } from '../../../src/dht/index.ts'
import { contactOf, dhtKey } from '../../../src/dht/key.ts'
import { Lookup } from '../../../src/dht/lookup.ts'
import { Members } from '../../../src/dht/members.ts'
import { dhtProtocol } from '../../../src/dht/protocol.ts'
import { Questions } from '../../../src/dht/questions.ts'
import { Records } from '../../../src/dht/records.ts'
import { Search } from '../../../src/dht/search.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { dataName, NETWORK, recordBytes, signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { FakeNet } from '../../support/fake-net.ts'
import {
  type Observations,
  type Observe,
  outcome,
  quiet,
  timeOf,
  timesUntilRefused,
} from './observation.ts'

const SELF = signerOf(900)
const alice = signerOf(1)
const PEERS = 12
/** Proof of work is not what most of these look at. */
const beside = { 'dht.work_bits': 0 }

/** A network of nodes that have found each other; what they ask is counted by kind. */
async function network({ dht: config }: NodeConfig, count = PEERS) {
  const net = new FakeNet()
  const clock = new FakeClock(1_000_000)
  const questions: string[] = []
  const metrics = {
    ...dhtMetrics(new Registry()),
    questions: { add: (_: number, { type = '' } = {}) => void questions.push(type) },
  }
  const nodes: { dht: Dht; self: PeerId }[] = []
  const hosts = Array.from({ length: count }, (_, i) => net.add(signerOf(500 + i).peer))
  for (const [i, host] of hosts.entries()) {
    const signer = signerOf(500 + i)
    const storage = new SqliteStore(':memory:')
    const policy = { admit: () => undefined }
    const random = seededRandom(host.self)
    const log = silentLog
    const deps = { host, signer, policy, storage, clock, random, log, metrics, network: NETWORK }
    const dht = new Dht(deps, config)
    await dht.start()
    nodes.push({ dht, self: host.self })
    const [first] = hosts
    if (first === undefined || first === host) continue
    await host.learn(first.self, first.addresses(), host.self)
    await host.connect(first.self)
    await quiet(100)
  }
  const [first] = nodes as [{ dht: Dht; self: PeerId }]
  const key = `/data/${first.self}/x`
  const stop = async () => {
    await Promise.all(nodes.map(({ dht }) => dht.stop()))
  }
  return { net, hosts, clock, questions, nodes, first, key, [Symbol.asyncDispose]: stop }
}

/** How the first node writes and reads: how many it asked to store, how many answered a read. */
const written: Observe = async (config, made) => {
  await using net = await network(config)
  made()
  const { wanted } = await net.first.dht.put(net.key, utf8('x'))
  const { dht } = net.nodes[5] as { dht: Dht }
  const { answered } = await dht.get(net.key)
  return { wanted, answered: answered.length }
}

const closest: Observe = async (config) => {
  await using net = await network(config)
  return (await net.first.dht.closest(utf8('x'))).closest.length
}

/** The kinds and numbers of questions in a minute and a half after a value was put. */
const askedLater: Observe = async (config) => {
  await using net = await network(config, 3)
  await net.first.dht.put(net.key, utf8('x'))
  await net.clock.advance(20_000)
  net.questions.length = 0
  for (let i = 0; i < 9; i += 1) {
    await net.clock.advance(10_000)
    await quiet()
  }
  const of = (kind: string) => net.questions.filter((type) => type === kind).length
  return { findNode: of('findNode') > 30, putValue: of('putValue') > 0 }
}

/** How many values are left after the only one has expired. */
const swept: Observe = async (config) => {
  await using net = await network(config, 1)
  await outcome(() => net.first.dht.put(net.key, utf8('x'), { ttlSeconds: 1 }))
  await net.clock.advance(3_000)
  await quiet()
  return net.first.dht.recordsStored
}

const published: Observe = async (config) => {
  await using net = await network(config, 2)
  const { dht, self } = net.first
  await outcome(() => dht.put(`/data/${self}/1`, utf8('x')))
  return await outcome(() => dht.put(`/data/${self}/2`, utf8('x')))
}

/** How long a lookup takes whose peers have all fallen silent. */
const lookupTime: Observe = async (config, made) => {
  await using net = await network(config)
  made()
  for (const host of net.hosts.slice(1)) {
    await host.handle(dhtProtocol(NETWORK, config.dht.protocol), () => new Promise(() => undefined))
  }
  const { clock, first } = net
  for (const { dht } of net.nodes.slice(1)) await dht.stop()
  return await timeOf(clock, first.dht.closest(utf8('y')), { stepMs: 100, maxMs: 60_000 })
}

/** Whether the node answers questions, and under which name. */
const spoken: Observe = async (config) => {
  await using net = await network(config, 1)
  return net.hosts[0]?.spoken()
}

const contacts = (first: number, count: number) =>
  Array.from({ length: count }, (_, i) => contactOf(signerOf(first + i).peer))

/** How many peers a lookup asks at once. */
const asked: Observe = ({ dht: config }, made) => {
  made()
  return new Lookup(dhtKey(utf8('x')), SELF.peer, contacts(1, 20), config).start().ask.length
}

/** How many of endless strangers a lookup asks, each nearer than the one before. */
const askedInAll: Observe = ({ dht: config }, made) => {
  made()
  const target = dhtKey(utf8('x'))
  const near = Array.from({ length: 600 }, (_, i) => contactOf(signerOf(2_000 + i).peer)).sort(
    (a, b) => Buffer.compare(away(target, b.key), away(target, a.key)),
  )
  const lookup = new Lookup(target, SELF.peer, near.slice(0, 1), config)
  let { ask } = lookup.start()
  let count = 0
  while (ask.length > 0) {
    const [next, ...rest] = ask
    if (next === undefined) break
    count += 1
    const at = near.findIndex(({ peer }) => peer === next.peer)
    ask = [...rest, ...lookup.answered(next.peer, near.slice(at + 1, at + 3)).ask]
  }
  return count
}

function away(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ (b[i] ?? 0))
}

function records({ dht: config }: NodeConfig) {
  const clock = new FakeClock(1_000)
  const random = seededRandom('records')
  const self = contactOf(SELF.peer)
  const storage = new SqliteStore(':memory:')
  const responsible = () => true
  const deps = { storage, self, clock, random, network: NETWORK, responsible }
  return { clock, store: new Records(deps, config) }
}

/** Who brings something, and from which network. */
const from = (seed: number, site: string | null = null) => ({ peer: signerOf(seed).peer, site })

/** How many of a publisher's values are taken, and how many are kept of several publishers. */
const stored: Observe = async (config, made) => {
  const { store } = records(config)
  made()
  const put = async (seed: number, rest: string) => {
    const name = dataName(signerOf(seed), rest)
    const value = new Uint8Array(4_000)
    const bytes = await recordBytes(name, signerOf(seed), { value, workBits: 0 })
    return outcome(() => store.put(name, bytes))
  }
  const outcomes: string[] = []
  for (let i = 0; i < 5; i += 1) outcomes.push(await put(1, String(i)))
  for (let i = 2; i < 5; i += 1) outcomes.push(await put(i, 'x'))
  return { outcomes, count: store.count }
}

const storedWithoutWork: Observe = async (config) => {
  const { store } = records(config)
  const name = dataName(alice, 'x')
  const bytes = await recordBytes(name, alice, { workBits: 0 })
  return outcome(() => store.put(name, bytes))
}

const recordLife: Observe = async (config) => {
  const { store, clock } = records(config)
  const name = dataName(alice, 'x')
  store.put(name, await recordBytes(name, alice, { workBits: 0 }))
  await clock.advance(120_000)
  return store.get(name.key) !== undefined
}

/** What is remembered of five providers of one key, and one of five keys. */
const provided: Observe = (config, made) => {
  const { store } = records(config)
  made()
  const place = (text: string) => dhtKey(utf8(text))
  for (let i = 1; i <= 5; i += 1) store.addProvider(place('one'), from(i))
  const keys = timesUntilRefused((i) => store.addProvider(place(`k${i}`), from(9)), 5)
  const kept = [0, 1, 2, 3, 4].filter((i) => store.providers(place(`k${i}`), 9).length > 0)
  return { ofOne: store.providers(place('one'), 9).length, keys, kept: kept.length }
}

const providerLife: Observe = async (config) => {
  const { store, clock } = records(config)
  store.addProvider(dhtKey(utf8('x')), from(1))
  await clock.advance(120_000)
  return store.providers(dhtKey(utf8('x')), 9).length
}

/** Questions to peers that answer at once, or never. */
async function asking({ dht: config }: NodeConfig, answers: boolean) {
  const net = new FakeNet()
  const clock = new FakeClock()
  const protocol = dhtProtocol(NETWORK, undefined)
  const us = net.add(SELF.peer)
  const others = [net.add(signerOf(1).peer), net.add(signerOf(2).peer)]
  let tries = 0
  for (const host of others) {
    await us.learn(host.self, host.addresses(), us.self)
    await host.handle(protocol, async (channel) => {
      const echo = async () => {
        for (let frame = await channel.read(); frame !== undefined; frame = await channel.read()) {
          if (answers) await channel.write(frame)
        }
      }
      await echo().catch(() => 'the stream is gone')
    })
  }
  const host = {
    self: us.self,
    addresses: () => us.addresses(),
    addressesOf: (peer: PeerId) => us.addressesOf(peer),
    connections: () => us.connections(),
    learn: (...told: Parameters<typeof us.learn>) => us.learn(...told),
    open: (...args: Parameters<typeof us.open>) => {
      tries += 1
      return us.open(...args)
    },
  }
  const metrics = dhtMetrics(new Registry())
  const questions = new Questions({ host, clock, metrics }, config, protocol)
  const ask = (i: number) => {
    const { self } = others[i] as { self: PeerId }
    return questions.ask(self, [{ type: 'ping' }], {})
  }
  return { clock, ask, others, tries: () => tries, stop: () => questions.stop() }
}

const answerTime: Observe = async (config, made) => {
  const { ask, clock } = await asking(config, false)
  made()
  return timeOf(clock, ask(0), { stepMs: 100, maxMs: 60_000 })
}

/** How many streams two questions need with a pause between them. */
const streamLife: Observe = async (config, made) => {
  const { ask, clock, tries } = await asking(config, true)
  made()
  await ask(0)
  await clock.advance(30_000)
  await ask(0)
  return tries()
}

const streamsKept: Observe = async (config, made) => {
  const { ask, tries } = await asking(config, true)
  made()
  for (const i of [0, 1, 0]) await ask(i)
  return tries()
}

/** How often a peer that is gone is tried in half a minute. */
const triedAgain: Observe = async (config) => {
  const { ask, clock, tries, others } = await asking(config, true)
  others[0]?.die()
  for (let i = 0; i < 5; i += 1) {
    await outcome(() => ask(0))
    await clock.advance(5_000)
  }
  return tries()
}

/** A table whose far bucket is filled by peers seen half a minute ago, and what a newcomer does. */
function table({ dht: config }: NodeConfig) {
  const clock = new FakeClock()
  const pinged: PeerId[] = []
  const hosts = new Map<PeerId, string>()
  const questions = {
    reachable: () => undefined,
    hostOf: (peer: PeerId) => hosts.get(peer),
    async ask(peer: PeerId) {
      pinged.push(peer)
      return { type: 'ping' as const }
    },
  }
  const random = seededRandom('members')
  const deps = { self: contactOf(SELF.peer), questions, clock, random }
  const members = new Members({ ...deps, metrics: dhtMetrics(new Registry()) }, config)
  return { members, clock, pinged, hosts }
}

const doubted: Observe = async (config) => {
  const { members, clock, pinged } = table(config)
  const seeds = Array.from({ length: 60 }, (_, i) => signerOf(100 + i).peer)
  for (const peer of seeds) members.identified(peer, true)
  await clock.advance(30_000)
  for (let i = 0; i < 20; i += 1) members.identified(signerOf(300 + i).peer, true)
  await quiet()
  return pinged.length > 0
}

/** How many of 60 peers the table takes, all of one network where `host` says so. */
const taken =
  (host?: string): Observe =>
  (config) => {
    const { members, hosts } = table(config)
    for (let i = 0; i < 60; i += 1) {
      const { peer } = signerOf(100 + i)
      if (host !== undefined) hosts.set(peer, host)
      members.identified(peer, true)
    }
    return members.size
  }

/** How many questions a search asks where everybody it hears of lies in a crowded place. */
const regionQuestions: Observe = async ({ dht: config }) => {
  const known = contacts(1, 40)
  let questions = 0
  const search = new Search(
    {
      host: { self: SELF.peer },
      members: {
        size: known.length,
        somebody: async () => undefined,
        closest: () => known.slice(0, 20),
        has: () => true,
        seen: () => undefined,
        failed: () => undefined,
        lookedFor: () => undefined,
        isCrowded: () => true,
        regionRadius: () => 1,
      },
      questions: {
        learn: async () => undefined,
        async ask(_peer, [asked]) {
          questions += 1
          const closer = known.map(({ peer }) => ({ peer, addresses: [] }))
          return { type: asked?.type ?? 'ping', closer }
        },
      },
      clock: new FakeClock(),
      random: seededRandom('region'),
      metrics: dhtMetrics(new Registry()),
    },
    config,
  )
  await search.run({ type: 'findNode', key: utf8('x') }, { region: 'when-crowded' })
  return questions
}

const patience: Observe = (config) => {
  const { members } = table(config)
  members.identified(alice.peer, true)
  let failures = 0
  while (members.size > 0 && failures < 100) {
    members.failed(alice.peer)
    failures += 1
  }
  return failures
}

export const dhtObservations: Observations = {
  'dht.mode': { value: 'client', observe: spoken },
  'dht.protocol': { value: '/other/kad/1.0.0', observe: spoken },
  'dht.k': { value: 5, observe: closest },
  'dht.bucket_peers_max': { value: 5, observe: taken() },
  'dht.site_peers_max': { value: 1, observe: taken('8.8.8.8') },
  'dht.site_bucket_peers_max': {
    value: 1,
    observe: taken('8.8.8.8'),
    beside: { 'dht.site_peers_max': 100 },
  },
  'dht.region_questions_max': { value: 4, observe: regionQuestions },
  'dht.alpha': { value: 1, observe: asked, beside: { 'dht.paths': 1 } },
  'dht.paths': { value: 1, observe: asked },
  'dht.replication_factor': { value: 3, observe: written, beside },
  'dht.read_quorum': { value: 12, observe: written, beside },
  'dht.record_ttl': { value: 60, observe: recordLife, beside },
  'dht.provider_ttl': { value: 60, observe: providerLife },
  'dht.work_bits': { value: 0, observe: storedWithoutWork },
  'dht.question_timeout': { value: 1, observe: answerTime },
  'dht.lookup_timeout': { value: 1, observe: lookupTime },
  'dht.questions_max': { value: 20, observe: askedInAll },
  'dht.stream_idle': { value: 5, observe: streamLife },
  'dht.streams_max': { value: 1, observe: streamsKept },
  'dht.records_max': { value: 3, observe: stored, beside },
  'dht.bytes_max': { value: 9_000, observe: stored, beside },
  'dht.publisher_records_max': { value: 2, observe: stored, beside },
  'dht.publisher_bytes_max': { value: 9_000, observe: stored, beside },
  'dht.providers_max': { value: 6, observe: provided },
  'dht.providers_per_key_max': { value: 2, observe: provided },
  'dht.providers_per_peer_max': { value: 2, observe: provided },
  'dht.published_max': { value: 1, observe: published, beside },
  'dht.refresh_interval': { value: 10, observe: askedLater, beside },
  'dht.republish_interval': {
    value: 10,
    observe: askedLater,
    beside: { ...beside, 'dht.replication_factor': 2 },
  },
  'dht.maintenance_interval': { value: 1, observe: swept, beside },
  'dht.peer_failures_max': { value: 1, observe: patience },
  'dht.peer_fresh': { value: 10, observe: doubted },
  'dht.peer_retry': { value: 4, observe: triedAgain },
}
