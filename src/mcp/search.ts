/**
 * One search of the network, from a name to tools.
 *
 * A name leads to the peers that provide it, their signed records in the DHT say what they offer
 * (`record-reader.ts`). A peer whose records cannot be read in time is named in the answer: that
 * nobody offers a tool is another finding than that not everybody could be asked.
 */

import { compareBytes, type Logger, WorkQueue } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { Descriptor } from './descriptor.ts'
import { entriesOf, type Found, foundEntries, type RemoteService } from './found.ts'
import { decodeInvitation } from './invitation.ts'
import type { HeldInvitations } from './invited.ts'
import { servedNow } from './on-behalf.ts'
import { peerDistance } from './ranking.ts'
import { type Indexed, RecordReader } from './record-reader.ts'
import {
  ANY_SERVICE,
  SERVICES_MAX,
  serviceProvider,
  tagProvider,
  toolProvider,
} from './service-index.ts'
import type { Sessions } from './session.ts'
import type { ToolEntry, ToolInfo } from './tool.ts'
import { hashOfTools } from './tool-hash.ts'
import { argsOf, matches, type ToolQuery } from './tool-query.ts'
import { codeOf } from './verdict.ts'

export type { Failure, Found, RemoteService } from './found.ts'
export type { ToolQuery } from './tool-query.ts'

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
    readonly failed: Found['failed']
  }>
}

/** Whom a search asks. `reads` bounds the DHT reads of all searches together. */
export interface SearchDeps {
  readonly dht: SearchDht
  readonly host: Pick<Host, 'self' | 'learn'>
  readonly sessions: Pick<Sessions, 'listTools'>
  readonly log: Logger
  /** Is told of every descriptor that was read and is open to all. */
  readonly seen?: (descriptor: Descriptor) => void
  /** What was read or heard of a service, and has not expired. */
  readonly known?: (peer: PeerId, service: string) => Descriptor | undefined
  /** Remembers an invitation that was searched with, for the calls that follow. */
  readonly invitations?: Pick<HeldInvitations, 'learn'>
}

