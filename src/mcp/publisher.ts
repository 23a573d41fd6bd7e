/**
 * Keeps what this node offers written in the DHT, and takes it back when it is gone.
 *
 * One loop does all the writing, so that two writes never race: whatever happens only wakes it.
 * It writes when a service or our address changes, while too few peers hold what we wrote and a
 * new one comes, and before the records expire.
 */

import { type Clock, type Emitter, type Logger, WorkQueue } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, ConnectionInfo, NetEvents } from '../net/index.ts'
import type { McpConfig } from './config.ts'
import { describe, encodeDescriptor, isServiceName } from './descriptor.ts'
import type { McpEvents } from './events.ts'
import {
  ANY_SERVICE,
  descriptorKey,
  encodeIndex,
  INDEX_NAME,
  SERVICES_MAX,
  serviceProvider,
  toolProvider,
} from './service-index.ts'
import type { ServiceStatus, ToolInfo } from './tool.ts'

/** What a write came to: who holds the record, and how many were asked to. */
export interface Stored {
  readonly stored: readonly PeerId[]
  readonly wanted: number
}

/** The part of the DHT that a publisher writes with. */
export interface PublisherDht {
  put(
    key: string,
    value: Uint8Array,
    options: CallOptions & { ttlSeconds: number },
  ): Promise<Stored>
  provide(name: string, options: CallOptions): Promise<unknown>
  unprovide(name: string): unknown
}

export interface PublisherDeps {
  readonly dht: PublisherDht
  readonly services: {
    readonly events: Pick<Emitter<McpEvents>, 'on'>
    list(): readonly ServiceStatus[]
  }
  readonly host: {
    readonly self: PeerId
    readonly events: Pick<Emitter<NetEvents>, 'on'>
    addresses(): readonly string[]
    connections(): readonly ConnectionInfo[]
  }
  /** The version of this software, for whoever reads our descriptors. */
  readonly version: string
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
const PUBLISH_TIMEOUT_MS = 60_000
const WITHDRAW_TIMEOUT_MS = 1_000
/** Each provider record costs a lookup of its own; one for each tool is waiting at most. */
const PROVIDES = { name: 'mcp-provide', concurrentMax: 8, waitingMax: 20_000 }

export class Publisher {
  readonly #deps: PublisherDeps
  readonly #config: Pick<McpConfig, 'descriptorRenewMs'>
  readonly #life = new AbortController()
  readonly #unsubscribe: (() => void)[] = []
  /** What stands in the DHT under our name. */
  readonly #services = new Set<string>()
  readonly #providers = new Set<string>()
  #running: Promise<void> = Promise.resolve()
  #nap = new AbortController()
  #due = false
  /** Fewer peers hold our records than should. */
  #short = true

  constructor(deps: PublisherDeps, config: Pick<McpConfig, 'descriptorRenewMs'>) {
    this.#deps = deps
    this.#config = config
  }

