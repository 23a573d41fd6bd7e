/**
 * What happens to the node, told to whoever reads it, over whichever protocol.
 *
 * A reader that is slow holds up nobody: what waits for it is bounded, what it missed is counted
 * and told, and one that does not read at all is let go. Health has no event of its own, because it
 * follows from all else; it is looked at while somebody reads.
 */

import { type Clock, every, type Service } from '../base/index.ts'
import type { HealthReport } from '../node/index.ts'
import { ControlError } from './errors.ts'
import { EventReader, type EventSink } from './event-reader.ts'
import type { ServedNode } from './served-node.ts'
import type { NodeEvent } from './shapes/api.ts'
import type { ToldEvent } from './sse-sink.ts'

const READERS_MAX = 16
const HEARTBEAT_MS = 15_000
const HEALTH_MS = 1_000

export interface EventFeedDeps {
  readonly node: Pick<ServedNode, 'status' | 'health' | 'services' | 'events' | 'agent'>
  readonly clock: Clock
  /** What a person should know of this start; each reader is told. */
  readonly notices: () => readonly string[]
}

/** One event without its time, which the feed adds. */
type Happening = NodeEvent extends infer Each ? (Each extends unknown ? Omit<Each, 'atMs'> : 0) : 0

export class EventFeed implements Service {
  readonly name = 'events'
  readonly #deps: EventFeedDeps
  readonly #readers = new Set<EventReader<ToldEvent>>()
  readonly #unsubscribe: (() => void)[] = []
  #watching = new AbortController()
  #services = new Set<string>()
  #health = ''
  #nextId = 1

  constructor(deps: EventFeedDeps) {
    this.#deps = deps
  }

  async start(): Promise<void> {
    const { node } = this.#deps
    this.#services = new Set(node.services.list().map(({ name }) => name))
    const { net, mcp, tools, agents } = node.events
    const subscriptions = [
      net.on('connected', ({ peer }) => this.#tell({ event: 'peer-connected', peer })),
      net.on('disconnected', ({ peer }) => this.#tell({ event: 'peer-disconnected', peer })),
      net.on('addresses', ({ addresses: listen }) => {
        this.#tell({ event: 'addresses-changed', listen })
      }),
      mcp?.on('servicesChanged', () => this.#compareServices()),
      mcp?.on('callServed', (call) => this.#tell({ event: 'call-served', ...call })),
      tools?.on('message', ({ receivedAtMs: _, ...message }) => {
        this.#tell({ event: 'message', ...message })
      }),
      tools?.on('configured', ({ correlationId: _, ...audit }) => {
        this.#tell({ event: 'configured', ...audit })
      }),
      agents?.on('agent', ({ state, agent: { address, peer, name } }) => {
        this.#tell({ event: 'agent', state, address, peer, name })
      }),
      node.agent?.on('delivery', ({ id, to, state, reason }) => {
        const why = reason === undefined ? {} : { reason }
        this.#tell({ event: 'delivery', id, to, state, ...why })
      }),
    ]
    this.#unsubscribe.push(...subscriptions.filter((off) => off !== undefined))
  }

  async stop(): Promise<void> {
    for (const off of this.#unsubscribe.splice(0)) off()
    for (const reader of [...this.#readers]) reader.end()
    this.#watching.abort()
  }

  /**
   * Resolves when the reader is gone; throws, with nothing sent yet, when there are too many.
   * `open` makes the stream once there is a place for it.
   */
  async serve(open: () => EventSink<ToldEvent>, gone: AbortSignal): Promise<void> {
    if (this.#readers.size >= READERS_MAX) throw ControlError.EVENTS_BUSY({ limit: READERS_MAX })
    const reader = new EventReader(open())
    const beats = new AbortController()
    this.#readers.add(reader)
    if (this.#readers.size === 1) this.#watchHealth()
    this.#greet(reader)
    void every(this.#deps.clock, HEARTBEAT_MS, () => reader.beat(), beats.signal)
    await reader.ended(gone)
    beats.abort()
    this.#readers.delete(reader)
    if (this.#readers.size === 0) this.#watching.abort()
  }

  /** How it stands now, so that a reader need not ask first and miss what happens in between. */
  #greet(reader: EventReader<ToldEvent>): void {
    const { node, notices } = this.#deps
    const { peerId, listen, version } = node.status()
    this.#tell({ event: 'ready', peerId, listen, version }, [reader])
    this.#tell({ event: 'health-changed', health: node.health() }, [reader])
    for (const text of notices()) this.#tell({ event: 'notice', text }, [reader])
  }

  #watchHealth(): void {
    const { clock, node } = this.#deps
    this.#watching = new AbortController()
    this.#health = keyOf(node.health())
    const look = () => {
      const health = node.health()
      const key = keyOf(health)
      if (key === this.#health) return
      this.#health = key
      this.#tell({ event: 'health-changed', health })
    }
    void every(clock, HEALTH_MS, look, this.#watching.signal)
  }

  #compareServices(): void {
    const now = new Map(this.#deps.node.services.list().map((each) => [each.name, each]))
    for (const { name, state, tools } of now.values()) {
      if (this.#services.has(name)) continue
      this.#tell({ event: 'service-exposed', service: name, state, tools: tools.length })
    }
    for (const service of this.#services) {
      if (!now.has(service)) this.#tell({ event: 'service-withdrawn', service })
    }
    this.#services = new Set(now.keys())
  }

  #tell(happening: Happening, readers: Iterable<EventReader<ToldEvent>> = this.#readers): void {
    const event = { ...happening, atMs: this.#deps.clock.now() }
    const told = { id: this.#nextId, event, json: JSON.stringify(event) }
    this.#nextId += 1
    for (const reader of readers) reader.push(told)
  }
}

function keyOf({ status, ready, reasons }: HealthReport): string {
  return JSON.stringify([status, ready, reasons])
}
