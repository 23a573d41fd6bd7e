/**
 * The resources of one node put together: the manager, its hooks, the limit of bandwidth, and the
 * look at the memory of the whole process, which accounts cannot know.
 *
 * Above `max_memory_mb` no new work is taken and idle connections are closed, a tenth of them each
 * second, until the process is 10 % below; peers of our own keep theirs.
 */

import type { Clock, Logger } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { Bandwidth } from './bandwidth.ts'
import type { NetConfig } from './config.ts'
import type { NetMetrics } from './metrics.ts'
import { ResourceHooks } from './resource-hooks.ts'
import { ResourceManager, type ResourceReport } from './resource-manager.ts'
import { RESOURCES } from './resource-scopes.ts'

export interface ResourcesDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: Pick<NetMetrics, 'resourceRefusals' | 'resourceUse' | 'displaced'>
  /** Whether a peer is one of ours. */
  readonly isOwn?: (peer: PeerId) => boolean
  /** Bytes of the whole process; a test says its own. */
  readonly processBytes?: () => number
}

const MIB = 1_024 * 1_024
/** Where new work is taken again, as a share of the limit. */
const RELIEVED = 0.9
const SHED_SHARE = 0.1
const SHED_MIN = 8

export class Resources {
  readonly manager: ResourceManager
  readonly hooks: ResourceHooks
  readonly #deps: ResourcesDeps
  readonly #config: NetConfig
  readonly #bandwidth: Bandwidth

  constructor(deps: ResourcesDeps, config: NetConfig) {
    const { clock, metrics, isOwn } = deps
    this.#deps = deps
    this.#config = config
    this.#bandwidth = new Bandwidth(clock, config)
    this.manager = new ResourceManager(config, {
      ...(isOwn && { isOwn }),
      refused: ({ scope, resource }) => metrics.resourceRefusals.add(1, { scope, resource }),
      displaced: () => metrics.displaced.add(1, { reason: 'crowd' }),
    })
    const own = { manager: this.manager, bandwidth: this.#bandwidth, clock }
    this.hooks = new ResourceHooks(own, config)
  }

  /** Why new work is refused now, as one sentence with what would help; null when it is not. */
  get ailment(): string | null {
    const { pressure } = this.manager
    if (pressure === undefined) return null
    const { memoryMaxMb } = this.#config
    return (
      `memory: the process has ${Math.round(pressure.usedMb)} MB of ${memoryMaxMb} MB, so new ` +
      'work is refused and idle connections are closed; raise [resources] max_memory_mb, or ' +
      'lower max_connections'
    )
  }

  /** Counts what is kept for a peer beyond its connections; false where that is too much. */
  keep(peer: PeerId, bytes: number): boolean {
    return this.manager.keep(peer, bytes)
  }

  report(): ResourceReport {
    return this.manager.report()
  }

  /** Once a second: the memory of the process, and the gauges. */
  look(): void {
    this.#lookAtMemory()
    const { resourceUse } = this.#deps.metrics
    for (const scope of [this.manager.system, this.manager.transient]) {
      for (const resource of RESOURCES) {
        resourceUse.set(scope.used(resource), { scope: scope.kind, resource })
      }
    }
  }

  stop(): void {
    this.#bandwidth.stop()
  }

  #lookAtMemory(): void {
    const { log, metrics, processBytes = residentBytes } = this.#deps
    const { memoryMaxMb } = this.#config
    const { manager } = this
    const wasPressed = manager.pressure !== undefined
    const usedMb = memoryMaxMb === 0 ? 0 : processBytes() / MIB
    const isPressed = memoryMaxMb > 0 && usedMb > memoryMaxMb * (wasPressed ? RELIEVED : 1)
    manager.press(isPressed ? usedMb : undefined)
    if (isPressed !== wasPressed) log.warn('memory limit', { isPressed, usedMb, memoryMaxMb })
    if (!isPressed) return
    const open = manager.system.used('connectionsIn') + manager.system.used('connectionsOut')
    const shed = manager.shed(Math.max(SHED_MIN, Math.ceil(SHED_SHARE * open)))
    if (shed > 0) metrics.displaced.add(shed, { reason: 'memory' })
  }
}

function residentBytes(): number {
  return process.memoryUsage.rss()
}
