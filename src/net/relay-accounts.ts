/**
 * What a relay gives to whom: reservations, circuits and bytes, counted by peer, by host (IPv4
 * address, IPv6 /56), by site (IPv4 /24, IPv6 /48) and in all. A peer costs an attacker nothing, an
 * address little, a network something: so each has its own bound. Sans I/O.
 *
 * Bytes are counted in windows of an hour. A circuit belongs to both of its ends, and is charged to
 * both.
 */

import { type Clock, TtlMap } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { groupOf, scopeOf } from '../ip/index.ts'
import type { NetConfig } from './config.ts'

export type RelayLimits = Pick<
  NetConfig,
  'relayReservationsMax' | 'relayCircuitsMax' | 'relayCircuitBytesMax' | 'relayHourlyBytesMax'
>

/** Why a relay gives no more. */
export type RelayRefusal =
  | 'reservations of this host'
  | 'reservations of this network'
  | 'reservations in all'
  | 'attempts of this host'
  | 'circuits of this peer'
  | 'circuits of this host'
  | 'circuits in all'
  | 'bytes of this peer'
  | 'bytes of this network'
  | 'bytes in all'

/** One end of a circuit, or who asks for a reservation. */
export interface Client {
  readonly peer: PeerId
  /** Absent where connections have no address, as in memory. */
  readonly ip: string | undefined
}

export const RESERVATION_MS = 3_600_000
const RESERVATIONS_PER_HOST_MAX = 4
const RESERVATIONS_PER_SITE_MAX = 8
const CIRCUITS_PER_PEER_MAX = 16
/** Of the one that asks for them: who is asked for cannot help it. */
const CIRCUITS_PER_HOST_MAX = 8
const ATTEMPTS_PER_HOST_MAX = 60
const ATTEMPTS_WINDOW_MS = 60_000
const HOUR_MS = 3_600_000
/** Of the bytes of an hour, what one site and one peer may use. */
const SITE_SHARE = 4
const PEER_SHARE = 8
const KEYS_MAX = 8_192
const HOST_BITS = { v4: 32, v6: 56 }
const SITE_BITS = { v4: 24, v6: 48 }

interface Held {
  readonly host: string
  readonly site: string
  readonly expiresAtMs: number
}

/** Counts one circuit; `leave` ends it. */
export interface Circuit {
  /** Counts bytes that want to pass; says which bound they would break. */
  charge(bytes: number): RelayRefusal | undefined
  leave(): void
}

export class RelayAccounts {
  readonly #limits: RelayLimits
  readonly #clock: Pick<Clock, 'now'>
  readonly #reservations = new Map<PeerId, Held>()
  readonly #attempts: TtlMap<string, number>
  /** `p <peer>`, `s <site>` or `all`, in the window of the hour that has begun. */
  #spent = new Map<string, number>()
  #windowEndsAtMs = 0
  /** One entry for each peer with a circuit: bounded by twice the number of circuits. */
  readonly #circuits = new Map<PeerId, number>()
  /** The same for the hosts of those that asked. */
  readonly #circuitsAsked = new Map<string, number>()
  #circuitsOpen = 0

  constructor(limits: RelayLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
    const entriesMax = KEYS_MAX
    this.#attempts = new TtlMap({ entriesMax, ttlMs: ATTEMPTS_WINDOW_MS, clock })
  }

