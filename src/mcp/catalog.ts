/**
 * What an assistant is offered: the tools of this node and of the peers it can find, in one list
 * that never waits long and never grows beyond what a reader can use. Where there are more tools
 * than that, the list holds our own, the pinned ones, and two that find and call the others.
 *
 * A tool of another peer is held to what it said of itself when it was approved (`approvals.ts`).
 */

import { every, type Service } from '../base/index.ts'
import type { CallOptions, Host } from '../net/index.ts'
import type { Approvals, Verdict } from './approvals.ts'
import { type CatalogTool, type Listed, Listings } from './catalog-listing.ts'
import { placeKey, type ToolPlace } from './catalog-names.ts'
import type { McpConfig } from './config.ts'
import { McpError } from './errors.ts'
import type { RemoteToolsDeps } from './remote-tools.ts'
import { isPartUri, type ResultPart, type ResultParts } from './result-parts.ts'
import type { LargeResult } from './result-reader.ts'
import type { Router } from './router.ts'
import type { Scores } from './scores.ts'
import type { ServiceLinks } from './service-link.ts'
import type { Services } from './services.ts'
import type { SessionCallOptions } from './session.ts'
import type { ToolArgs, ToolInfo, ToolResult } from './tool.ts'
import { type FindingDirectory, ToolFinder } from './tool-finder.ts'
import { hashOfTool } from './tool-hash.ts'
import { CALL_TOOL, FIND_TOOLS, isAt, readWantedCall } from './tool-search.ts'
import { Watchers } from './watchers.ts'

/** Tools to list and to call, wherever the node is that has them. */
export interface Catalog {
  /** Each `name` is the catalog's own, and unique. */
  list(options?: CallOptions): Promise<readonly ToolInfo[]>
  /** Calls the tool that is listed as `name`, at the peer that it was listed for. */
  call(name: string, args: ToolArgs, options?: SessionCallOptions): Promise<ToolResult>
  /** Reads a part of a result above one frame, by an address that its call answered with. */
  read?(uri: string, options?: CallOptions): Promise<ResultPart>
  /** Calls `listener` when the list has changed, until the function returned is called. */
  watch?(listener: () => void): () => void
}

export interface CatalogDeps extends RemoteToolsDeps {
  readonly directory: FindingDirectory
  /** What was measured of peers, for who looks for tools. */
  readonly scores?: Pick<Scores, 'get'>
  readonly services: Pick<Services, 'list' | 'events'>
  readonly router: Pick<Router, 'call'>
  readonly host: Pick<Host, 'self' | 'events'>
  readonly approvals: Approvals
  /** Where results above one frame wait for their reader; without it they are answered whole. */
  readonly parts?: ResultParts
  /** Lines to single services, for a face that presents one of them whole. */
  readonly links: Pick<ServiceLinks, 'open'>
}

export type CatalogConfig = Pick<McpConfig, 'gatewayToolsMax'>

/** A tool that assistants are not shown: never approved, or other now than it was then. */
export interface WithheldTool {
  readonly tool: CatalogTool
  readonly why: Exclude<Verdict, 'approved'>
  /** Of what it says now, schemas and hints as well: what `approve` can be held to. */
  readonly hash: string
}

export interface ApproveOptions extends CallOptions {
  /** Of the definition that was read; another one is refused. */
  readonly hash?: string | undefined
}

/** While somebody watches: how often to look whether there is reason to, and when to anyway. */
const WATCH_MS = 5_000
const REFRESH_MS = 60_000

/** The catalog of the node in this process. */
export class LocalCatalog implements Catalog, Service {
  readonly name = 'mcp catalog'
  readonly links: CatalogDeps['links']
  readonly #deps: CatalogDeps
  readonly #config: CatalogConfig
  readonly #listings: Listings
  readonly #finder: ToolFinder
  readonly #watchers: Watchers
  readonly #life = new AbortController()
  readonly #unsubscribe: (() => void)[] = []
  #watching: Promise<void> = Promise.resolve()
  /** Peers came or went since the list was made. */
  #peersMoved = true

