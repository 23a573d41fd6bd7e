/**
 * One peer floods a node with records: `--nodes` is how many. It has all the work in the world (the
 * node wants none here), a valid signature on each record, and a thousand other publishers whose
 * records it brings besides its own. First it sends as fast as it can, then, for the rest, just
 * slowly enough for the policy to admit it, for as many hours as that takes.
 *
 * What answers is what a node has: the policy, the handler, the records and their store on a disk.
 * The node is taken to be responsible for every key, as in a small network. All the while others
 * publish and renew as usual; their records must stay.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, utf8 } from '../../../src/base/index.ts'
import { encodeRecord, signRecord } from '../../../src/dht/record.ts'
import { parseRecordName } from '../../../src/dht/validators.ts'
import type { Message } from '../../../src/dht/wire.ts'
import { generateKeys, type PeerId, type Signer } from '../../../src/identity/index.ts'
import { FloodedNode, RULES, START_MS, toMb } from '../flooded-node.ts'
import { heapMb } from '../heap-mb.ts'
import { atLeast, atMost, outcomeOf } from '../outcome.ts'
import type { RunOptions, Scenario } from '../scenario.ts'

const VALUE_BYTES = 1_024
const HONEST = 50
const HONEST_KEYS = 4
const RENEW_MS = 20 * 60_000
/** A put costs 6 of the 100 units that a stranger has each second, a refused one 11. */
const PATIENT_MS = 115
const FAST_SHARE = 0.1
const OTHER_PUBLISHERS = 1_000
const HEAP_MB_MAX = 16
/** What SQLite keeps beside the records of the one flooder and the honest: indexes and its log. */
const DISK_MB_MAX = 24

export const scenario: Scenario = {
  name: 'flood-keys',
  summary: 'One peer floods a node with records; --nodes is how many',
  tier: () => 'B',
  defaults: { nodes: 1_000_000, adversaries: 0 },
  run,
}

type Options = Pick<RunOptions, 'seed' | 'nodes' | 'log'>