  /** Reserves, or renews; says when it ends, or why there is none. */
  reserve({ peer, ip }: Client): { readonly expiresAtMs: number } | RelayRefusal {
    this.#expire()
    const host = groupName(ip, HOST_BITS)
    const site = groupName(ip, SITE_BITS)
    const attempts = (this.#attempts.get(host) ?? 0) + 1
    if (attempts <= ATTEMPTS_PER_HOST_MAX) this.#attempts.set(host, attempts)
    else if (host !== '') return 'attempts of this host'
    const others = [...this.#reservations].filter(([who]) => who !== peer).map(([, held]) => held)
    if (others.length >= this.#limits.relayReservationsMax) return 'reservations in all'
    const countOf = (mine: (held: Held) => boolean) => others.filter(mine).length
    if (host !== '') {
      const hosts = countOf((held) => held.host === host)
      if (hosts >= RESERVATIONS_PER_HOST_MAX) return 'reservations of this host'
      const sites = countOf((held) => held.site === site)
      if (sites >= RESERVATIONS_PER_SITE_MAX) return 'reservations of this network'
    }
    const expiresAtMs = this.#clock.now() + RESERVATION_MS
    this.#reservations.set(peer, { host, site, expiresAtMs })
    return { expiresAtMs }
  }

  /** The peer is gone, and with it what was kept for it. */
  release(peer: PeerId): void {
    this.#reservations.delete(peer)
  }

  isReserved(peer: PeerId): boolean {
    this.#expire()
    return this.#reservations.has(peer)
  }

  /** Opens a circuit from the first to the second, or says which bound is reached. */
  open(ends: readonly [Client, Client]): Circuit | RelayRefusal {
    if (this.#circuitsOpen >= this.#limits.relayCircuitsMax) return 'circuits in all'
    const full = ends.some(({ peer }) => this.#circuitsOf(peer) >= CIRCUITS_PER_PEER_MAX)
    if (full) return 'circuits of this peer'
    const host = boundedHost(ends[0].ip)
    const asked = host === undefined ? 0 : (this.#circuitsAsked.get(host) ?? 0)
    if (asked >= CIRCUITS_PER_HOST_MAX) return 'circuits of this host'
    const refusal = this.#over(ends, 0)
    if (refusal !== undefined) return refusal
    this.#circuitsOpen += 1
    for (const { peer } of ends) this.#circuits.set(peer, this.#circuitsOf(peer) + 1)
    if (host !== undefined) this.#circuitsAsked.set(host, asked + 1)
    let isOpen = true
    return {
      charge: (bytes) => this.#charge(ends, bytes),
      leave: () => {
        if (!isOpen) return
        isOpen = false
        this.#leave(ends)
      },
    }
  }

  /** What is in use, for `/debug/peers`. */
  usage(): { reservations: number; circuits: number; bytesThisHour: number } {
    this.#expire()
    this.#turn()
    return {
      reservations: this.#reservations.size,
      circuits: this.#circuitsOpen,
      bytesThisHour: this.#spent.get('all') ?? 0,
    }
  }

  #charge(ends: readonly [Client, Client], bytes: number): RelayRefusal | undefined {
    const refusal = this.#over(ends, bytes)
    if (refusal !== undefined) return refusal
    for (const key of new Set(['all', ...ends.flatMap(keysOf)])) {
      if (this.#spent.size >= KEYS_MAX && !this.#spent.has(key)) continue
      this.#spent.set(key, (this.#spent.get(key) ?? 0) + bytes)
    }
    return undefined
  }

  #over(ends: readonly [Client, Client], bytes: number): RelayRefusal | undefined {
    this.#turn()
    const { relayHourlyBytesMax } = this.#limits
    const isOver = (key: string, share: number) => {
      return (this.#spent.get(key) ?? 0) + bytes > relayHourlyBytesMax / share
    }
    if (isOver('all', 1)) return 'bytes in all'
    for (const { peer, ip } of ends) {
      if (isOver(`p ${peer}`, PEER_SHARE)) return 'bytes of this peer'
      const site = groupName(ip, SITE_BITS)
      if (site !== '' && isOver(`s ${site}`, SITE_SHARE)) return 'bytes of this network'
    }
    return undefined
  }

  #turn(): void {
    const now = this.#clock.now()
    if (now < this.#windowEndsAtMs) return
    this.#windowEndsAtMs = now + HOUR_MS
    this.#spent = new Map()
  }

  #leave(ends: readonly [Client, Client]): void {
    this.#circuitsOpen -= 1
    for (const { peer } of ends) {
      const left = this.#circuitsOf(peer) - 1
      if (left > 0) this.#circuits.set(peer, left)
      else this.#circuits.delete(peer)
    }
    const host = boundedHost(ends[0].ip)
    if (host === undefined) return
    const asked = (this.#circuitsAsked.get(host) ?? 0) - 1
    if (asked > 0) this.#circuitsAsked.set(host, asked)
    else this.#circuitsAsked.delete(host)
  }

  #circuitsOf(peer: PeerId): number {
    return this.#circuits.get(peer) ?? 0
  }

  #expire(): void {
    const now = this.#clock.now()
    for (const [peer, { expiresAtMs }] of this.#reservations) {
      if (expiresAtMs <= now) this.#reservations.delete(peer)
    }
  }
}

function keysOf({ peer, ip }: Client): readonly string[] {
  const site = groupName(ip, SITE_BITS)
  return site === '' ? [`p ${peer}`] : [`p ${peer}`, `s ${site}`]
}

/** Where circuits are counted: not where addresses are no lack, as among nodes of one machine. */
function boundedHost(ip: string | undefined): string | undefined {
  return ip === undefined || scopeOf(ip) === 'loopback' ? undefined : groupOf(ip, HOST_BITS)
}

function groupName(ip: string | undefined, bits: { v4: number; v6: number }): string {
  return ip === undefined ? '' : groupOf(ip, bits)
}
