/**
 * How many inbound connections we hold, in all and by where they come from.
 *
 * One attacker has one address, one home network or one data centre, so connections are counted by
 * host (IPv4 address, IPv6 /56) and by site (IPv4 /24, IPv6 /48). Connections that are not
 * encrypted yet are counted apart: idle sockets must not shut out honest peers (stock libp2p: 15
 * of them do). When their number is full, the oldest that has not sent a byte makes room, else the
 * oldest of the site that has most. The many nodes of one machine come by loopback, where half of
 * all pending places are theirs. Peers of our own are not counted by where they are. Sans I/O.
 */

import { RecentMap } from '../base/index.ts'
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

export type Refusal = 'pending' | 'pending host' | 'pending site' | 'host' | 'site' | 'rate'

export type Limits = Pick<
  NetConfig,
  | 'connectionsPerHostMax'
  | 'connectionsPerSiteMax'
  | 'inboundPerSecondMax'
  | 'pendingMax'
  | 'pendingPerHostMax'
  | 'pendingPerSiteMax'
>

interface Entry {
  readonly inbound: Inbound
  readonly host: string
  readonly site: string
  /** Whether it is counted by where it comes from. */
  counted: boolean
}

const HOST_BITS = { v4: 32, v6: 56 }
const SITE_BITS = { v4: 24, v6: 48 }
/** Hosts of our own peers that are remembered. */
const OWN_HOSTS_MAX = 256
const RATE_MS = 1_000
/** What every host may open within a second, however many hosts there are. */
const RATE_SHARE_MIN = 2
/** Hosts that came within a second; no machine takes more connections in that time. */
const RATED_MAX = 65_536

export class InboundLimits {
  readonly #limits: Limits
  readonly #now: () => number
  /** Oldest first. The maps below hold an entry for each live connection at most. */
  readonly #pending = new Map<Inbound, Entry>()
  readonly #live = new Map<Inbound, Entry>()
  readonly #counts = new Counts()
  readonly #pendingCounts = new Counts()
  /** Connections of this second by host. */
  readonly #recent = new Counts()
  #recentSinceMs = 0
  readonly #ownHosts = new RecentMap<string, object>(OWN_HOSTS_MAX)

