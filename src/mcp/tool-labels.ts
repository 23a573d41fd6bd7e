/**
 * Names of tools as labels of metrics: those of this node's services, as many as a scrape can bear.
 * Whatever else a peer calls is `other`: strangers do not name time series.
 */

import type { Services } from './services.ts'

export const OTHER = 'other'
const LABELS_MAX = 64

export class ToolLabels {
  readonly #services: Pick<Services, 'list' | 'events'>
  #names: ReadonlySet<string> | undefined
  /** A name that was a label stays one, so that tools that come and go do not add up. */
  readonly #used = new Set<string>()

  constructor(services: Pick<Services, 'list' | 'events'>) {
    this.#services = services
    services.events.on('servicesChanged', () => {
      this.#names = undefined
    })
  }

  of(tool: string | undefined): string {
    if (tool === undefined) return OTHER
    if (this.#used.has(tool)) return tool
    if (this.#used.size >= LABELS_MAX) return OTHER
    this.#names ??= new Set(
      this.#services.list().flatMap(({ tools }) => tools.map(({ name }) => name)),
    )
    if (!this.#names.has(tool)) return OTHER
    this.#used.add(tool)
    return tool
  }
}
