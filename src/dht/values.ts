/**
 * Values: written to the peers closest to their key, read from them, newest first.
 *
 * A write first reads, so that its version is above every version that is out there, and says of
 * each peer whether it took the value. A read verifies all that it is told, ends when enough peers
 * hold the newest version, and hands that version to those it found behind. Where made-up peers
 * crowd the place of the key, both go on through the whole region around it (`region.ts`).
 */

import { type Clock, compareBytes, equalBytes, type Logger, TtlMap } from '../base/index.ts'
import type { PeerId, Signer } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { DhtConfig } from './config.ts'
import { codeOf, DhtError, isCoded } from './errors.ts'
import { holdersOf } from './holders.ts'
import { type Contact, contactOf } from './key.ts'
import type { Members } from './members.ts'
import type { DhtMetrics } from './metrics.ts'
import type { Questions } from './questions.ts'
import {
  compareRecords,
  encodeRecord,
  type RecordRules,
  signRecord,
  TTL_SECONDS_MAX,
  VALUE_BYTES_MAX,
} from './record.ts'
import type { Held, Records } from './records.ts'
import type { Failure, Search, SearchReport, TimedOptions } from './search.ts'
import { checkPublisher, parseRecordName, type RecordName } from './validators.ts'
import type { GetReport, PutOptions, PutReport } from './value-reports.ts'
import type { Message } from './wire.ts'

/** How often a write may find a newer version, take the next and begin again. */
const ROUNDS_MAX = 2
/** The last versions we gave, so that two writes at the same time get two. */
const VERSIONS_MAX = 4_096
const VERSIONS_TTL_MS = 24 * 3_600_000

export interface ValuesDeps {
  readonly host: Pick<Host, 'self'>
  readonly signer: Signer
  readonly records: Records
  readonly members: Pick<Members, 'selfAmong' | 'density'>
  readonly questions: Pick<Questions, 'ask'>
  readonly search: Pick<Search, 'run'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: DhtMetrics
  readonly network: string
}

/** What a search for one value has found so far. */
interface Finding {
  newest: Held | undefined
  /** What each peer that answered holds; `undefined` for nothing, or nothing that verifies. */
  readonly held: Map<PeerId, Held | undefined>
}

export class Values {
  readonly #deps: ValuesDeps
  readonly #config: DhtConfig
  readonly #rules: RecordRules
  readonly #versions: TtlMap<string, number>
  readonly #life = new AbortController()

