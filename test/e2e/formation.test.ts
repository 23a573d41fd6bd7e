/**
 * Thirty nodes, each a process of its own as a user starts it, become one network: every routing
 * table is as it should be within a minute after the last node is ready, and lookups find what the
 * others have. Figures are printed; only the minute is asserted.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { hasCode, seededRandom, shuffled } from '../../src/base/index.ts'
import { type ControlClient, openClient } from '../../src/control/index.ts'
import { commonPrefixLength, compareDistance, contactOf } from '../../src/dht/key.ts'
import { peerId } from '../../src/identity/index.ts'
import { type CliNode, startNode } from '../support/cli.ts'

const NODES = 30
/** How many start at the same time; more of them would only wait for a core. */
const AT_ONCE = 3
const K = 20
const LOOKUPS = 200
const FORMATION_MS_MAX = 60_000
const PATIENCE_MS = 30_000
const SEED = 'formation 1'

interface Member extends AsyncDisposable {
  readonly node: CliNode
  readonly client: ControlClient
}

type Table = Awaited<ReturnType<ControlClient['debugDht']>>

test('thirty processes form a network in which lookups succeed', {
  timeout: 300_000,
}, async (t) => {
  const members: Member[] = []
  try {
    await startAll(members)
    const readyMs = performance.now()
    let wrong = await wrongIn(members)
    while (wrong.length > 0 && performance.now() - readyMs < FORMATION_MS_MAX) {
      await wait(500)
      wrong = await wrongIn(members)
    }
    const formationMs = performance.now() - readyMs
    assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} faults ${formationMs} ms after ready`)
    await putEach(members)
    const times = await lookUp(members)
    const [p50, p99] = [0.5, 0.99].map(
      (share) => times[Math.floor(share * (times.length - 1))] ?? 0,
    )
    t.diagnostic(
      `formation of ${NODES} processes: tables right ${(formationMs / 1_000).toFixed(1)} s after ` +
        `the last was ready; ${times.length} of ${LOOKUPS} lookups right, ` +
        `p50 ${p50?.toFixed(1)} ms, p99 ${p99?.toFixed(1)} ms over the API`,
    )
    assert.equal(times.length, LOOKUPS)
  } finally {
    for (let i = 0; i < members.length; i += AT_ONCE) {
      await Promise.all(members.slice(i, i + AT_ONCE).map((one) => one[Symbol.asyncDispose]()))
    }
  }
})

/** The first two are those that all others are told of. */
async function startAll(members: Member[]): Promise<void> {
  const starts = async (): Promise<void> => {
    const first = members.slice(0, 2).map(({ node }) => `--bootstrap=${node.address()}`)
    // A process that measures coverage writes it when it ends; there are thirty of them.
    const env = { NODE_V8_COVERAGE: '' }
    const node = await startNode(['--preset=test', ...first], { env, timeoutMs: 60_000 })
    const client = await openClient(node.dataDir)
    members.push({
      node,
      client,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]()
        await node[Symbol.asyncDispose]()
      },
    })
    // The first question loads the framework of the API, which is no part of forming a network.
    await patiently(() => client.status())
  }
  await starts()
  await starts()
  while (members.length < NODES) {
    const count = Math.min(AT_ONCE, NODES - members.length)
    const started = await Promise.allSettled(Array.from({ length: count }, starts))
    // Only now: whoever was starting meanwhile must be among those that are stopped.
    for (const one of started) if (one.status === 'rejected') throw one.reason
  }
}

/** Thirty processes share the cores with whatever else runs: a late answer is no fault of theirs. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const untilMs = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!hasCode(error, 'CONTROL_NODE_UNREACHABLE') || performance.now() > untilMs) throw error
    }
  }
}

/** What is not as it should be in the tables of all nodes, one sentence for each fault. */
async function wrongIn(members: readonly Member[]): Promise<string[]> {
  const tables: Table[] = []
  for (let i = 0; i < members.length; i += AT_ONCE) {
    const asked = members.slice(i, i + AT_ONCE)
    const some = asked.map(({ client }) => patiently(() => client.debugDht()))
    tables.push(...(await Promise.all(some)))
  }
  const all = tables.map(({ peer }) => peer)
  return tables.flatMap((table) => faultsOf(table, all))
}

/**
 * Sound: nobody but nodes of this network, each once, in the bucket of its distance, no bucket over
 * k. Complete: somebody in every bucket that the network has a node for, and our k closest known.
 */
function faultsOf({ peer, buckets }: Table, all: readonly string[]): string[] {
  const self = contactOf(peerId(peer)).key
  const keyOf = (other: string) => contactOf(peerId(other)).key
  const bitsOf = (other: string) => commonPrefixLength(self, keyOf(other))
  const others = all.filter((other) => other !== peer)
  const known = buckets.flatMap(({ peers }) => peers)
  const closest = others.toSorted((a, b) => compareDistance(self, keyOf(a), keyOf(b))).slice(0, K)
  const places = new Set(buckets.map(({ sharedBits }) => sharedBits))
  const faults = [
    ...known.filter((other) => !others.includes(other)).map((other) => `holds ${other}`),
    ...(new Set(known).size === known.length ? [] : ['holds somebody twice']),
    ...buckets.filter(({ peers }) => peers.length > K).map(() => 'a bucket is too full'),
    ...buckets
      .filter(({ sharedBits, peers }) => peers.some((other) => bitsOf(other) !== sharedBits))
      .map(({ sharedBits }) => `bucket ${sharedBits} holds who belongs elsewhere`),
    ...new Set(others.map(bitsOf).filter((bits) => !places.has(bits))),
    ...closest.filter((other) => !known.includes(other)).map((other) => `lacks ${other}`),
  ]
  return faults.map((fault) => (typeof fault === 'number' ? `bucket ${fault} is empty` : fault))
}

const keyOf = ({ node }: Member) => `/data/${node.ready.peerId}/greeting`

async function putEach(members: readonly Member[]): Promise<void> {
  for (const member of members) {
    const report = await member.client.dhtPut(keyOf(member), `from ${member.node.ready.peerId}`)
    assert.ok(report.stored.length > 0, `stored: ${JSON.stringify(report)}`)
  }
}

/** Random nodes ask for the record, and for the identity, of random others: how long each took. */
async function lookUp(members: readonly Member[]): Promise<number[]> {
  const random = seededRandom(SEED)
  const times: number[] = []
  const wrong: string[] = []
  for (let i = 0; i < LOOKUPS; i += 1) {
    const [asker, sought] = shuffled(members, random)
    assert.ok(asker !== undefined && sought !== undefined)
    const startedMs = performance.now()
    const fault = await (i % 2 === 0 ? readRecord : readIdentity)(asker, sought)
    if (fault === undefined) times.push(performance.now() - startedMs)
    else wrong.push(fault)
  }
  assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} of ${LOOKUPS} lookups (${SEED})`)
  return times.sort((a, b) => a - b)
}

async function readRecord(asker: Member, sought: Member): Promise<string | undefined> {
  const report = await asker.client.dhtGet(keyOf(sought))
  const isRight = report.value === `from ${sought.node.ready.peerId}`
  return isRight ? undefined : JSON.stringify(report)
}

async function readIdentity(asker: Member, sought: Member): Promise<string | undefined> {
  const report = await asker.client.identity(sought.node.ready.peerId)
  const isRight = report.identity?.endpoints.includes(sought.node.address()) === true
  return isRight ? undefined : JSON.stringify(report)
}
