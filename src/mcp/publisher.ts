/**
 * Keeps what this node offers written in the DHT, and takes it back when it is gone.
 *
 * One loop does all the writing, so that two writes never race: whatever happens only wakes it.
 * When a service or our address changes it writes what differs; everything anew before the records
 * expire, and when a peer comes while too few hold them. Names are announced at a pace that a
 * stranger's quota at one peer allows, for in a small network one peer takes them all.
 */

import {
  type Clock,
  type Emitter,
  either,
  type Logger,
  type Random,
  WorkQueue,
} from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, ConnectionInfo, NetEvents } from '../net/index.ts'
import type { McpConfig } from './config.ts'
import type { McpEvents } from './events.ts'
import {
  type Offered,
  offeredOf,
  type Publication,
  providersOf,
  publicationOf,
  type Standing,
  standingId,
} from './publication.ts'
import { Standings } from './standings.ts'
import type { ServiceStatus } from './tool.ts'

/** What a write came to: who holds the record, and how many were asked to. */
export type Stored = { readonly stored: readonly PeerId[]; readonly wanted: number }

/** The part of the DHT that a publisher writes with. */
export interface PublisherDht {
  put(
    key: string,
    value: Uint8Array,
    options: CallOptions & { ttlSeconds: number },
  ): Promise<Stored>
  provide(name: string, options: CallOptions): Promise<Stored>
  unprovide(name: string): unknown
}

export interface PublisherDeps {
  readonly dht: PublisherDht
  readonly services: {
    readonly events: Pick<Emitter<McpEvents>, 'on'>
    list(): readonly ServiceStatus[]
    /** Of a blinded service; without it that is not published at all. */
    secretOf?(name: string): Uint8Array | undefined
  }
  readonly host: {
    readonly self: PeerId
    readonly events: Pick<Emitter<NetEvents>, 'on'>
    addresses(): readonly string[]
    connections(): readonly ConnectionInfo[]
  }
  /** The version of this software, for whoever reads our descriptors. */
  readonly version: string
  /** How busy this node is, in percent. */
  readonly load?: () => number
  readonly random: Random
  readonly clock: Clock
  readonly log: Logger
}

/** Longer than any `descriptorRenewMs`, so that nothing expires while we live. */
const TTL_SECONDS = 3_600
/** A withdrawal has to outlive the copies it replaces only until those who hold them hear of it. */
const WITHDRAWN_TTL_SECONDS = 600
/** Changes come in bursts: a service starts, its tools are listed, a peer connects. */
const SETTLE_MS = 100
/** How soon to try again after a write that no other peer took. */
const RETRY_MS = 10_000
/** How soon to write everything anew when somebody comes while some, but too few, hold it. */
const SHORT_MS = 60_000
/** For one round, besides the time that the pace of its names takes. */
const PUBLISH_TIMEOUT_MS = 60_000
const WITHDRAW_TIMEOUT_MS = 1_000
/** Each provider record costs a lookup of its own; one for each tool is waiting at most. */
const PROVIDES = { name: 'mcp-provide', concurrentMax: 4, waitingMax: 20_000 }
/** One name costs a peer about 8 units of the 100 that a stranger has each second, 200 at once. */
const UNPACED_NAMES = 16
const PACE_MS = 400

export class Publisher {
  readonly #deps: PublisherDeps
  readonly #config: Pick<McpConfig, 'descriptorRenewMs'>
  readonly #life = new AbortController()
  readonly #announce: (service: string, descriptor: Uint8Array) => void
  readonly #unsubscribe: (() => void)[] = []
  /** What stands in the DHT under our name. */
  readonly #standings: Standings
  readonly #providers = new Set<string>()
  #running: Promise<void> = Promise.resolve()
  #nap = new AbortController()
  /** A service or an address is not what it was. */
  #changed = false
  /** When everything is written anew. */
  #wholeAtMs = 0
  /** Fewer peers hold some record than should, and how many others hold the worst of them. */
  #short = true
  #holders = 0

  /** `announce` tells those who listen, each time that a descriptor is written. */
  constructor(
    deps: PublisherDeps,
    config: Pick<McpConfig, 'descriptorRenewMs'>,
    announce: (service: string, descriptor: Uint8Array) => void = () => undefined,
  ) {
    this.#deps = deps
    this.#config = config
    this.#announce = announce
    this.#standings = new Standings(deps.host.self)
  }

