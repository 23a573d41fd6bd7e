/**
 * How many inbound connections we hold, in all and by where they come from.
 *
 * One attacker has one address, one home network or one data centre, so connections are counted by
 * host (IPv4 address, IPv6 /56) and by site (IPv4 /24, IPv6 /48). Connections that are not
 * encrypted yet are counted apart: idle sockets must not shut out honest peers (stock libp2p: 15
 * of them do). When their number is full, the oldest that has not sent a byte makes room. The many
 * nodes of one machine come by loopback, where half of all pending places are theirs. Sans I/O.
 */

import { groupOf, scopeOf } from '../ip/index.ts'
import type { NetConfig } from './config.ts'

/** One inbound connection as the limits see it. */
export interface Inbound {
  /** Absent for connections that have no address, such as those in memory. */
  readonly ip: string | undefined
  /** Whether the other side has sent anything yet. */
  spoke(): boolean
  /** Cuts the line to make room for others. */
  evict(): void
}

export type Refusal = 'pending' | 'pending host' | 'pending site' | 'host' | 'site'

export type Limits = Pick<
  NetConfig,
  | 'connectionsPerHostMax'
  | 'connectionsPerSiteMax'
  | 'pendingMax'
  | 'pendingPerHostMax'
  | 'pendingPerSiteMax'
>

interface Entry {
  readonly inbound: Inbound
  readonly host: string
  readonly site: string
}

const HOST_BITS = { v4: 32, v6: 56 }
const SITE_BITS = { v4: 24, v6: 48 }

export class InboundLimits {
  readonly #limits: Limits
  /** Oldest first. The maps below hold an entry for each live connection at most. */
  readonly #pending = new Map<Inbound, Entry>()
  readonly #live = new Map<Inbound, Entry>()
  readonly #counts = new Map<string, number>()

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Counts `inbound` from now on, or says which limit it is over. */
  enter(inbound: Inbound): Refusal | undefined {
    const entry = {
      inbound,
      host: groupName(inbound.ip, HOST_BITS),
      site: groupName(inbound.ip, SITE_BITS),
    }
    const refusal = this.#refusal(entry)
    if (refusal !== undefined) return refusal
    this.#pending.set(inbound, entry)
    this.#count(entry, 1)
    return undefined
  }

  /** The connection is encrypted: it no longer counts as pending. */
  upgraded(inbound: Inbound): void {
    const entry = this.#pending.get(inbound)
    if (entry === undefined) return
    this.#pending.delete(inbound)
    this.#live.set(inbound, entry)
  }

  /** The connection is gone, in whichever state it was. */
  leave(inbound: Inbound): void {
    const entry = this.#pending.get(inbound) ?? this.#live.get(inbound)
    if (entry === undefined) return
    this.#pending.delete(inbound)
    this.#live.delete(inbound)
    this.#count(entry, -1)
  }

  #refusal({ host, site, inbound }: Entry): Refusal | undefined {
    const { connectionsPerHostMax, connectionsPerSiteMax } = this.#limits
    const { pendingMax } = this.#limits
    if (inbound.ip !== undefined) {
      const { pendingPerHostMax, pendingPerSiteMax } = this.#pendingFrom(inbound.ip)
      if (this.#counted(host) >= connectionsPerHostMax) return 'host'
      if (this.#counted(site) >= connectionsPerSiteMax) return 'site'
      if (!this.#hasRoom((entry) => entry.host === host, pendingPerHostMax)) return 'pending host'
      if (!this.#hasRoom((entry) => entry.site === site, pendingPerSiteMax)) return 'pending site'
    }
    return this.#hasRoom(() => true, pendingMax) ? undefined : 'pending'
  }

  #pendingFrom(ip: string): Pick<Limits, 'pendingPerHostMax' | 'pendingPerSiteMax'> {
    const { pendingMax, pendingPerHostMax, pendingPerSiteMax } = this.#limits
    const half = scopeOf(ip) === 'loopback' ? Math.floor(pendingMax / 2) : 0
    return {
      pendingPerHostMax: Math.max(half, pendingPerHostMax),
      pendingPerSiteMax: Math.max(half, pendingPerSiteMax),
    }
  }

  /** Whether one more pending connection fits, after the oldest silent one has made room. */
  #hasRoom(among: (entry: Entry) => boolean, max: number): boolean {
    const rivals = [...this.#pending.values()].filter(among)
    if (rivals.length < max) return true
    const silent = rivals.find(({ inbound }) => !inbound.spoke())
    if (silent === undefined) return false
    this.leave(silent.inbound)
    silent.inbound.evict()
    return true
  }

  #counted(group: string): number {
    return this.#counts.get(group) ?? 0
  }

  #count({ host, site }: Entry, change: 1 | -1): void {
    for (const group of [host, site]) {
      const now = this.#counted(group) + change
      if (now > 0) this.#counts.set(group, now)
      else this.#counts.delete(group)
    }
  }
}

function groupName(ip: string | undefined, bits: { v4: number; v6: number }): string {
  return ip === undefined ? '' : groupOf(ip, bits)
}