  constructor(deps: ValuesDeps, config: DhtConfig) {
    this.#deps = deps
    this.#config = config
    this.#rules = { network: deps.network, workBits: config.workBits }
    this.#versions = new TtlMap({
      entriesMax: VERSIONS_MAX,
      ttlMs: VERSIONS_TTL_MS,
      clock: deps.clock,
    })
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}): Promise<PutReport> {
    const name = parseRecordName(key)
    const ttlSeconds = options.ttlSeconds ?? this.#config.recordTtlSeconds
    this.#checkOurs(name, value, ttlSeconds)
    const { finding, report } = await this.#find(name, options, () => false)
    let version = finding.newest?.record.version ?? 0
    for (let round = 1; ; round += 1) {
      version = options.version ?? Math.max(version, this.#versions.get(key) ?? 0) + 1
      this.#versions.set(key, version)
      const held = await this.#sign(name, { value, ttlSeconds, version }, options)
      const put = await this.#store(name, held, report, options)
      const newer = put.newest?.record.version ?? 0
      const isLast = options.version !== undefined || round >= ROUNDS_MAX
      if (newer <= version || isLast) return put.report
      version = newer
    }
  }

  async get(key: string, options: TimedOptions = {}): Promise<GetReport> {
    const name = parseRecordName(key)
    const { readQuorum } = this.#config
    const enough = (found: Finding) => holders(found) >= readQuorum
    const { finding, report } = await this.#find(name, options, enough)
    const { newest, held } = finding
    if (newest !== undefined) void this.#repair(name, newest, held, report)
    const { publisher = null, version = null, value = null } = newest?.record ?? {}
    const complete = report.complete || enough(finding)
    const answered = [this.#deps.host.self, ...report.answered]
    const { failed, crowded } = report
    const said = { key, value, publisher, version, answered, failed, complete }
    return crowded ? { ...said, crowded } : said
  }

  stop(): void {
    this.#life.abort(DhtError.STOPPED({ key: 'values' }))
  }

  /** Our own store first, then towards the key, until `enough` or the end. */
  async #find(name: RecordName, options: TimedOptions, enough: (found: Finding) => boolean) {
    const own = this.#deps.records.get(name.key)
    const finding: Finding = { newest: own, held: new Map([[this.#deps.host.self, own]]) }
    const message = { type: 'getValue', key: name.bytes } as const
    const report = await this.#deps.search.run(message, {
      ...options,
      region: 'when-crowded',
      onAnswer: (peer, answer) => {
        const told = this.#open(name, peer, answer, finding.newest)
        finding.held.set(peer, told)
        if (told !== undefined && isNewer(told, finding.newest)) finding.newest = told
        return enough(finding)
      },
    })
    return { finding, report }
  }

  /** The record in an answer, if it holds; `known` was found to hold a moment ago. */
  #open(name: RecordName, peer: PeerId, { record }: Message, known?: Held): Held | undefined {
    if (record === undefined) return undefined
    // Holders of one version send the same bytes, and a signature takes longer than all else here.
    if (known !== undefined && equalBytes(record.value, known.bytes)) return known
    try {
      return this.#deps.records.open(name, record.value)
    } catch (error) {
      if (!isCoded(error)) throw error
      this.#deps.log.warn('a peer answered with a bad record', { peer, code: error.code })
      return undefined
    }
  }

  #checkOurs(name: RecordName, value: Uint8Array, ttlSeconds: number): void {
    const { self } = this.#deps.host
    if (typeof name.publisher === 'string' && name.publisher !== self) {
      throw DhtError.NOT_PUBLISHER({ key: name.text, publisher: self, wanted: name.publisher })
    }
    if (value.length > VALUE_BYTES_MAX) {
      throw DhtError.VALUE_TOO_LONG({ size: value.length, limit: VALUE_BYTES_MAX })
    }
    if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > TTL_SECONDS_MAX) {
      throw DhtError.TTL_INVALID({ ttlSeconds, limit: TTL_SECONDS_MAX })
    }
  }

  async #sign(
    name: RecordName,
    said: { value: Uint8Array; ttlSeconds: number; version: number },
    options: CallOptions,
  ): Promise<Held> {
    const { signer, clock, host } = this.#deps
    const claim = { ...said, key: name.key, publisher: host.self, issuedMs: clock.now() }
    checkPublisher(name, claim)
    const record = await signRecord(claim, signer, this.#rules, options)
    return { record, bytes: encodeRecord(record) }
  }

  /** Stores here and at the holders; says who took it and what newer version stood in the way. */
  async #store(
    name: RecordName,
    held: Held,
    found: SearchReport,
    options: CallOptions,
  ): Promise<{ report: PutReport; newest: Held | undefined }> {
    const { host, members } = this.#deps
    const holding = { self: contactOf(host.self), members }
    const { here, others, wanted } = holdersOf(name.key, found, holding, this.#config)

    const stored: PeerId[] = []
    const failed: Failure[] = []
    const own = this.#storeHere(name, held)
    if (own !== undefined) failed.push({ peer: host.self, code: own })
    else if (here) stored.push(host.self)

    let newest: Held | undefined
    const offer = async ({ peer }: Contact): Promise<void> => {
      try {
        const newer = await this.#offer(peer, name, held, options)
        if (newer === undefined) return void stored.push(peer)
        if (isNewer(newer, newest)) newest = newer
        failed.push({ peer, code: 'DHT_NEWER_EXISTS' })
      } catch (error) {
        options.signal?.throwIfAborted()
        failed.push({ peer, code: codeOf(error) })
      }
    }
    await Promise.all(others.map(offer))
    const { version } = held.record
    const report = { key: name.text, version, stored, failed, wanted }
    return { report: found.crowded ? { ...report, crowded: true } : report, newest }
  }

  /** The code of the error when our own store would not take it; the network still may. */
  #storeHere(name: RecordName, held: Held): string | undefined {
    const { records, metrics } = this.#deps
    try {
      const { kind } = records.put(name, held.bytes)
      metrics.recordsStored.set(records.count)
      return kind === 'newer' ? 'DHT_NEWER_EXISTS' : undefined
    } catch (error) {
      if (isCoded(error)) return error.code
      throw error
    }
  }

  /** Asks one peer to store; resolves with the newer record it holds instead, if it does. */
  async #offer(
    peer: PeerId,
    name: RecordName,
    held: Held,
    options: CallOptions,
  ): Promise<Held | undefined> {
    const { questions, clock } = this.#deps
    const record = { key: name.bytes, value: held.bytes, receivedMs: clock.now() }
    const message = { type: 'putValue', key: name.bytes, record } as const
    const answer = await questions.ask(peer, [message], options)
    if (answer.record !== undefined) {
      if (compareBytes(answer.record.value, held.bytes) === 0) return undefined
      const told = this.#open(name, peer, answer)
      if (told !== undefined && isNewer(told, held)) return told
    }
    throw DhtError.PUT_REFUSED({ peer, key: name.text })
  }

  /** Brings the newest version to those close to the key that hold an older one. Never rejects. */
  async #repair(
    name: RecordName,
    newest: Held,
    held: Finding['held'],
    report: SearchReport,
  ): Promise<void> {
    const { host } = this.#deps
    const behind = report.region.filter(({ peer }) => {
      const theirs = held.get(peer)
      // Who has nothing is behind only if we saw the whole group; else it may not belong to it.
      return theirs === undefined ? report.complete && held.has(peer) : isNewer(newest, theirs)
    })
    if (held.get(host.self) !== undefined) this.#storeHere(name, newest)
    const { signal } = this.#life
    const offers = behind.map(({ peer }) => this.#offer(peer, name, newest, { signal }))
    const outcomes = await Promise.allSettled(offers)
    const repaired = outcomes.filter(({ status }) => status === 'fulfilled').length
    if (behind.length > 0)
      this.#deps.log.debug('record repaired', { behind: behind.length, repaired })
  }
}

function isNewer(a: Held, b: Held | undefined): boolean {
  return b === undefined || (a !== b && compareRecords(a.record, b.record) > 0)
}

/** How many hold the newest version that was found. */
function holders({ newest, held }: Finding): number {
  if (newest === undefined) return 0
  return [...held.values()].filter((one) => one !== undefined && !isNewer(newest, one)).length
}