  start(): void {
    const { services, host } = this.#deps
    this.#unsubscribe.push(
      services.events.on('servicesChanged', () => this.#change()),
      host.events.on('addresses', () => this.#change()),
      host.events.on('identified', () => {
        if (this.#short) this.#writeAllIn(this.#holders === 0 ? 0 : SHORT_MS)
      }),
    )
    this.#running = this.#run()
  }

  /** Takes back everything that was published, as far as a second allows. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#life.abort()
    await this.#running
    using deadline = this.#deps.clock.deadline(WITHDRAW_TIMEOUT_MS)
    try {
      if (this.#standings.all().length === 0) return
      await this.#withdraw(this.#standings.all(), deadline.signal)
      const options = { ttlSeconds: WITHDRAWN_TTL_SECONDS, signal: deadline.signal }
      for (const index of this.#standings.index([])) await this.#put(index, options)
      await this.#unprovide([...this.#providers])
    } catch (error) {
      this.#deps.log.debug('services not withdrawn', { error })
    }
  }

  #change(): void {
    this.#changed = true
    this.#nap.abort()
  }

  #writeAllIn(ms: number): void {
    this.#wholeAtMs = Math.min(this.#wholeAtMs, this.#deps.clock.now() + ms)
    this.#nap.abort()
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#life
    for (;;) {
      this.#nap = new AbortController()
      const leftMs = this.#changed ? 0 : this.#wholeAtMs - clock.now()
      using woken = either(signal, this.#nap.signal)
      if (leftMs > 0) await this.#sleep(leftMs, woken.signal)
      await this.#sleep(SETTLE_MS, signal)
      if (signal.aborted) return
      const whole = clock.now() >= this.#wholeAtMs
      if (!whole && !this.#changed) continue
      this.#changed = false
      const pauseMs = await this.#publish(whole)
      if (pauseMs !== undefined) this.#wholeAtMs = clock.now() + pauseMs
    }
  }

  /** Being woken is as good as having slept. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#deps.clock.sleep(ms, signal).catch(() => undefined)
  }

  /** Writes all, or what differs; returns when to write all, or nothing if that stays as it is. */
  async #publish(whole: boolean): Promise<number | undefined> {
    const { clock, log } = this.#deps
    const { descriptorRenewMs } = this.#config
    const offered = offeredOf(this.#deps.services, (name) => this.#standings.has(name))
    const names = providersOf(offered.map(({ status }) => status))
    const timeoutMs = PUBLISH_TIMEOUT_MS + names.size * PACE_MS
    using deadline = clock.deadline(timeoutMs, this.#life.signal)
    const ids = new Set(offered.map(({ standing }) => standingId(standing)))
    const gone = this.#standings.all().filter((known) => !ids.has(standingId(known)))
    if (offered.length + gone.length === 0) return descriptorRenewMs
    try {
      await this.#withdraw(gone, deadline.signal)
      await this.#unprovide([...this.#providers].filter((name) => !names.has(name)))
      await this.#write(offered, { whole, names, signal: deadline.signal })
      log.info('services published', {
        services: offered.length,
        gone: gone.length,
        holders: this.#holders,
      })
      if (this.#short && this.#holders === 0 && this.#hasPeers()) return RETRY_MS
      return whole ? descriptorRenewMs : undefined
    } catch (error) {
      if (!this.#life.signal.aborted) log.warn('services not published', { error })
      this.#short = true
      return RETRY_MS
    }
  }

  async #write(
    offered: readonly Offered[],
    { whole, names, signal }: { whole: boolean; names: ReadonlySet<string>; signal: AbortSignal },
  ): Promise<void> {
    for (const { standing } of offered) this.#standings.add(standing)
    const about = this.#about(TTL_SECONDS)
    const services = offered.map(({ status, standing }) => publicationOf(status, standing, about))
    const records = [...services, ...this.#standings.index(services)]
    const writes = records
      .filter((record) => whole || !this.#standings.stands(record))
      .map((record) => this.#put(record, { ttlSeconds: TTL_SECONDS, signal }))
    const provides = new WorkQueue(PROVIDES)
    const announced = [...names]
      .filter((name) => whole || !this.#providers.has(name))
      .map((name, i) => provides.run(() => this.#provide(name, i, signal)))
    // All at once: each is a lookup of its own, and one slow peer may lie on the way of every one.
    await allDone([...writes, ...announced])
    const reports = await Promise.all([...writes, ...announced])

    const { self } = this.#deps.host
    const holders = reports
      .filter(({ stored, wanted }) => stored.length < wanted)
      .map(({ stored }) => stored.filter((peer) => peer !== self).length)
    this.#short = holders.length > 0 || (!whole && this.#short)
    const before = whole ? Number.POSITIVE_INFINITY : this.#holders
    if (reports.length > 0) this.#holders = Math.min(before, ...holders)
  }

  async #provide(name: string, place: number, signal: AbortSignal): Promise<Stored> {
    if (place >= UNPACED_NAMES) await this.#deps.clock.sleep(PACE_MS, signal)
    this.#providers.add(name)
    return this.#deps.dht.provide(name, { signal })
  }

  async #put(record: Publication, options: CallOptions & { ttlSeconds: number }): Promise<Stored> {
    this.#standings.writing(record)
    const { key, value, announced } = record
    if (announced !== null) this.#announce(announced, value)
    const report = await this.#deps.dht.put(key, value, options)
    this.#standings.wrote(record)
    return report
  }

  /** Writes over each descriptor with one that has no tools: older copies lose against it. */
  async #withdraw(services: readonly Standing[], signal: AbortSignal): Promise<void> {
    const about = this.#about(WITHDRAWN_TTL_SECONDS)
    const puts = services.map((standing) => {
      this.#standings.remove(standing)
      const record = publicationOf({ tools: [] }, standing, about)
      return this.#put(record, { ttlSeconds: WITHDRAWN_TTL_SECONDS, signal })
    })
    await allDone(puts)
  }

  #about(ttlSeconds: number) {
    const { host, version, load, random, clock } = this.#deps
    const endpoints = host.addresses()
    const own = { self: host.self, version, endpoints, load: load === undefined ? null : load() }
    return { ...own, nowMs: clock.now(), ttlSeconds, random }
  }

  async #unprovide(names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#providers.delete(name)
      await this.#deps.dht.unprovide(name)
    }
  }

  #hasPeers(): boolean {
    return this.#deps.host.connections().length > 0
  }
}

/** As `Promise.all`, but nothing goes on when it rejects: the next writes must find these ended. */
async function allDone(works: readonly Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(works)
  await Promise.all(works)
}
