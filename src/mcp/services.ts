/**
 * The services of this node, under names: third-party MCP servers, started and watched, and tools
 * that run in this process.
 *
 * A service belongs to whoever exposed it and goes with them, unless it is detached: then it is
 * kept in a file and comes back with the node.
 */

import { type Clock, Emitter, type Logger, type Random, race, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { McpError } from './errors.ts'
import type { McpEvents } from './events.ts'
import { type Exposure, PUBLIC } from './exposure.ts'
import { type HostedConfig, HostedService } from './hosted-service.ts'
import { encodeInvitation, invitedAddresses } from './invitation.ts'
import type { McpMetrics } from './metrics.ts'
import { OwnService, type OwnServiceConfig } from './own-service.ts'
import type { ReportProgress, Tool } from './own-tool.ts'
import type { Pipe } from './pipe.ts'
import { readPublicity, secretOf, shownOf, withSecret } from './publicity.ts'
import type { ResultStore } from './result-store.ts'
import { loadServices, SERVICES_MAX, saveServices } from './service-file.ts'
import { readOwnTools, readServiceSpec } from './spec.ts'
import type { Publicity, ServiceSpec, ServiceStatus, ToolArgs, ToolResult } from './tool.ts'

export interface ServicesDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Pick<McpMetrics, 'serviceRestarts'>
  /** Where results above one frame are kept; without it, they are refused. */
  readonly results?: Pick<ResultStore, 'open' | 'keep'>
  /** Where detached services are kept. */
  readonly path: string
}

/** How long a call of a local tool may take, and for whom it is. */
export interface LocalCallOptions {
  readonly signal?: AbortSignal
  /** `requestTimeoutMs` unless given. */
  readonly timeoutMs?: number
  /** The peer that asks, or null for this node itself. Tools of this process must know. */
  readonly caller?: PeerId | null
  /** Is told how far the call is, by tools of this process. */
  readonly progress?: ReportProgress | undefined
}

/** Tools of this node itself, called as those of a peer are. */
export interface LocalCalls {
  callTool(
    service: string,
    tool: string,
    args: ToolArgs,
    options?: LocalCallOptions,
  ): Promise<ToolResult>
}

export interface ExposeOptions {
  /** Kept across restarts of the node. */
  readonly detached: boolean
  /** Gives up: whatever was started by then is ended. */
  readonly signal?: AbortSignal
}

type Hosted = HostedService | OwnService

export class Services implements Service, LocalCalls {
  readonly name = 'mcp services'
  readonly events: Emitter<McpEvents>
  readonly #deps: ServicesDeps
  readonly #config: HostedConfig & OwnServiceConfig
  readonly #byName = new Map<string, Hosted>()
  readonly #publicity = new Map<string, Publicity>()
  /** Detached services that have been up once: those in the file. */
  readonly #kept = new Set<HostedService>()
  /** Writes of the file, one after the other. */
  #saved: Promise<void> = Promise.resolve()

  constructor(deps: ServicesDeps, config: HostedConfig & OwnServiceConfig) {
    this.#deps = deps
    this.#config = config
    this.events = new Emitter((error) => deps.log.error('listener failed', { error }))
  }

