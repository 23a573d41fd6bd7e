/**
 * Every tool that this node has or can find, each under a name of its own: made in a bounded time,
 * kept for a while, and made once for all who ask together.
 *
 * A description of a stranger is data. It says in front whose it is, so that neither a person nor
 * a model takes it for a word of this node.
 */

import { TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import { nameTools, placeKey, type ToolPlace } from './catalog-names.ts'
import { McpError } from './errors.ts'
import { type PlacedTool, RemoteTools, type RemoteToolsDeps } from './remote-tools.ts'
import type { RemoteService } from './search.ts'
import type { Services } from './services.ts'
import type { ToolInfo } from './tool.ts'

/** A tool as an assistant sees it: `name` is the catalog's, the rest says where it is. */
export interface CatalogTool extends ToolInfo {
  readonly service: string
  readonly tool: string
  readonly peer: PeerId
}

/** A tool as it is shown, and as its service described it. */
export interface Listed {
  readonly shown: CatalogTool
  readonly placed: PlacedTool
}

export interface Listing {
  readonly tools: readonly Listed[]
  readonly atMs: number
}

export interface ListingsDeps extends RemoteToolsDeps {
  readonly services: Pick<Services, 'list'>
  readonly host: Pick<Host, 'self'>
  /** Ends what is being made. */
  readonly life: AbortSignal
}

const TOOLS_MAX = 4_096
/** A list is made in at most this time; peers that have not answered by then are left out. */
const LIST_TIMEOUT_MS = 3_000
const FRESH_MS = 10_000
/** An assistant calls what it has found within minutes. */
const DEFINED = { entriesMax: 512, ttlMs: 600_000 }
const NAMES = { entriesMax: 20_000, ttlMs: 7 * 24 * 3_600_000 }

export class Listings {
  readonly #deps: ListingsDeps
  readonly #remote: RemoteTools
  /** Whose each name is, also while its owner is away. */
  readonly #owners: TtlMap<string, string>
  /** What was found by itself, by name. */
  readonly #defined: TtlMap<string, Listed>
  #latest: Listing | undefined
  #making: Promise<Listing> | undefined

  constructor(deps: ListingsDeps) {
    this.#deps = deps
    this.#remote = new RemoteTools(deps)
    this.#owners = new TtlMap({ ...NAMES, clock: deps.clock })
    this.#defined = new TtlMap({ ...DEFINED, clock: deps.clock })
  }

  get latest(): Listing | undefined {
    return this.#latest
  }

  /** The next who asks gets a new one. */
  forget(): void {
    this.#latest = undefined
  }

  /** A fresh listing, made for whoever asks or kept from the last seconds. */
  async current(signal?: AbortSignal): Promise<Listing> {
    const latest = this.#latest
    const isFresh = latest !== undefined && this.#deps.clock.now() - latest.atMs < FRESH_MS
    return isFresh ? latest : abortable(this.make(), signal)
  }

  /**
   * Tools of these services by their names here, as far as `is` wants them: for who looks for some
   * and not for all. They can be called by these names for a while.
   */
  async define(
    remotes: readonly RemoteService[],
    is: (place: ToolPlace) => boolean,
    signal: AbortSignal,
  ): Promise<Listed[]> {
    const { self } = this.#deps.host
    const own = this.#own()
    const lists = await Promise.all(
      remotes.map(async (remote) => {
        if (remote.peer !== self) return this.#remote.list(remote, signal)
        return own.filter(({ service }) => service === remote.service)
      }),
    )
    const wanted = lists.flat().filter(({ peer, service, info }) => {
      return is({ peer, service, tool: info.name })
    })
    const named = this.#named(wanted)
    for (const tool of named) this.#defined.set(tool.shown.name, tool)
    return named
  }

  /** The first tool that is wanted, of what was listed last or found since. */
  knows(is: (tool: Listed) => boolean): Listed | undefined {
    const defined = () => this.#defined.entries().map(([, tool]) => tool)
    return this.#latest?.tools.find(is) ?? defined().find(is)
  }

  /** The first tool that is wanted; looks anew where none is known. */
  async need(
    wanted: { readonly name: string; readonly is: (tool: Listed) => boolean },
    signal?: AbortSignal,
  ): Promise<Listed> {
    const known = this.knows(wanted.is)
    const found = known ?? (await abortable(this.make(), signal)).tools.find(wanted.is)
    if (found === undefined) throw McpError.CATALOG_UNKNOWN({ name: wanted.name.slice(0, 128) })
    return found
  }

  /** Whoever asks while a list is being made gets that one. */
  make(): Promise<Listing> {
    this.#making ??= this.#makeOne().finally(() => {
      this.#making = undefined
    })
    return this.#making
  }

  /** Resolves when nothing is being made. */
  async settled(): Promise<void> {
    await this.#making?.catch(() => undefined)
  }

  async #makeOne(): Promise<Listing> {
    const { clock, life } = this.#deps
    using deadline = clock.deadline(LIST_TIMEOUT_MS, life)
    const others = await this.#remote.gather(deadline.signal)
    const tools = this.#named([...this.#own(), ...others].slice(0, TOOLS_MAX))
    const listing = { tools, atMs: clock.now() }
    this.#latest = listing
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

  #named(found: readonly PlacedTool[]): Listed[] {
    const { self } = this.#deps.host
    const byKey = new Map<string, PlacedTool>()
    const places = found.map((placed) => {
      const { peer, service, info } = placed
      const place = { peer, service, tool: info.name }
      byKey.set(placeKey(place), placed)
      return place
    })
    const named = nameTools(places, self, (name) => this.#owners.get(name))
    return [...named].flatMap(([name, place]) => {
      const placed = byKey.get(placeKey(place))
      if (placed === undefined) return []
      this.#owners.set(name, placeKey(place))
      const label = place.peer === self ? '' : `[from peer ${shortPeer(place.peer)}] `
      const description = label + placed.info.description
      return [{ shown: { ...placed.info, ...place, name, description }, placed }]
    })
  }
}

function shortPeer(peer: PeerId): string {
  return `${peer.slice(0, 4)}…${peer.slice(-6)}`
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