  start(): void {
    const { services, host } = this.#deps
    this.#unsubscribe.push(
      services.events.on('servicesChanged', () => this.#wake()),
      host.events.on('addresses', () => this.#wake()),
      host.events.on('identified', () => {
        if (this.#short) this.#wake()
      }),
    )
    this.#wake()
    this.#running = this.#run()
  }

  /** Takes back everything that was published, as far as a second allows. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#life.abort()
    this.#wake()
    await this.#running
    using deadline = this.#deps.clock.deadline(WITHDRAW_TIMEOUT_MS)
    try {
      if (this.#services.size === 0) return
      await this.#withdraw([...this.#services], deadline.signal)
      await this.#putIndex(deadline.signal)
      await this.#unprovide([...this.#providers])
    } catch (error) {
      this.#deps.log.debug('services not withdrawn', { error })
    }
  }

  #wake(): void {
    this.#due = true
    this.#nap.abort()
  }

  async #run(): Promise<void> {
    let pauseMs = 0
    for (;;) {
      this.#nap = new AbortController()
      if (!this.#due) await this.#sleep(pauseMs, this.#nap.signal)
      await this.#sleep(SETTLE_MS, this.#life.signal)
      if (this.#life.signal.aborted) return
      this.#due = false
      pauseMs = await this.#publish()
    }
  }

  /** Being woken is as good as having slept. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#deps.clock.sleep(ms, signal).catch(() => undefined)
  }

  /** Writes everything once; returns how long that may stand. */
  async #publish(): Promise<number> {
    const { clock, log } = this.#deps
    using deadline = clock.deadline(PUBLISH_TIMEOUT_MS, this.#life.signal)
    const offered = this.#offered()
    const gone = [...this.#services].filter((known) => offered.every(({ name }) => name !== known))
    if (offered.length + gone.length === 0) return this.#config.descriptorRenewMs
    try {
      await this.#withdraw(gone, deadline.signal)
      const holders = await this.#write(offered, deadline.signal)
      log.info('services published', { services: offered.length, gone, holders })
      return holders === 0 && this.#hasPeers() ? RETRY_MS : this.#config.descriptorRenewMs
    } catch (error) {
      if (!this.#life.signal.aborted) log.warn('services not published', { error })
      this.#short = true
      return RETRY_MS
    }
  }

  /** Returns how many other peers hold every record. */
  async #write(offered: readonly ServiceStatus[], signal: AbortSignal): Promise<number> {
    const { dht, host } = this.#deps
    const names = providersOf(offered)
    await this.#unprovide([...this.#providers].filter((name) => !names.has(name)))

    const puts = offered.map(({ name, tools }) => {
      this.#services.add(name)
      return this.#putDescriptor(name, tools, { ttlSeconds: TTL_SECONDS, signal })
    })
    const provides = new WorkQueue(PROVIDES)
    const announced = [...names].map((name) => {
      this.#providers.add(name)
      return provides.run(async () => dht.provide(name, { signal }))
    })
    // All at once: each is a lookup of its own, and one slow peer may lie on the way of every one.
    const [reports] = await Promise.all([
      Promise.all([...puts, this.#putIndex(signal)]),
      Promise.all(announced),
    ])
    this.#short = reports.some(({ stored, wanted }) => stored.length < wanted)
    const others = reports.map(({ stored }) => stored.filter((peer) => peer !== host.self).length)
    return Math.min(...others)
  }

  #putIndex(signal: AbortSignal): Promise<Stored> {
    const { dht, host } = this.#deps
    const ttlSeconds = this.#services.size === 0 ? WITHDRAWN_TTL_SECONDS : TTL_SECONDS
    const index = encodeIndex(host.self, [...this.#services])
    return dht.put(descriptorKey(INDEX_NAME, host.self), index, { ttlSeconds, signal })
  }

  /** Writes over each descriptor with one that has no tools: older copies lose against it. */
  async #withdraw(services: readonly string[], signal: AbortSignal): Promise<void> {
    const options = { ttlSeconds: WITHDRAWN_TTL_SECONDS, signal }
    const puts = services.map((service) => {
      this.#services.delete(service)
      return this.#putDescriptor(service, [], options)
    })
    await Promise.all(puts)
  }

  #putDescriptor(
    service: string,
    tools: readonly ToolInfo[],
    options: CallOptions & { ttlSeconds: number },
  ): Promise<Stored> {
    const { dht, host, version } = this.#deps
    const endpoints = tools.length === 0 ? [] : host.addresses()
    const descriptor = describe({ service, peer: host.self, version, tools, endpoints })
    return dht.put(descriptorKey(service, host.self), encodeDescriptor(descriptor), options)
  }

  async #unprovide(names: readonly string[]): Promise<void> {
    for (const name of names) {
      this.#providers.delete(name)
      await this.#deps.dht.unprovide(name)
    }
  }

  /** Ready services, and those that are only being restarted: they will be back. */
  #offered(): ServiceStatus[] {
    const offered = this.#deps.services.list().filter(({ name, state, tools }) => {
      if (name === INDEX_NAME || !isServiceName(name) || tools.length === 0) return false
      return state === 'ready' || (state === 'restarting' && this.#services.has(name))
    })
    return offered.slice(0, SERVICES_MAX)
  }

  #hasPeers(): boolean {
    return this.#deps.host.connections().length > 0
  }
}

function providersOf(services: readonly ServiceStatus[]): Set<string> {
  const names = services.flatMap(({ name, tools }) => [
    serviceProvider(name),
    ...tools.map((tool) => toolProvider(tool.name)),
  ])
  return new Set(names.length === 0 ? [] : [ANY_SERVICE, ...names])
}