  constructor(limits: Limits, now: () => number = () => 0) {
    this.#limits = limits
    this.#now = now
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Whether somebody from this address would be over a limit; each time counts for the rate. */
  knock(ip: string | undefined): Refusal | undefined {
    if (ip === undefined || this.isVouched(ip)) return undefined
    const { connectionsPerHostMax, connectionsPerSiteMax, inboundPerSecondMax } = this.#limits
    const host = hostOf(ip)
    const recent = this.#countRecent(host)
    if (this.#counts.of(host) >= connectionsPerHostMax) return 'host'
    if (this.#counts.of(groupName(ip, SITE_BITS)) >= connectionsPerSiteMax) return 'site'
    // The nodes of one machine are many behind one address.
    const isHere = scopeOf(ip) === 'loopback'
    const share = isHere ? inboundPerSecondMax : this.#share(inboundPerSecondMax)
    return recent > share ? 'rate' : undefined
  }

  /** Counts `inbound`, who has knocked, from now on, or says which limit it is over. */
  enter(inbound: Inbound): Refusal | undefined {
    const host = hostOf(inbound.ip)
    const site = groupName(inbound.ip, SITE_BITS)
    const entry = { inbound, host, site, counted: true }
    const refusal = this.#refusal(entry)
    if (refusal !== undefined) return refusal
    this.#pending.set(inbound, entry)
    this.#count(entry, 1)
    this.#countPending(entry, 1)
    return undefined
  }

  /**
   * The connection is encrypted: it no longer counts as pending. One of our own peers is not
   * counted any longer, and its host is let in beyond the limits until it is proven who comes.
   */
  upgraded(inbound: Inbound, isOwn = false): Refusal | undefined {
    const entry = this.#pending.get(inbound)
    if (entry === undefined) return undefined
    this.#pending.delete(inbound)
    this.#countPending(entry, -1)
    this.#live.set(inbound, entry)
    if (isOwn) {
      this.vouch(inbound.ip)
      this.#count(entry, -1)
      entry.counted = false
      return undefined
    }
    if (inbound.ip === undefined) return undefined
    if (this.#counts.of(entry.host) > this.#limits.connectionsPerHostMax) return 'host'
    if (this.#counts.of(entry.site) > this.#limits.connectionsPerSiteMax) return 'site'
    return undefined
  }

  /** One of our own peers is at this address. */
  vouch(ip: string | undefined): void {
    if (ip !== undefined) this.#ownHosts.set(hostOf(ip), {})
  }

  isVouched(ip: string | undefined): boolean {
    return ip !== undefined && this.#ownHosts.get(hostOf(ip)) !== undefined
  }

  /** The connection is gone, in whichever state it was. */
  leave(inbound: Inbound): void {
    const pending = this.#pending.get(inbound)
    const entry = pending ?? this.#live.get(inbound)
    if (entry === undefined) return
    if (pending !== undefined) this.#countPending(pending, -1)
    this.#pending.delete(inbound)
    this.#live.delete(inbound)
    if (entry.counted) this.#count(entry, -1)
  }

  #refusal(entry: Entry): Refusal | undefined {
    const { host, site, inbound } = entry
    const { pendingMax } = this.#limits
    if (inbound.ip !== undefined) {
      const { perHost, perSite } = this.#pendingFrom(inbound.ip)
      if (!this.#hasRoom(host, perHost, (other) => other.host === host)) return 'pending host'
      if (!this.#hasRoom(site, perSite, (other) => other.site === site)) return 'pending site'
    }
    if (this.#pending.size < pendingMax) return undefined
    if (this.#evictSilent(() => true) || this.#evictCrowded(site)) return undefined
    return 'pending'
  }

  /**
   * Each connection costs us a handshake, so of those that come within a second a quarter of what
   * may be pending is taken, and the hosts that they come from have equal shares of it.
   */
  #share(max: number): number {
    const equal = Math.ceil(this.#limits.pendingMax / 4 / this.#recent.size)
    return Math.min(max, Math.max(equal, RATE_SHARE_MIN))
  }

  #countRecent(host: string): number {
    const nowMs = this.#now()
    if (Math.abs(nowMs - this.#recentSinceMs) >= RATE_MS || this.#recent.size >= RATED_MAX) {
      this.#recentSinceMs = nowMs
      this.#recent.clear()
    }
    return this.#recent.add(host, 1)
  }

  #pendingFrom(ip: string): { readonly perHost: number; readonly perSite: number } {
    const { pendingMax, pendingPerHostMax, pendingPerSiteMax } = this.#limits
    const half = scopeOf(ip) === 'loopback' ? Math.floor(pendingMax / 2) : 0
    return {
      perHost: Math.max(half, pendingPerHostMax),
      perSite: Math.max(half, pendingPerSiteMax),
    }
  }

  /** Whether one more of a group fits, after the oldest silent one of it has made room. */
  #hasRoom(group: string, max: number, among: (entry: Entry) => boolean): boolean {
    return this.#pendingCounts.of(group) < max || this.#evictSilent(among)
  }

  #evictSilent(among: (entry: Entry) => boolean): boolean {
    for (const entry of this.#pending.values()) {
      if (!among(entry) || entry.inbound.spoke()) continue
      this.#evict(entry)
      return true
    }
    return false
  }

  /** All have spoken: the oldest of the largest crowd goes, if that is not the newcomer's own. */
  #evictCrowded(newcomer: string): boolean {
    let crowd: Entry | undefined
    let most = this.#pendingCounts.of(newcomer) + 1
    for (const entry of this.#pending.values()) {
      const size = this.#pendingCounts.of(entry.site)
      if (size <= most) continue
      most = size
      crowd = entry
    }
    if (crowd === undefined) return false
    this.#evict(crowd)
    return true
  }

  #evict({ inbound }: Entry): void {
    this.leave(inbound)
    inbound.evict()
  }

  #count({ host, site }: Entry, change: 1 | -1): void {
    this.#counts.add(host, change)
    this.#counts.add(site, change)
  }

  #countPending({ host, site }: Entry, change: 1 | -1): void {
    this.#pendingCounts.add(host, change)
    this.#pendingCounts.add(site, change)
  }
}

/** Numbers by name; what is zero is not kept. */
class Counts {
  readonly #counts = new Map<string, number>()

  get size(): number {
    return this.#counts.size
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  add(name: string, change: number): number {
    const now = this.of(name) + change
    if (now > 0) this.#counts.set(name, now)
    else this.#counts.delete(name)
    return now
  }

  clear(): void {
    this.#counts.clear()
  }
}

/** The host of an address as limits count it: one IPv4 address or one IPv6 /56. */
export function hostOf(ip: string | undefined): string {
  return groupName(ip, HOST_BITS)
}

function groupName(ip: string | undefined, bits: { v4: number; v6: number }): string {
  return ip === undefined ? '' : groupOf(ip, bits)
}
