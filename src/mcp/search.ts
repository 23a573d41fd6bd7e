/**
 * One search of the network, from a name to tools.
 *
 * A name leads to the peers that provide it, their signed records in the DHT say what they offer.
 * A record counts only when who signed it is the peer that it speaks of. A peer whose records
 * cannot be read in time is named in the answer: that nobody offers a tool is another finding
 * than that not everybody could be asked.
 */

import { compareBytes, type Logger, WorkQueue } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import { type DescribedTool, type Descriptor, decodeDescriptor } from './descriptor.ts'
import { McpError } from './errors.ts'
import { peerDistance } from './ranking.ts'
import {
  ANY_SERVICE,
  decodeIndex,
  descriptorKey,
  INDEX_NAME,
  SERVICES_MAX,
  serviceProvider,
  toolProvider,
} from './service-index.ts'
import type { Sessions } from './session.ts'
import type { ToolEntry, ToolInfo } from './tool.ts'
import { codeOf } from './verdict.ts'

/** What to look for; without either, everything. */
export interface ToolQuery {
  readonly tool?: string
  readonly service?: string
}

/** A service of another peer, as its descriptor has it. */
export interface RemoteService {
  readonly peer: PeerId
  readonly service: string
  /** Changes whenever a tool or a schema does. */
  readonly schemaHash: string
}

export interface Failure {
  readonly peer: PeerId
  readonly code: string
}

/** What a search came to: what there is, and how far that can be relied on. */
export interface Found {
  /** Our own first, then by distance from this node. */
  readonly entries: readonly ToolEntry[]
  readonly services: readonly RemoteService[]
  /** How many peers answered, those of the DHT included. */
  readonly asked: number
  /** Whom we could not ask, or whose answer was none. */
  readonly failed: readonly Failure[]
  /** It was found some seconds ago and may have changed. */
  readonly cached: boolean
}

/** When `timeoutMs` is over, the DHT answers with what it has by then; a signal takes it all. */
export interface TimedOptions extends CallOptions {
  readonly timeoutMs?: number
}

export interface SearchDht {
  get(
    key: string,
    options: TimedOptions,
  ): Promise<{ readonly value: Uint8Array | null; readonly publisher: PeerId | null }>
  findProviders(
    name: string,
    options: TimedOptions,
  ): Promise<{
    readonly providers: readonly {
      readonly peer: PeerId
      readonly addresses: readonly string[]
    }[]
    readonly answered: readonly PeerId[]
    readonly failed: readonly Failure[]
  }>
}

/** Whom a search asks. `reads` bounds the DHT reads of all searches together. */
export interface SearchDeps {
  readonly dht: SearchDht
  readonly host: Pick<Host, 'self' | 'learn'>
  readonly sessions: Pick<Sessions, 'listTools'>
  readonly log: Logger
}

const PROVIDERS_MAX = 64
/** Peers asked at once for a list that was too long for its record, in one search. */
const VISITS = { name: 'mcp-visits', concurrentMax: 4, waitingMax: PROVIDERS_MAX * SERVICES_MAX }

/**
 * Shares of a search's time: to find who provides the name, then for each of the two records on
 * the way to a tool. One silent peer may use up a share; what others say still counts.
 */
const SHARE = { providers: 0.4, record: 0.2 }

export interface Waits {
  readonly signal: AbortSignal
  /** What is left until the signal aborts. */
  readonly timeoutMs: number
}

/** Made for one search, under one deadline. */
export class Search {
  readonly #deps: SearchDeps
  readonly #reads: WorkQueue
  readonly #visits = new WorkQueue(VISITS)
  readonly #signal: AbortSignal
  readonly #timeoutMs: number
  readonly #failed = new Map<PeerId, string>()

  constructor(deps: SearchDeps, reads: WorkQueue, { signal, timeoutMs }: Waits) {
    this.#deps = deps
    this.#reads = reads
    this.#signal = signal
    this.#timeoutMs = timeoutMs
  }

