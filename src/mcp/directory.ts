/**
 * Who offers what: publishes the services of this node, finds those of others, and remembers for
 * half a minute what it found. What was heard or read of others stays in a text index, so that a
 * search for words asks nobody.
 */

import { type Service, TtlMap, WorkQueue } from '../base/index.ts'
import type { CallOptions } from '../net/index.ts'
import { Announcements, type AnnouncementTopic } from './announcements.ts'
import type { McpConfig } from './config.ts'
import { entriesOf, foundEntries } from './found.ts'
import { decodeInvitation } from './invitation.ts'
import { servedNow } from './on-behalf.ts'
import { Publisher, type PublisherDeps } from './publisher.ts'
import { rank } from './ranking.ts'
import type { Scores } from './scores.ts'
import { type Found, Search, type SearchDeps } from './search.ts'
import { TextIndex } from './text-index.ts'
import type { ToolEntry } from './tool.ts'
import { checkQuery, matches, type ToolQuery } from './tool-query.ts'

export interface DirectoryDeps extends Omit<PublisherDeps, 'dht' | 'host'>, SearchDeps {
  readonly dht: PublisherDeps['dht'] & SearchDeps['dht']
  readonly host: PublisherDeps['host'] & SearchDeps['host']
  /** Where services are announced; null, or none, where there are no topics. */
  readonly topic?: AnnouncementTopic | null
  /** What was measured of peers, for `ranked`. */
  readonly scores?: Pick<Scores, 'get'>
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
  readonly #index: TextIndex
  readonly #announcements: Announcements | null

  constructor(
    deps: DirectoryDeps,
    config: Pick<McpConfig, 'lookupTimeoutMs' | 'descriptorRenewMs'> &
      Partial<Pick<McpConfig, 'announceServices'>>,
  ) {
    const { host, clock } = deps
    const topic = config.announceServices === false ? null : (deps.topic ?? null)
    const index = new TextIndex(clock)
    this.#index = index
    this.#announcements = topic && new Announcements({ ...deps, topic, index, self: host.self })
    this.#deps = {
      ...deps,
      seen: (descriptor) => index.put(descriptor),
      known: (peer, service) => index.get(peer, service),
    }
    this.#config = config
    this.#publisher = new Publisher(deps, config, (service, descriptor) => {
      this.#announcements?.announce(service, descriptor)
    })
    this.#cache = new TtlMap({ ...CACHE, clock })
  }

  async start(): Promise<void> {
    await this.#announcements?.start()
    this.#publisher.start()
  }

  /** What is withdrawn is announced last. */
  async stop(): Promise<void> {
    await this.#publisher.stop()
    await this.#announcements?.stop()
    this.#index.close()
  }

  /** Services of others that were heard of or read, and what they cost in characters. */
  get known(): { readonly services: number; readonly chars: number } {
    return { services: this.#index.size, chars: this.#index.chars }
  }

  /** Like `find`, or what was found in the last half minute: good enough for a first try. */
  async lookup(query: ToolQuery, options: CallOptions = {}): Promise<Found> {
    const known = this.#cache.get(cacheKey(query))
    if (known === undefined) return this.find(query, options)
    return { ...known, entries: [...this.#own(query), ...known.entries], cached: true }
  }

  /**
   * Asks the network; for words alone, first what was seen of it. When time is over, it answers
   * with what it has, and whom it missed.
   */
  async find(query: ToolQuery, options: FindOptions = {}): Promise<Found> {
    checkQuery(query)
    const seen = this.#seen(query)
    if (seen.entries.length > 0) {
      return { ...seen, entries: [...this.#own(query), ...seen.entries] }
    }
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

  /** The same, best first: as calls would try them. Found ones stand by distance otherwise. */
  ranked(entries: readonly ToolEntry[]): readonly ToolEntry[] {
    const { host, scores } = this.#deps
    const connected = new Set(host.connections().map(({ peer }) => peer))
    return rank(entries, {
      self: host.self,
      scoreOf: (peer) => scores?.get(peer),
      isConnected: (peer) => connected.has(peer),
    })
  }

  /** What was heard or read before; nothing where a name leads to who has it now. */
  #seen(query: ToolQuery): Found {
    const { text, tool, service, peer, tag, invitation } = query
    const isNamed = [tool, service, peer, tag, invitation].some((name) => name !== undefined)
    const hits = text === undefined || isNamed ? [] : this.#index.search(text)
    const { text: _, ...rest } = query
    const found = hits.filter(({ descriptor, tool: hit }) => {
      return matches(rest, { ...descriptor, tool: hit })
    })
    const services = new Map(found.map(({ descriptor }) => [descriptor, descriptor]))
    return {
      entries: found.flatMap(({ descriptor, tool: hit }) => foundEntries(descriptor, [hit])),
      services: [...services.keys()],
      asked: 0,
      failed: [],
      cached: true,
    }
  }

  #own(query: ToolQuery): ToolEntry[] {
    const { services, host } = this.#deps
    const { invitation, peer } = query
    if ((peer ?? host.self) !== host.self) return []
    const service = invitation === undefined ? query.service : decodeInvitation(invitation).service
    return (
      services
        .list()
        .filter(({ name, state }) => state === 'ready' && (service ?? name) === name)
        // Whoever asks through a tool of ours is told no more than what is published.
        .filter(({ visibility = 'public' }) => servedNow() === undefined || visibility === 'public')
        .flatMap(({ name, tools, tags = [], price }) => {
          const said = { ...(tags.length > 0 && { tags }), ...(price !== undefined && { price }) }
          const wanted = tools.filter((tool) => matches(query, { service: name, tags, tool }))
          return entriesOf(name, host.self, wanted, said)
        })
    )
  }
}

function cacheKey({ service, tool, peer, tag, text, accepts, invitation }: ToolQuery): string {
  return JSON.stringify([service, tool, peer, tag, text, accepts, invitation])
}