  /** Brings detached services back, in the background: a node does not wait for them. */
  async start(): Promise<void> {
    for (const spec of await loadServices(this.#deps.path)) {
      const hosted = this.#add(spec, true)
      this.#kept.add(hosted)
      hosted.startLater()
    }
  }

  async stop(): Promise<void> {
    const hosted = [...this.#byName.values()]
    this.#byName.clear()
    await Promise.all(hosted.map((service) => service.stop()))
    if (hosted.length > 0) this.#changed()
    await this.#saved
  }

  list(): readonly ServiceStatus[] {
    return [...this.#byName.values()].map((service) => this.#statusOf(service))
  }

  get(name: string): ServiceStatus | undefined {
    const hosted = this.#byName.get(name)
    return hosted && this.#statusOf(hosted)
  }

  /** What stands for its name in the DHT is made with this; nothing where it is not blinded. */
  secretOf(name: string): Uint8Array | undefined {
    return secretOf(this.#publicity.get(name))
  }

  /** The text with which others find a blinded service of this node: `self`, found at `at`. */
  invitationTo(name: string, self: PeerId, at: readonly string[] = []): string {
    this.#need(name)
    const secret = this.secretOf(name)
    if (secret === undefined) throw McpError.NOT_BLINDED({ service: name })
    const addresses = invitedAddresses(self, at)
    return encodeInvitation({ service: name, secret, peers: [self], addresses })
  }

  /** Who may use a service; undefined where there is none of that name. */
  exposureOf(name: string): Exposure | undefined {
    return this.#byName.get(name)?.exposure
  }

  /** Starts a service and resolves once it is ready; nothing of it stays behind otherwise. */
  async expose(given: ServiceSpec, options: ExposeOptions): Promise<ServiceStatus> {
    const { signal } = options
    signal?.throwIfAborted()
    const spec = this.#complete(readServiceSpec(given))
    this.#checkRoom(spec.name)
    const hosted = this.#add(spec, options.detached)
    const started = hosted.start()
    try {
      await race(started, signal)
      if (options.detached) {
        this.#kept.add(hosted)
        await this.#save()
      }
    } catch (error) {
      await this.#remove(hosted)
      await started.catch(() => {})
      throw error
    }
    return this.#statusOf(hosted)
  }

  /** Offers tools of this process under a name; they are gone with it. */
  exposeTools(
    name: string,
    given: readonly Tool[],
    exposure = PUBLIC,
    publicity: Publicity = {},
  ): ServiceStatus {
    const own = { ...readOwnTools(name, given), exposure }
    const told = withSecret(readPublicity(publicity), this.#deps.random)
    this.#checkRoom(name)
    const hosted = new OwnService(own, this.#deps, this.#config)
    this.#byName.set(name, hosted)
    this.#publicity.set(name, told)
    this.#changed()
    return this.#statusOf(hosted)
  }

  /** Withdraws a service and ends its processes. */
  async unexpose(name: string): Promise<void> {
    const hosted = this.#need(name)
    const kept = hosted instanceof HostedService && this.#kept.has(hosted)
    await this.#remove(hosted)
    if (kept) await this.#save()
  }

  async callTool(
    service: string,
    tool: string,
    args: ToolArgs,
    options: LocalCallOptions = {},
  ): Promise<ToolResult> {
    const hosted = this.#need(service)
    if (hosted instanceof HostedService) return hosted.callTool(tool, args, options)
    const { caller } = options
    if (caller === undefined) throw McpError.REQUEST_INVALID({ found: 'a call of nobody' })
    return hosted.callTool(tool, args, { ...options, caller })
  }

  /** What is said of a service that is not there, or that its asker was not invited to. */
  unknown(name: string): Error {
    const known = this.list().filter(({ visibility }) => visibility !== 'blinded').length
    return McpError.SERVICE_UNKNOWN({ service: name.slice(0, 64), known })
  }

  /** A server of its own for one stream of `peer`, as frames. */
  async openSession(service: string, peer: PeerId): Promise<Pipe> {
    return this.#need(service).openSession(peer)
  }

  #add(spec: ServiceSpec, detached: boolean): HostedService {
    const { clock, random, log, metrics, results } = this.#deps
    const deps = { clock, random, log, metrics, results, changed: () => this.#changed() }
    const hosted = new HostedService({ spec, detached }, deps, this.#config)
    this.#byName.set(spec.name, hosted)
    if (spec.publicity !== undefined) this.#publicity.set(spec.name, spec.publicity)
    this.#changed()
    return hosted
  }

  #statusOf(hosted: Hosted): ServiceStatus {
    const { status } = hosted
    return { ...status, ...shownOf(this.#publicity.get(status.name)) }
  }

  #complete(spec: ServiceSpec): ServiceSpec {
    const { publicity } = spec
    if (publicity === undefined) return spec
    return { ...spec, publicity: withSecret(publicity, this.#deps.random) }
  }

  #changed(): void {
    this.events.emit('servicesChanged', { services: this.list() })
  }

  #checkRoom(name: string): void {
    if (this.#byName.has(name)) throw McpError.SERVICE_EXISTS({ service: name })
    if (this.#byName.size >= SERVICES_MAX) throw McpError.SERVICES_FULL({ limit: SERVICES_MAX })
  }

  async #remove(hosted: Hosted): Promise<void> {
    const { name } = hosted.status
    if (this.#byName.get(name) === hosted) {
      this.#byName.delete(name)
      this.#publicity.delete(name)
    }
    if (hosted instanceof HostedService) this.#kept.delete(hosted)
    await hosted.stop()
    if (hosted instanceof OwnService) this.#changed()
  }

  async #save(): Promise<void> {
    const save = this.#saved.then(async () => {
      const specs = [...this.#kept].map((hosted) => hosted.spec)
      await saveServices(this.#deps.path, specs)
    })
    this.#saved = save.catch(() => {})
    await save
  }

  #need(name: string): Hosted {
    const hosted = this.#byName.get(name)
    if (hosted !== undefined) return hosted
    throw this.unknown(name)
  }
}
