/**
 * Tells the metrics what the UDP hub counts: it handles every packet in JavaScript as it is, so it
 * adds up numbers of its own, and these are read once in a while.
 */

import type { NetMetrics } from './metrics.ts'
import type { HubStats } from './udp-hub.ts'

export class HubMeter {
  readonly #metrics: Pick<NetMetrics, 'hubGates' | 'hubDropped' | 'hubPackets'>
  readonly #stats: () => HubStats
  readonly #seen = new Map<string, number>()

  constructor(
    metrics: Pick<NetMetrics, 'hubGates' | 'hubDropped' | 'hubPackets'>,
    stats: () => HubStats,
  ) {
    this.#metrics = metrics
    this.#stats = stats
  }

  /** Brings the metrics up to date. */
  refresh(): void {
    const { hubGates, hubDropped, hubPackets } = this.#metrics
    const { gates, dropped, packets } = this.#stats()
    hubGates.set(gates)
    for (const [reason, count] of Object.entries(dropped)) {
      hubDropped.add(this.#since(reason, count), { reason })
    }
    for (const direction of ['in', 'out'] as const) {
      hubPackets.add(this.#since(direction, packets[direction]), { direction })
    }
  }

  #since(name: string, now: number): number {
    const before = this.#seen.get(name) ?? 0
    this.#seen.set(name, Math.max(before, now))
    return Math.max(0, now - before)
  }
}
