/**
 * A service that lives as long as somebody reads: the answer is one JSON line for each change of
 * its state, and when the reader goes away, in whichever way, the service is withdrawn.
 */

import type { ServerResponse } from 'node:http'
import type { Clock, Logger } from '../base/index.ts'
import type { ServiceSpec, ServiceStatus } from '../mcp/index.ts'
import type { ServedNode } from './served-node.ts'

/** One line of the answer. */
export type LeaseEvent =
  | { readonly event: 'status'; readonly service: ServiceStatus }
  | { readonly event: 'withdrawn'; readonly name: string }

const LOOK_EVERY_MS = 500

export interface LeaseDeps {
  readonly services: ServedNode['services']
  readonly clock: Clock
  readonly log: Logger
}

/** Whoever reads the states of a service, over whichever protocol. */
export interface LeaseReader {
  /** Whether it has not read what was told before. */
  isFull(): boolean
  /** The service is there, and the answer begins. */
  open(): void
  tell(event: LeaseEvent): void
  end(): void
  /** Ends it in the middle. */
  cut(): void
}

export interface Lease {
  readonly spec: ServiceSpec
  readonly reader: LeaseReader
  /** Aborts when the reader is gone. */
  readonly gone: AbortSignal
}

/**
 * Rejects when the service cannot be offered, with nothing sent yet. After that it opens the
 * answer, and resolves when the reader is gone or the service was withdrawn by somebody else.
 */
export async function holdLease(deps: LeaseDeps, lease: Lease): Promise<void> {
  const { services, log } = deps
  const { spec, reader, gone } = lease
  const first = await services.expose(spec, { detached: false, signal: gone })
  reader.open()
  try {
    await tell(deps, lease, first)
    reader.end()
  } catch (error) {
    reader.cut()
    if (!gone.aborted) log.error('lease ended early', { service: spec.name, error })
  } finally {
    await withdraw(deps, spec.name)
  }
}

/** Writes the state of the service each time that it has changed, until it is gone. */
async function tell(deps: LeaseDeps, lease: Lease, first: ServiceStatus): Promise<void> {
  const { services, clock } = deps
  const { spec, reader, gone } = lease
  let shown = ''
  const show = (event: LeaseEvent) => {
    const line = JSON.stringify(event)
    // A reader that has not read the line before gets the newest when it has.
    if (line === shown || reader.isFull()) return
    reader.tell(event)
    shown = line
  }
  let service: ServiceStatus | undefined = first
  while (service !== undefined) {
    show({ event: 'status', service })
    await clock.sleep(LOOK_EVERY_MS, gone)
    service = services.list().find(({ name }) => name === spec.name)
  }
  reader.tell({ event: 'withdrawn', name: spec.name })
}

/** One JSON line for each change, as the HTTP API answers. */
export function lineReader(response: ServerResponse): LeaseReader {
  return {
    isFull: () => response.writableNeedDrain,
    open: () => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson; charset=utf-8' })
    },
    tell: (event) => void response.write(`${JSON.stringify(event)}\n`),
    end: () => void response.end(),
    cut: () => void response.destroy(),
  }
}

async function withdraw({ services, log }: LeaseDeps, service: string): Promise<void> {
  if (!services.list().some(({ name }) => name === service)) return
  try {
    await services.unexpose(service)
  } catch (error) {
    log.error('service not withdrawn', { service, error })
  }
}