  async run(query: ToolQuery): Promise<Found> {
    const { providers, answered } = await this.#providers(providerName(query))
    const perPeer = await Promise.all(providers.map((peer) => this.#offersOf(peer, query)))
    const offers = perPeer.flat()
    const heard = new Set([...answered, ...providers.filter((peer) => !this.#failed.has(peer))])
    return {
      entries: offers.flatMap(({ entries }) => entries),
      services: offers.map(({ peer, service, schemaHash }) => ({ peer, service, schemaHash })),
      asked: heard.size,
      failed: [...this.#failed].map(([peer, code]) => ({ peer, code })),
      cached: false,
    }
  }

  /** Nearest first, so that not all nodes turn to the same peers. */
  async #providers(name: string): Promise<{ providers: PeerId[]; answered: readonly PeerId[] }> {
    const { dht, host } = this.#deps
    try {
      const found = await dht.findProviders(name, this.#share(SHARE.providers))
      for (const { peer, code } of found.failed) this.#failed.set(peer, code)
      const sorted = found.providers
        .filter(({ peer }) => peer !== host.self)
        .map(({ peer }) => ({ peer, distance: peerDistance(host.self, peer) }))
        .sort((a, b) => compareBytes(a.distance, b.distance))
        .map(({ peer }) => peer)
      return { providers: sorted.slice(0, PROVIDERS_MAX), answered: found.answered }
    } catch (error) {
      this.#noteFailure(host.self, error)
      return { providers: [], answered: [] }
    }
  }

  async #offersOf(peer: PeerId, { service, tool }: ToolQuery): Promise<Offers[]> {
    try {
      const services = service === undefined ? await this.#servicesOf(peer) : [service]
      const offers = await Promise.all(services.map((name) => this.#offers(peer, name, tool)))
      return offers.filter(({ entries }) => entries.length > 0)
    } catch (error) {
      this.#noteFailure(peer, error)
      return []
    }
  }

  async #servicesOf(peer: PeerId): Promise<readonly string[]> {
    return decodeIndex(await this.#read(INDEX_NAME, peer), peer)
  }

  /** One service that cannot be read takes nothing from the others of its peer. */
  async #offers(peer: PeerId, service: string, tool?: string): Promise<Offers> {
    try {
      const descriptor = await this.#descriptor(peer, service)
      const entries = entriesOf(service, peer, await this.#toolsOf(descriptor))
      const wanted = entries.filter((entry) => (tool ?? entry.tool) === entry.tool)
      return { peer, service, schemaHash: descriptor.schemaHash, entries: wanted }
    } catch (error) {
      this.#noteFailure(peer, error)
      return { peer, service, schemaHash: '', entries: [] }
    }
  }

  async #descriptor(peer: PeerId, service: string): Promise<Descriptor> {
    const descriptor = decodeDescriptor(await this.#read(service, peer))
    if (descriptor.peer !== peer || descriptor.service !== service) {
      throw McpError.DESCRIPTOR_INVALID({ found: `one of ${descriptor.peer} at ${peer}` })
    }
    if (descriptor.toolCount > 0) await this.#deps.host.learn(peer, bare(descriptor), peer)
    return descriptor
  }

  async #toolsOf(descriptor: Descriptor): Promise<readonly (ToolInfo | DescribedTool)[]> {
    const { peer, service, tools, toolCount } = descriptor
    if (tools.length === toolCount) return tools
    return this.#visits.run(async () => {
      this.#signal.throwIfAborted()
      return this.#deps.sessions.listTools(peer, service, { signal: this.#signal })
    })
  }

  /** The value under a key of `peer`'s, when it was `peer` that signed it. */
  async #read(service: string, peer: PeerId): Promise<Uint8Array> {
    const key = descriptorKey(service, peer)
    const { value, publisher } = await this.#reads.run(async () => {
      this.#signal.throwIfAborted()
      return this.#deps.dht.get(key, this.#share(SHARE.record))
    })
    if (value === null) throw McpError.DESCRIPTOR_MISSING({ key })
    if (publisher === peer) return value
    throw McpError.DESCRIPTOR_INVALID({ found: `a record signed by ${publisher ?? 'nobody'}` })
  }

  #share(part: number): TimedOptions {
    return { signal: this.#signal, timeoutMs: Math.round(part * this.#timeoutMs) }
  }

  #noteFailure(peer: PeerId, error: unknown): void {
    const code = codeOf(error)
    this.#failed.set(peer, code)
    this.#deps.log.debug('directory lookup failed', { peer, code, error })
  }
}

interface Offers extends RemoteService {
  readonly entries: readonly ToolEntry[]
}

function providerName({ service, tool }: ToolQuery): string {
  if (service !== undefined) return serviceProvider(service)
  return tool === undefined ? ANY_SERVICE : toolProvider(tool)
}

/** The same tools, each with where it is. */
export function entriesOf(
  service: string,
  peer: PeerId,
  tools: readonly (ToolInfo | DescribedTool)[],
): ToolEntry[] {
  return tools.map(({ name, description, idempotent }) => {
    return { service, tool: name, peer, description, idempotent }
  })
}

/** Endpoints as the host takes them: without the peer id that each ends in. */
function bare({ endpoints, peer }: Descriptor): string[] {
  return endpoints.map((address) => address.replace(`/p2p/${peer}`, ''))
}
