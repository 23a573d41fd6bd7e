/**
 * How much a node dials back for others: streams that have asked for nothing yet, requests, and
 * dials, each with bounds of its own. Sans I/O.
 *
 * Only what was asked in full and let in counts as work: an open stream costs an asker nothing, so
 * however many of them wait, they take no place of those that do ask. When too many wait, the one
 * that has waited longest makes room, for whoever means it has asked within a round trip.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import { groupOf } from '../ip/index.ts'

const DIALS_AT_ONCE_MAX = 8
const REQUESTS_PER_HOST_MAX = 6
const REQUESTS_PER_MINUTE_MAX = 60
const WAITING_PER_HOST_MAX = 4
const WAITING_MAX = 64
const MINUTE_MS = 60_000
const HOSTS_MAX = 1_024
const HOST_BITS = { v4: 32, v6: 56 }

interface Waiting {
  readonly host: string
  /** Its place is needed by another. */
  displace(): void
}

export class AutonatCounts {
  readonly #clock: Pick<Clock, 'now'>
  readonly #perHost: TtlMap<string, number>
  #perMinute = { endsAtMs: 0, count: 0 }
  /** Oldest first. */
  readonly #waiting = new Set<Waiting>()
  #dials = 0

  constructor(clock: Clock) {
    this.#clock = clock
    this.#perHost = new TtlMap({ entriesMax: HOSTS_MAX, ttlMs: MINUTE_MS, clock })
  }

  /**
   * Counts a stream until the function that this returns is called; `undefined` when its host has
   * as many as it may. Where connections have no address, as in memory, there are no hosts.
   */
  wait(ip: string | undefined, displace: () => void): (() => void) | undefined {
    const host = hostOf(ip)
    if (host !== '') {
      const mine = [...this.#waiting].filter((one) => one.host === host)
      if (mine.length >= WAITING_PER_HOST_MAX) return undefined
    }
    if (this.#waiting.size >= WAITING_MAX) {
      const [oldest] = this.#waiting
      if (oldest !== undefined) {
        this.#waiting.delete(oldest)
        oldest.displace()
      }
    }
    const waiting = { host, displace }
    this.#waiting.add(waiting)
    return () => {
      this.#waiting.delete(waiting)
    }
  }

  /** Counts one request that was read in full; false when there were enough. */
  admit(ip: string | undefined): boolean {
    const now = this.#clock.now()
    if (now >= this.#perMinute.endsAtMs) {
      this.#perMinute = { endsAtMs: now + MINUTE_MS, count: 0 }
    }
    const host = hostOf(ip)
    const perHost = this.#perHost.get(host) ?? 0
    if (perHost >= REQUESTS_PER_HOST_MAX) return false
    if (this.#perMinute.count >= REQUESTS_PER_MINUTE_MAX) return false
    this.#perMinute.count += 1
    this.#perHost.set(host, perHost + 1)
    return true
  }

  /** Counts one dial until the function that this returns is called; none when enough are on. */
  dial(): (() => void) | undefined {
    if (this.#dials >= DIALS_AT_ONCE_MAX) return undefined
    this.#dials += 1
    let isOver = false
    return () => {
      if (!isOver) this.#dials -= 1
      isOver = true
    }
  }
}

function hostOf(ip: string | undefined): string {
  return ip === undefined ? '' : groupOf(ip, HOST_BITS)
}
