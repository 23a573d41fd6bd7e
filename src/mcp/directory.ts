/**
 * Who offers what: publishes the services of this node, finds those of others, and remembers for
 * half a minute what it found.
 */

import { type Service, TtlMap, WorkQueue } from '../base/index.ts'
import type { CallOptions } from '../net/index.ts'
import type { McpConfig } from './config.ts'
import { Publisher, type PublisherDeps } from './publisher.ts'
import { entriesOf, type Found, Search, type SearchDeps, type ToolQuery } from './search.ts'
import type { ToolEntry } from './tool.ts'

export interface DirectoryDeps extends Omit<PublisherDeps, 'dht' | 'host'>, SearchDeps {
  readonly dht: PublisherDeps['dht'] & SearchDeps['dht']
  readonly host: PublisherDeps['host'] & SearchDeps['host']
}

export interface FindOptions extends CallOptions {
  /** `lookupTimeoutMs` unless given. */
  readonly timeoutMs?: number
}

/** DHT reads at once, over all searches. */
const READS = { name: 'mcp-directory', concurrentMax: 16, waitingMax: 4_096 }
const CACHE = { entriesMax: 1_024, ttlMs: 30_000 }

export class Directory implements Service {
  readonly name = 'mcp-directory'
  readonly #deps: DirectoryDeps
  readonly #config: Pick<McpConfig, 'lookupTimeoutMs'>
  readonly #publisher: Publisher
  readonly #reads = new WorkQueue(READS)
  readonly #cache: TtlMap<string, Found>

  constructor(
    deps: DirectoryDeps,
    config: Pick<McpConfig, 'lookupTimeoutMs' | 'descriptorRenewMs'>,
  ) {
    this.#deps = deps
    this.#config = config
    this.#publisher = new Publisher(deps, config)
    this.#cache = new TtlMap({ ...CACHE, clock: deps.clock })
  }

  async start(): Promise<void> {
    this.#publisher.start()
  }

  async stop(): Promise<void> {
    await this.#publisher.stop()
  }

  /** Like `find`, or what was found in the last half minute: good enough for a first try. */
  async lookup(query: ToolQuery, options: CallOptions = {}): Promise<Found> {
    const known = this.#cache.get(cacheKey(query))
    if (known === undefined) return this.find(query, options)
    return { ...known, entries: [...this.#own(query), ...known.entries], cached: true }
  }

  /** Asks the network. When time is over, it answers with what it has, and whom it missed. */
  async find(query: ToolQuery, options: FindOptions = {}): Promise<Found> {
    const { signal, timeoutMs = this.#config.lookupTimeoutMs } = options
    using deadline = this.#deps.clock.deadline(timeoutMs, signal)
    const search = new Search(this.#deps, this.#reads, { signal: deadline.signal, timeoutMs })
    const remote = await search.run(query)
    signal?.throwIfAborted()
    if (remote.entries.length > 0) this.#cache.set(cacheKey(query), remote)
    return { ...remote, entries: [...this.#own(query), ...remote.entries] }
  }

  /** What was found led nowhere: the next `lookup` asks the network. */
  forget(query: ToolQuery): void {
    this.#cache.delete(cacheKey(query))
  }

  #own({ tool, service }: ToolQuery): ToolEntry[] {
    const { services, host } = this.#deps
    return services
      .list()
      .filter(({ name, state }) => state === 'ready' && (service ?? name) === name)
      .flatMap(({ name, tools }) => entriesOf(name, host.self, tools))
      .filter((entry) => (tool ?? entry.tool) === entry.tool)
  }
}

function cacheKey({ service = '', tool = '' }: ToolQuery): string {
  return `${service}\n${tool}`
}
