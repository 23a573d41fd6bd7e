/**
 * What an assistant is offered: the tools of this node and of the peers it can find, each under a
 * name of its own, in one list that never waits long.
 *
 * A description of a stranger is data. It says in front whose it is, so that neither a person nor
 * a model takes it for a word of this node.
 */

import { every, type Service, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import { nameTools, placeKey } from './catalog-names.ts'
import { McpError } from './errors.ts'
import { type PlacedTool, RemoteTools, type RemoteToolsDeps } from './remote-tools.ts'
import type { Router } from './router.ts'
import type { Services } from './services.ts'
import type { SessionCallOptions } from './session.ts'
import type { ToolArgs, ToolInfo, ToolResult } from './tool.ts'

/** A tool as an assistant sees it: `name` is the catalog's, the rest says where it is. */
export interface CatalogTool extends ToolInfo {
  readonly service: string
  readonly tool: string
  readonly peer: PeerId
}

/** Tools to list and to call, wherever the node is that has them. */
export interface Catalog {
  /** Each `name` is the catalog's own, and unique. */
  list(options?: CallOptions): Promise<readonly ToolInfo[]>
  /** Calls the tool that is listed as `name`, at the peer that it was listed for. */
  call(name: string, args: ToolArgs, options?: SessionCallOptions): Promise<ToolResult>
  /** Calls `listener` when the list has changed, until the function returned is called. */
  watch?(listener: () => void): () => void
}

export interface CatalogDeps extends RemoteToolsDeps {
  readonly services: Pick<Services, 'list' | 'events'>
  readonly router: Pick<Router, 'call'>
  readonly host: Pick<Host, 'self' | 'events'>
}

const TOOLS_MAX = 1_000
/** A list is made in at most this time; peers that have not answered by then are left out. */
const LIST_TIMEOUT_MS = 3_000
const FRESH_MS = 10_000
/** While somebody watches: how often to look whether there is reason to, and when to anyway. */
const WATCH_MS = 5_000
const REFRESH_MS = 60_000
const NAMES = { entriesMax: 20_000, ttlMs: 7 * 24 * 3_600_000 }

interface Listing {
  readonly tools: readonly CatalogTool[]
  readonly atMs: number
}

/** The catalog of the node in this process. */
export class LocalCatalog implements Catalog, Service {
  readonly name = 'mcp catalog'
  readonly #deps: CatalogDeps
  readonly #remote: RemoteTools
  /** Whose each name is, also while its owner is away. */
  readonly #owners: TtlMap<string, string>
  readonly #watchers = new Set<() => void>()
  readonly #life = new AbortController()
  readonly #unsubscribe: (() => void)[] = []
  #watching: Promise<void> = Promise.resolve()
  #listing: Listing | undefined
  #making: Promise<Listing> | undefined
  /** Peers came or went since the list was made. */
  #peersMoved = true

  constructor(deps: CatalogDeps) {
    this.#deps = deps
    this.#remote = new RemoteTools(deps)
    this.#owners = new TtlMap({ ...NAMES, clock: deps.clock })
  }

  async start(): Promise<void> {
    const { services, host, clock } = this.#deps
    const moved = () => {
      this.#peersMoved = true
    }
    this.#unsubscribe.push(
      host.events.on('identified', moved),
      host.events.on('disconnected', moved),
      services.events.on('servicesChanged', () => {
        this.#listing = undefined
        this.#tellWatchers()
      }),
    )
    this.#watching = every(clock, WATCH_MS, () => this.#look(), this.#life.signal)
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#life.abort()
    await this.#watching
    await this.#making?.catch(() => undefined)
  }

  async list({ signal }: CallOptions = {}): Promise<readonly CatalogTool[]> {
    const { tools } = await abortable(this.#current(), signal)
    return tools
  }

  async call(name: string, args: ToolArgs, options: SessionCallOptions = {}): Promise<ToolResult> {
    const isWanted = (tool: CatalogTool) => tool.name === name
    const known = this.#listing?.tools.find(isWanted)
    const place = known ?? (await abortable(this.#make(), options.signal)).tools.find(isWanted)
    if (place === undefined) throw McpError.CATALOG_UNKNOWN({ name: name.slice(0, 128) })
    const { service, tool, peer } = place
    const { content, structuredContent, isError } = await this.#deps.router.call(tool, args, {
      ...options,
      service,
      peer,
    })
    return {
      content,
      ...(structuredContent === undefined ? {} : { structuredContent }),
      ...(isError === undefined ? {} : { isError }),
    }
  }

  watch(listener: () => void): () => void {
    // One entry for each call, also when the same listener is given twice.
    const watcher = () => listener()
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  #tellWatchers(): void {
    for (const watcher of [...this.#watchers]) watcher()
  }

  /** Looks anew for those who watch, when there is reason to. */
  async #look(): Promise<void> {
    const ageMs = this.#deps.clock.now() - (this.#listing?.atMs ?? 0)
    if (this.#watchers.size === 0 || (!this.#peersMoved && ageMs < REFRESH_MS)) return
    await this.#make().catch((error: unknown) => {
      this.#deps.log.debug('tools not listed', { error })
    })
  }

  async #current(): Promise<Listing> {
    const listing = this.#listing
    const isFresh = listing !== undefined && this.#deps.clock.now() - listing.atMs < FRESH_MS
    return isFresh ? listing : this.#make()
  }

  /** Whoever asks while a list is being made gets that one. */
  #make(): Promise<Listing> {
    this.#making ??= this.#makeOne().finally(() => {
      this.#making = undefined
    })
    return this.#making
  }

  async #makeOne(): Promise<Listing> {
    const { clock } = this.#deps
    const before = this.#listing
    this.#peersMoved = false
    using deadline = clock.deadline(LIST_TIMEOUT_MS, this.#life.signal)
    const others = await this.#remote.gather(deadline.signal)
    const tools = this.#named([...this.#own(), ...others].slice(0, TOOLS_MAX))
    const listing = { tools, atMs: clock.now() }
    this.#listing = listing
    if (before !== undefined && !isSame(before.tools, tools)) this.#tellWatchers()
    return listing
  }

  #own(): PlacedTool[] {
    const { services, host } = this.#deps
    return services
      .list()
      .filter(({ state }) => state === 'ready')
      .flatMap(({ name, tools }) => {
        return tools.map((info) => ({ peer: host.self, service: name, info }))
      })
  }

  #named(found: readonly PlacedTool[]): CatalogTool[] {
    const { self } = this.#deps.host
    const infos = new Map<string, ToolInfo>()
    const places = found.map(({ peer, service, info }) => {
      const place = { peer, service, tool: info.name }
      infos.set(placeKey(place), info)
      return place
    })
    const named = nameTools(places, self, (name) => this.#owners.get(name))
    return [...named].flatMap(([name, place]) => {
      const info = infos.get(placeKey(place))
      if (info === undefined) return []
      this.#owners.set(name, placeKey(place))
      const label = place.peer === self ? '' : `[from peer ${shortPeer(place.peer)}] `
      return { ...info, ...place, name, description: label + info.description }
    })
  }
}

function shortPeer(peer: PeerId): string {
  return `${peer.slice(0, 4)}…${peer.slice(-6)}`
}

function isSame(a: readonly CatalogTool[], b: readonly CatalogTool[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Lets one of several waiters go without ending what the others wait for. */
async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const { promise, reject } = Promise.withResolvers<never>()
  const giveUp = () => reject(signal.reason)
  if (signal.aborted) giveUp()
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