const PROVIDERS_MAX = 64
const MISSING = 'MCP_DESCRIPTOR_MISSING'
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
  readonly #reader: RecordReader
  readonly #visits = new WorkQueue(VISITS)
  readonly #signal: AbortSignal
  readonly #timeoutMs: number
  readonly #failed = new Map<PeerId, string>()

  constructor(deps: SearchDeps, reads: WorkQueue, { signal, timeoutMs }: Waits) {
    this.#deps = deps
    this.#signal = signal
    this.#timeoutMs = timeoutMs
    this.#reader = new RecordReader(deps, reads, this.#share(SHARE.record))
  }

  async run(query: ToolQuery): Promise<Found> {
    const { invitation } = query
    if (invitation !== undefined) return this.#runInvited(invitation, query)
    if (query.peer !== undefined) return this.#runAt(query.peer, query)
    const { providers, answered } = await this.#providers(providerName(query))
    const perPeer = await Promise.all(providers.map((peer) => this.#offersOf(peer, query)))
    return this.#found(perPeer.flat(), new Set([...answered, ...providers]))
  }

  /** At one peer. What it does not publish it may still tell us, when we ask for it by name. */
  async #runAt(peer: PeerId, query: ToolQuery): Promise<Found> {
    if (peer === this.#deps.host.self) return this.#found([], new Set())
    const offers = await this.#offersOf(peer, query)
    const { service } = query
    if (service === undefined || this.#failed.get(peer) !== MISSING) {
      return this.#found(offers, new Set([peer]))
    }
    const asked = await this.#askedFor(peer, service, query)
    return this.#failed.has(peer)
      ? this.#found([], new Set())
      : this.#found([asked], new Set([peer]))
  }

  /** The peer itself is asked for a service that it does not publish, or nobody holds. */
  async #askedFor(peer: PeerId, service: string, query: ToolQuery): Promise<Offers> {
    try {
      const listed = await this.#listed(peer, service)
      this.#failed.delete(peer)
      const tools = listed.filter((tool) => matches(query, { service, tags: [], tool }))
      const entries = entriesOf(service, peer, tools)
      return { peer, service, schemaHash: hashOfTools(listed), entries }
    } catch (error) {
      this.#noteFailure(peer, error)
      return { peer, service, schemaHash: '', entries: [] }
    }
  }

  /** Only at the peers that the invitation names: who else has it may not speak for them. */
  async #runInvited(invitation: string, query: ToolQuery): Promise<Found> {
    const { service, secret, peers, addresses = [] } = decodeInvitation(invitation)
    const { host, invitations } = this.#deps
    invitations?.learn(invitation)
    const others = peers.filter((peer) => peer !== host.self)
    const wanted = (query.service ?? service) === service ? others : []
    const offers = await Promise.all(
      wanted.map(async (peer) => {
        const there = addresses.filter((each) => each.peer === peer).map(({ address }) => address)
        // Our user's word reaches everywhere; who is served says no more than a stranger may.
        const source = servedNow() === undefined ? host.self : peer
        if (there.length > 0) await host.learn(peer, there, source)
        const found = await this.#offers(peer, this.#at(peer, service, secret), query)
        const isUnwritten = this.#failed.get(peer) === MISSING && there.length > 0
        return isUnwritten ? this.#askedFor(peer, service, query) : found
      }),
    )
    const found = offers.filter(({ entries }) => entries.length > 0)
    return this.#found(found, new Set(wanted))
  }

  #found(offers: readonly Offers[], heard: ReadonlySet<PeerId>): Found {
    return {
      entries: offers.flatMap(({ entries }) => entries),
      services: offers.map(({ peer, service, schemaHash }) => ({ peer, service, schemaHash })),
      asked: [...heard].filter((peer) => !this.#failed.has(peer)).length,
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

  async #offersOf(peer: PeerId, query: ToolQuery): Promise<Offers[]> {
    try {
      const { service } = query
      const services =
        service === undefined ? await this.#reader.services(peer, query) : [this.#at(peer, service)]
      const offers = await Promise.all(services.map((each) => this.#offers(peer, each, query)))
      return offers.filter(({ entries }) => entries.length > 0)
    } catch (error) {
      this.#noteFailure(peer, error)
      return []
    }
  }

  #at(peer: PeerId, service: string, secret?: Uint8Array): Indexed {
    const place = { service, ...(secret !== undefined && { secret }) }
    return { service, descriptor: () => this.#reader.descriptor(peer, place) }
  }

  /** One service that cannot be read takes nothing from the others of its peer. */
  async #offers(peer: PeerId, indexed: Indexed, query: ToolQuery): Promise<Offers> {
    const { service } = indexed
    try {
      const descriptor = await indexed.descriptor()
      const { schemaHash } = descriptor
      return { peer, service, schemaHash, entries: await this.#entries(descriptor, query) }
    } catch (error) {
      this.#noteFailure(peer, error)
      return { peer, service, schemaHash: '', entries: [] }
    }
  }

  /** The peer itself is asked for what its record had no room for. */
  async #entries(descriptor: Descriptor, query: ToolQuery): Promise<ToolEntry[]> {
    const { peer, service, tags, tools, toolCount } = descriptor
    if (query.tag !== undefined && !tags.includes(query.tag)) return []
    const named = tools.filter(({ name }) => (query.tool ?? name) === name)
    const isSaid = query.accepts === undefined || named.every((tool) => argsOf(tool) !== null)
    if (tools.length === toolCount && isSaid) {
      return foundEntries(
        descriptor,
        tools.filter((tool) => matches(query, { service, tags, tool })),
      )
    }
    const listed = await this.#listed(peer, service)
    return foundEntries(
      descriptor,
      listed.filter((tool) => matches(query, { service, tags, tool })),
    )
  }

  #listed(peer: PeerId, service: string): Promise<readonly ToolInfo[]> {
    return this.#visits.run(async () => {
      this.#signal.throwIfAborted()
      return this.#deps.sessions.listTools(peer, service, { signal: this.#signal })
    })
  }

  #share(part: number): TimedOptions & { readonly signal: AbortSignal } {
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

/** The name that the fewest peers are behind. */
function providerName({ service, tool, tag }: ToolQuery): string {
  if (service !== undefined) return serviceProvider(service)
  if (tool !== undefined) return toolProvider(tool)
  return tag === undefined ? ANY_SERVICE : tagProvider(tag)
}
