/** How the requests of one peer end: counted, timed, and told of where one called a tool. */

import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { McpEvents } from './events.ts'
import type { CallRight } from './exposure-stream.ts'
import type { McpMetrics } from './metrics.ts'
import { OTHER } from './tool-labels.ts'

export interface RequestEndsDeps {
  readonly clock: Clock
  readonly metrics: Pick<McpMetrics, 'requests' | 'requestSeconds'>
  /** What metrics call a tool; without it, each is `other`. */
  readonly labelOf?: (tool: string | undefined) => string
  /** Is told of every call of a tool that was admitted and has ended. */
  readonly served?: (call: McpEvents['callServed']) => void
}

/** Of a request, what its end says. */
export interface Ended {
  readonly startedMs: number
  /** Only where it is the call of a tool. */
  tool?: string | undefined
  right?: CallRight | undefined
  /** It lasts as long as its client likes, which says nothing of us. */
  readonly listens?: true
}

/** Of whose service the refused call was, and the code of what refused it. */
export type Refused = Pick<McpEvents['callServed'], 'service' | 'reason'>

export class RequestEnds {
  readonly #peer: PeerId
  readonly #deps: RequestEndsDeps

  constructor(peer: PeerId, deps: RequestEndsDeps) {
    this.#peer = peer
    this.#deps = deps
  }

  /** It was let in, and is over. */
  ended(outcome: string, request: Ended | undefined): void {
    if (request === undefined) return
    this.count(outcome, request)
    this.#tell(outcome, request, request.right)
  }

  /** It was not let in after all. */
  refused(request: Ended, facts: Refused): void {
    this.count('refused', request)
    this.#tell('refused', request, facts)
  }

  /** How it ended and after how long, which nobody is told of. */
  count(outcome: string, { startedMs, tool, listens }: Ended): void {
    const { clock, metrics, labelOf } = this.#deps
    metrics.requests.add(1, { direction: 'inbound', outcome })
    if (listens) return
    const labels = { direction: 'inbound', tool: labelOf?.(tool) ?? OTHER, outcome }
    metrics.requestSeconds.observe((clock.now() - startedMs) / 1_000, labels)
  }

  #tell(code: string, { startedMs, tool }: Ended, facts: Refused | CallRight | undefined): void {
    if (tool === undefined) return
    const ms = this.#deps.clock.now() - startedMs
    this.#deps.served?.({ tool, peer: this.#peer, ms, code, ...facts })
  }
}