async function run({ seed, nodes: keys, log }: Options) {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-flood-'))
  try {
    const victim = new FloodedNode(folder, `${seed}`)
    const honest = new Honest(victim, `${seed}`)
    await honest.renew()
    const flood = new Flood(victim, `${seed}`)
    const [heapBefore, diskBefore] = [heapMb(), victim.diskMb()]
    log(`heap ${heapBefore} MiB and disk ${diskBefore} MiB before`)
    let [diskMax, heapMax] = [diskBefore, heapBefore]
    for (let i = 0; i < keys; i += 1) {
      const isPatient = i >= keys * FAST_SHARE
      await flood.send(i)
      if (isPatient) victim.pass(PATIENT_MS)
      if (victim.nowMs - honest.renewedMs >= RENEW_MS) await honest.renew()
      if (i % 10_000 === 0) {
        ;[diskMax, heapMax] = [Math.max(diskMax, victim.diskMb()), Math.max(heapMax, heapMb())]
        log(`${i} keys: ${JSON.stringify(Object.fromEntries(flood.outcomes))}`)
      }
    }
    const held = victim.heldFor(flood.peer)
    const isPenalised = await flood.isRefusedUnread()
    const kept = await honest.kept()
    const [heapAfter, diskAfter] = [heapMb(), victim.diskMb()]
    victim.close()
    return outcomeOf(
      {
        eventHash: victim.digest(),
        expected: honest.writes + HONEST * HONEST_KEYS,
        delivered: honest.writes - honest.refused + kept,
        oracles: {},
        extra: {
          keys,
          virtualHours: Math.round((victim.nowMs - START_MS) / 3_600_000),
          ...Object.fromEntries(flood.outcomes),
          penalties: await victim.count('p2p_dht_penalties'),
          heldForSender: held.records,
          heldForSenderMb: toMb(held.bytes),
          honestKept: kept,
          heapMbBefore: heapBefore,
          heapMbAfter: heapAfter,
          heapMbMax: heapMax,
          diskMbBefore: diskBefore,
          diskMbAfter: diskAfter,
          diskMbMax: diskMax,
          senderState: isPenalised ? 'penalised' : 'heard',
        },
      },
      [
        atMost('records of the flooder', held.records, victim.config.senderRecordsMax),
        atMost('MiB of the flooder', toMb(held.bytes), toMb(victim.config.senderBytesMax)),
        atMost('MiB on disk', Math.max(diskMax, diskAfter), DISK_MB_MAX),
        atMost('MiB of heap that came', Math.max(heapMax, heapAfter) - heapBefore, HEAP_MB_MAX),
        atMost('honest writes refused', honest.refused, 0),
        atLeast('honest records kept', kept, HONEST * HONEST_KEYS),
        { holds: isPenalised, says: 'the flooder is not penalised' },
      ],
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Everybody else: each publishes a few records and renews them, with a new version each time. */
class Honest {
  writes = 0
  refused = 0
  renewedMs = START_MS
  readonly #victim: FloodedNode
  readonly #signers: readonly Signer[]
  #version = 0

  constructor(victim: FloodedNode, seed: string) {
    this.#victim = victim
    this.#signers = signersOf(`${seed}/honest`, HONEST)
  }

  async renew(): Promise<void> {
    this.renewedMs = this.#victim.nowMs
    this.#version += 1
    for (const signer of this.#signers) {
      for (let i = 0; i < HONEST_KEYS; i += 1) {
        const put = await putOf(signer, `honest ${i}`, this.#victim.nowMs, this.#version)
        const answer = await this.#victim.ask(signer.peer, put)
        this.writes += 1
        if (!isStored(answer)) this.refused += 1
      }
    }
  }

  /** How many of the last records are there when somebody asks for them. */
  async kept(): Promise<number> {
    let kept = 0
    for (const [i, { peer }] of this.#signers.entries()) {
      // Everybody reads what another has written, and has the rate of one peer for it.
      const asker = this.#signers[(i + 1) % HONEST]?.peer ?? peer
      for (let each = 0; each < HONEST_KEYS; each += 1) {
        const { bytes: key } = parseRecordName(`/data/${peer}/honest ${each}`)
        if (isStored(await this.#victim.ask(asker, { type: 'getValue', key }))) kept += 1
      }
    }
    return kept
  }
}

class Flood {
  /** How many messages ended in which way. */
  readonly outcomes = new Map<string, number>()
  readonly #victim: FloodedNode
  readonly #own: Signer
  readonly #others: readonly Signer[]

  constructor(victim: FloodedNode, seed: string) {
    this.#victim = victim
    const [own, ...others] = signersOf(`${seed}/flood`, OTHER_PUBLISHERS + 1)
    if (own === undefined) throw new RangeError('nobody floods')
    this.#own = own
    this.#others = others
  }

  get peer(): PeerId {
    return this.#own.peer
  }

  async send(i: number): Promise<void> {
    const signer = i % 2 === 0 ? this.#own : (this.#others[i % OTHER_PUBLISHERS] ?? this.#own)
    const put = await putOf(signer, `flood ${i}`, this.#victim.nowMs, 1)
    const answer = await this.#victim.ask(this.peer, put)
    const how = isStored(answer) ? 'stored' : typeof answer === 'string' ? answer : 'refused'
    this.outcomes.set(how, (this.outcomes.get(how) ?? 0) + 1)
  }

  /** Whether what it sends now is not even read. */
  async isRefusedUnread(): Promise<boolean> {
    const unread = () => this.#victim.count('p2p_dht_writes_refused', { code: 'penalty' })
    const before = await unread()
    await this.send(0)
    return (await unread()) > before
  }
}

function signersOf(seed: string, count: number): Signer[] {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => generateKeys(random).signer)
}

async function putOf(
  signer: Signer,
  rest: string,
  nowMs: number,
  version: number,
): Promise<Message> {
  const { bytes, key } = parseRecordName(`/data/${signer.peer}/${rest}`)
  const value = new Uint8Array(VALUE_BYTES).fill(version & 0xff)
  value.set(utf8(rest))
  const claim = { key, value, publisher: signer.peer, ttlSeconds: 3_600, version, issuedMs: nowMs }
  const record = encodeRecord(await signRecord(claim, signer, RULES))
  return { type: 'putValue', key: bytes, record: { key: bytes, value: record, receivedMs: nowMs } }
}

function isStored(answer: Message | string): boolean {
  return typeof answer !== 'string' && answer.record !== undefined
}