  constructor(deps: CatalogDeps, config: CatalogConfig) {
    this.links = deps.links
    this.#deps = deps
    this.#config = config
    this.#listings = new Listings({ ...deps, life: this.#life.signal })
    const finding = { ...deps, listings: this.#listings }
    this.#finder = new ToolFinder({ ...finding, admits: (tool) => this.#admits(tool) })
    this.#watchers = new Watchers(deps.clock, this.#life.signal)
  }

  async start(): Promise<void> {
    const { services, host, clock, approvals } = this.#deps
    await approvals.load()
    const moved = () => {
      this.#peersMoved = true
    }
    this.#unsubscribe.push(
      host.events.on('identified', moved),
      host.events.on('disconnected', moved),
      services.events.on('servicesChanged', () => {
        this.#listings.forget()
        this.#watchers.tell()
      }),
    )
    this.#watching = every(clock, WATCH_MS, () => this.#look(), this.#life.signal)
  }

  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    this.#life.abort()
    await this.#watching
    await this.#listings.settled()
    await this.#deps.approvals.stop()
  }

  /** All tools where they are few; else our own, the pinned ones, and two for the others. */
  async list({ signal }: CallOptions = {}): Promise<readonly ToolInfo[]> {
    const { tools } = await this.#listings.current(signal)
    const { core, isAll } = this.#core(tools)
    const shown = core.filter((tool) => this.#admits(tool)).map((tool) => tool.shown)
    return isAll ? shown : [FIND_TOOLS, CALL_TOOL, ...shown]
  }

  async call(name: string, args: ToolArgs, options: SessionCallOptions = {}): Promise<ToolResult> {
    const { signal } = options
    if (name === FIND_TOOLS.name) return this.#finder.find(args, signal)
    if (name !== CALL_TOOL.name)
      return this.#callOne(await this.#named(name, signal), args, options)
    const { name: known, args: given, ...place } = readWantedCall(args)
    if (known !== undefined) return this.#callOne(await this.#named(known, signal), given, options)
    const is = ({ shown }: Listed) => isAt(shown, place)
    const found = this.#listings.knows(is) ?? (await this.#finder.at(place, signal))
    const tool = found ?? (await this.#listings.need({ name: place.tool ?? '', is }, signal))
    return this.#callOne(tool, given, options)
  }

  async read(uri: string): Promise<ResultPart> {
    const { parts } = this.#deps
    if (parts === undefined || !isPartUri(uri)) {
      throw McpError.RESULT_UNKNOWN({ found: 'no address of a part of one' })
    }
    return parts.read(uri)
  }

  /** What a tool is called here, where the last list had it. */
  nameOf(place: ToolPlace): string | undefined {
    const key = placeKey(place)
    return this.#listings.latest?.tools.find(({ shown }) => placeKey(shown) === key)?.shown.name
  }

  watch(listener: () => void): () => void {
    return this.#watchers.add(listener)
  }

  /** What assistants are not shown until a person approves it. */
  async withheld({ signal }: CallOptions = {}): Promise<readonly WithheldTool[]> {
    const { tools } = await this.#listings.current(signal)
    return tools.flatMap((tool) => {
      const why = this.#verdict(tool)
      return why === 'approved'
        ? []
        : [{ tool: tool.shown, why, hash: hashOfTool(tool.placed.info) }]
    })
  }

  /** Takes what the tool says of itself now, or only what was read of it. */
  async approve(name: string, { signal, hash }: ApproveOptions = {}): Promise<CatalogTool> {
    const { shown, placed } = await this.#named(name, signal)
    const found = hashOfTool(placed.info)
    if (hash !== undefined && hash !== found) {
      throw McpError.APPROVAL_STALE({ name, found, wanted: hash })
    }
    await this.#deps.approvals.approve(placed)
    this.#watchers.tell()
    return shown
  }

  /** Has the tool in every list, or no longer. */
  async pin(name: string, pinned: boolean, { signal }: CallOptions = {}): Promise<CatalogTool> {
    const { approvals } = this.#deps
    const { shown, placed } = await this.#named(name, signal)
    await (pinned ? approvals.pin(placed) : approvals.unpin(placed))
    this.#watchers.tell()
    return shown
  }

  async #callOne(tool: Listed, args: ToolArgs, options: SessionCallOptions): Promise<ToolResult> {
    const { service, tool: name, peer } = tool.shown
    if (!this.#admits(tool)) throw this.#refusal(tool)
    const { router, parts } = this.#deps
    let kept: ToolResult | undefined
    const onlarge = async (large: LargeResult) => {
      kept = await parts?.keep(large)
    }
    const taking = parts === undefined ? {} : { onlarge }
    const answer = await router.call(name, args, { ...options, ...taking, service, peer })
    const result = kept ?? (await parts?.fit(answer)) ?? answer
    const { content, structuredContent, isError } = result
    return {
      content,
      ...(structuredContent === undefined ? {} : { structuredContent }),
      ...(isError === undefined ? {} : { isError }),
    }
  }

  #refusal({ shown, placed }: Listed): Error {
    const { name, peer, service, tool } = shown
    const facts = { name, peer, service, tool }
    const isChanged = this.#deps.approvals.verdict(placed) === 'changed'
    return isChanged ? McpError.TOOL_CHANGED(facts) : McpError.TOOL_UNAPPROVED(facts)
  }

  #named(name: string, signal: AbortSignal | undefined): Promise<Listed> {
    return this.#listings.need({ name, is: ({ shown }) => shown.name === name }, signal)
  }

  #isOwn({ shown }: Listed): boolean {
    return shown.peer === this.#deps.host.self
  }

  /** Whether it may be shown or called now; under `first-use` that approves a new one. */
  #admits(tool: Listed): boolean {
    return this.#isOwn(tool) || this.#deps.approvals.admits(tool.placed)
  }

  /** The same without approving anything. */
  #verdict(tool: Listed): Verdict {
    return this.#isOwn(tool) ? 'approved' : this.#deps.approvals.outlook(tool.placed)
  }

  #core(tools: readonly Listed[]): { core: readonly Listed[]; isAll: boolean } {
    const { approvals } = this.#deps
    const visible = tools.filter((tool) => this.#verdict(tool) === 'approved')
    if (visible.length <= this.#config.gatewayToolsMax) return { core: visible, isAll: true }
    const core = visible.filter((tool) => this.#isOwn(tool) || approvals.isPinned(tool.placed))
    return { core, isAll: false }
  }

  /** Looks anew for those who watch, when there is reason to. */
  async #look(): Promise<void> {
    const { clock, log } = this.#deps
    const before = this.#listings.latest
    const ageMs = clock.now() - (before?.atMs ?? 0)
    if (this.#watchers.size === 0 || (!this.#peersMoved && ageMs < REFRESH_MS)) return
    try {
      this.#peersMoved = false
      const after = await this.#listings.make()
      if (before === undefined) return
      if (this.#coreText(before.tools) !== this.#coreText(after.tools)) this.#watchers.tell()
    } catch (error) {
      log.debug('tools not listed', { error })
    }
  }

  #coreText(tools: readonly Listed[]): string {
    const { core, isAll } = this.#core(tools)
    return JSON.stringify([isAll, core.map(({ shown }) => shown)])
  }
}
