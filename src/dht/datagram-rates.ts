/**
 * How often one host may do something, as a number for each host: when it will have paid for what
 * it did (the generic cell rate algorithm, ITU-T I.371). Sans I/O.
 *
 * The hosts that came last are kept. Whoever is pushed out starts anew, which needs thousands of
 * hosts that proved their addresses within a second.
 */

import { groupOf } from '../ip/index.ts'

const HOSTS_MAX = 4_096
const BURST_MS = 2_000
const HOST_BITS = { v4: 32, v6: 56 }

export class HostRates {
  readonly #stepMs: number
  readonly #paidMs = new Map<string, number>()

  constructor(perSecond: number) {
    this.#stepMs = 1_000 / perSecond
  }

  /** Whether `host` is within its rate; if so, that was one more. Two seconds' worth at once. */
  take(host: string, nowMs: number): boolean {
    const group = groupOfHost(host)
    const told = this.#paidMs.get(group) ?? 0
    // Further ahead than it can get: the clock was set back.
    const paidMs = told > nowMs + BURST_MS + this.#stepMs ? nowMs : Math.max(told, nowMs)
    if (paidMs - nowMs > BURST_MS) return false
    this.#paidMs.delete(group)
    this.#makeRoom()
    this.#paidMs.set(group, paidMs + this.#stepMs)
    return true
  }

  /** Hosts remembered; bounded. */
  get size(): number {
    return this.#paidMs.size
  }

  #makeRoom(): void {
    if (this.#paidMs.size < HOSTS_MAX) return
    const [oldest] = this.#paidMs.keys()
    if (oldest !== undefined) this.#paidMs.delete(oldest)
  }
}

/** An IPv4 address is its own group; one home has a whole /56 of IPv6. */
function groupOfHost(host: string): string {
  return host.includes(':') ? groupOf(host, HOST_BITS) : host
}
