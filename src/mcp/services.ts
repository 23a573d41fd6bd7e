/**
 * The services of this node: third-party MCP servers under names, started, watched, withdrawn.
 *
 * A service belongs to whoever exposed it and goes with them, unless it is detached: then it is
 * kept in a file and comes back with the node.
 */

import { type Clock, Emitter, type Logger, type Random, type Service } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { McpError } from './errors.ts'
import type { McpEvents } from './events.ts'
import { type HostedConfig, HostedService } from './hosted-service.ts'
import type { McpMetrics } from './metrics.ts'
import type { Pipe } from './pipe.ts'
import { loadServices, SERVICES_MAX, saveServices } from './service-file.ts'
import { readServiceSpec } from './spec.ts'
import type { ServiceSpec, ServiceStatus, ToolArgs, ToolResult } from './tool.ts'

export interface ServicesDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: Pick<McpMetrics, 'serviceRestarts'>
  /** Where detached services are kept. */
  readonly path: string
}

/** Tools of this node itself, called as those of a peer are. */
export interface LocalCalls {
  callTool(
    service: string,
    tool: string,
    args: ToolArgs,
    options?: { readonly signal?: AbortSignal },
  ): Promise<ToolResult>
}

export class Services implements Service, LocalCalls {
  readonly name = 'mcp services'
  readonly events: Emitter<McpEvents>
  readonly #deps: ServicesDeps
  readonly #config: HostedConfig
  readonly #byName = new Map<string, HostedService>()
  /** Detached services that have been up once: those in the file. */
  readonly #kept = new Set<HostedService>()
  /** Writes of the file, one after the other. */
  #saved: Promise<void> = Promise.resolve()

  constructor(deps: ServicesDeps, config: HostedConfig) {
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
    await this.#saved
  }

  list(): readonly ServiceStatus[] {
    return [...this.#byName.values()].map((service) => service.status)
  }

  get(name: string): ServiceStatus | undefined {
    return this.#byName.get(name)?.status
  }

  /** Starts a service and resolves once it is ready; nothing of it stays behind otherwise. */
  async expose(given: ServiceSpec, options: { detached: boolean }): Promise<ServiceStatus> {
    const spec = readServiceSpec(given)
    if (this.#byName.has(spec.name)) throw McpError.SERVICE_EXISTS({ service: spec.name })
    if (this.#byName.size >= SERVICES_MAX) throw McpError.SERVICES_FULL({ limit: SERVICES_MAX })
    const hosted = this.#add(spec, options.detached)
    try {
      await hosted.start()
      if (options.detached) {
        this.#kept.add(hosted)
        await this.#save()
      }
    } catch (error) {
      await this.#remove(hosted)
      throw error
    }
    return hosted.status
  }

  /** Withdraws a service and ends its processes. */
  async unexpose(name: string): Promise<void> {
    const hosted = this.#need(name)
    const kept = this.#kept.has(hosted)
    await this.#remove(hosted)
    if (kept) await this.#save()
  }

  async callTool(
    service: string,
    tool: string,
    args: ToolArgs,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<ToolResult> {
    return this.#need(service).callTool(tool, args, options)
  }

  /** A server of its own for one stream of `peer`, as frames. */
  async openSession(service: string, peer: PeerId): Promise<Pipe> {
    return this.#need(service).openSession(peer)
  }

  #add(spec: ServiceSpec, detached: boolean): HostedService {
    const { clock, random, log, metrics } = this.#deps
    const changed = () => this.events.emit('servicesChanged', { services: this.list() })
    const deps = { clock, random, log, metrics, changed }
    const hosted = new HostedService({ spec, detached }, deps, this.#config)
    this.#byName.set(spec.name, hosted)
    changed()
    return hosted
  }

  async #remove(hosted: HostedService): Promise<void> {
    if (this.#byName.get(hosted.spec.name) === hosted) this.#byName.delete(hosted.spec.name)
    this.#kept.delete(hosted)
    await hosted.stop()
  }

  async #save(): Promise<void> {
    const save = this.#saved.then(async () => {
      const specs = [...this.#kept].map((hosted) => hosted.spec)
      await saveServices(this.#deps.path, specs)
    })
    this.#saved = save.catch(() => {})
    await save
  }

  #need(name: string): HostedService {
    const hosted = this.#byName.get(name)
    if (hosted !== undefined) return hosted
    throw McpError.SERVICE_UNKNOWN({ service: name.slice(0, 64), known: this.#byName.size })
  }
}
