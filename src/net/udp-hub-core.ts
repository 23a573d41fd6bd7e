/**
 * Whose is a packet, when everything of QUIC shares one UDP port? Sans I/O.
 *
 * The addon has one endpoint that listens and one that dials, each on a socket of its own. Before
 * both stands one public socket (`udp-hub.ts`), and between it and them, for each remote and
 * direction, a gate: a socket on loopback, which the addon takes for the remote.
 *
 * A packet belongs to the side that made the connection id it is sent to. What the addon sends
 * with a long header tells its ids. Ids that it makes later it tells the other side in encrypted
 * frames only, so a packet to an unknown id goes to each side that talks to that remote: an
 * endpoint of quinn knows its own ids by a keyed hash and drops any other without an answer.
 *
 * A stranger gets a gate for an Initial of full size and for nothing else. Its address may be
 * forged, so it counts against its network and the rate of new ones until it answers to an id that
 * our listener made; a gate that is not proven so makes room for newer ones and ends soon.
 */

import { type Clock, RecentMap } from '../base/index.ts'
import { groupOf } from '../ip/index.ts'
import { destinationId, isFixed, isLong, opensConnection, sourceId } from './udp-hub-packet.ts'
import type { UdpEndpoint } from './udp-port.ts'

export interface HubLimits {
  /** Of both directions, each a socket; and as many new inbound ones a second from anywhere. */
  readonly gatesMax: number
  /** Inbound, from one IPv4 or IPv6 /56. */
  readonly gatesPerHostMax: number
  /** Inbound, from one IPv4 /24 or IPv6 /48. */
  readonly gatesPerSiteMax: number
  /** New inbound gates a second from one IPv4 or IPv6 /56. */
  readonly opensPerSecondMax: number
  /** How long a gate may wait for proof, and lives on without a connection. */
  readonly handshakeMs: number
  /** How long a gate with a connection may be silent. */
  readonly idleMs: number
}

/** One remote in one direction. */
export interface HubGate {
  readonly remote: UdpEndpoint
  readonly direction: 'inbound' | 'outbound'
}

/** No packet that we wait for, or the limit that a stranger is over. */
export type Dropped = 'stray' | 'full' | 'host' | 'site' | 'rate'

/** Who gets a packet. */
export interface Verdict {
  readonly gates: readonly HubGate[]
  /** It may be of another protocol than QUIC; beside gates, also QUIC's. */
  readonly isOther: boolean
  /** Why nobody gets it. */
  readonly dropped?: Dropped
}

const OTHER: Verdict = { gates: [], isOther: true }
const DROPPED: Readonly<Record<Dropped, Verdict>> = {
  stray: { gates: [], isOther: false, dropped: 'stray' },
  full: { gates: [], isOther: false, dropped: 'full' },
  host: { gates: [], isOther: false, dropped: 'host' },
  site: { gates: [], isOther: false, dropped: 'site' },
  rate: { gates: [], isOther: false, dropped: 'rate' },
}

const HOST_BITS = { v4: 32, v6: 56 }
const SITE_BITS = { v4: 24, v6: 48 }
/** Ids remembered of one gate; each connection over it has one or two in the clear. */
const IDS_MAX = 64
/** Networks whose rate is remembered; beyond them the one seen longest ago is forgotten. */
const RATES_MAX = 4_096
/** The rate of all networks together; no network is called so. */
const ANYWHERE = ''

class Gate implements HubGate {
  readonly remote: UdpEndpoint
  readonly direction: HubGate['direction']
  readonly host: string
  readonly site: string
  readonly alone: Verdict = { gates: [this], isOther: false }
  /** Those that the addon made on this side, oldest first. */
  readonly ids = new Set<string>()
  readonly openedMs: number
  seenMs: number
  proven: boolean
  holders = 0

  constructor(remote: UdpEndpoint, direction: HubGate['direction'], nowMs: number) {
    this.remote = remote
    this.direction = direction
    this.host = groupOf(remote.host, HOST_BITS)
    this.site = groupOf(remote.host, SITE_BITS)
    this.openedMs = nowMs
    this.seenMs = nowMs
    this.proven = direction === 'outbound'
  }
}

/** Both directions of one remote. */
interface Pair {
  readonly inbound: Gate | undefined
  readonly outbound: Gate | undefined
  readonly both: Verdict
  readonly bothOrOther: Verdict
}

export interface HubCoreDeps {
  readonly clock: Pick<Clock, 'now'>
  /** Told of each gate that is taken away, for whatever reason. */
  closed(gate: HubGate): void
}

export class HubCore {
  readonly #deps: HubCoreDeps
  readonly #limits: HubLimits
  readonly #pairs = new Map<string, Pair>()
  /** Oldest first. */
  readonly #gates = new Set<Gate>()
  readonly #inboundOf = new Map<string, number>()
  /** New gates of one host: how many it may still open, and when that was counted. */
  readonly #rates = new RecentMap<string, { left: number; atMs: number }>(RATES_MAX)

  constructor(deps: HubCoreDeps, limits: HubLimits) {
    this.#deps = deps
    this.#limits = limits
  }

  /** Gates that are open. */
  get size(): number {
    return this.#gates.size
  }

  /** What to do with a packet from outside. A gate not seen before is new, and to be opened. */
  fromNet(bytes: Uint8Array, from: UdpEndpoint): Verdict {
    if (bytes.length === 0) return DROPPED.stray
    const pair = this.#pairs.get(nameOf(from))
    if (pair === undefined) return isFixed(bytes) ? this.#stranger(bytes, from) : OTHER
    const { inbound, outbound } = pair
    const id = destinationId(bytes)
    if (id !== undefined && outbound?.ids.has(id) === true) return outbound.alone
    if (id !== undefined && inbound?.ids.has(id) === true) {
      inbound.proven = true
      return inbound.alone
    }
    if (!isLong(bytes)) return isFixed(bytes) ? pair.both : pair.bothOrOther
    if (inbound !== undefined) return inbound.alone
    return isFixed(bytes) ? this.#stranger(bytes, from) : DROPPED.stray
  }

  /** Notes what the addon sends through a gate: the ids that it will be called by. */
  fromAddon(bytes: Uint8Array, through: HubGate): void {
    const gate = this.#own(through)
    if (gate === undefined) return
    gate.seenMs = this.#deps.clock.now()
    const id = isLong(bytes) ? sourceId(bytes) : undefined
    // Who listens answers to the id that the other side chose until it has told one of its own.
    if (id === undefined || id === '' || gate.ids.has(id)) return
    if (gate.ids.size >= IDS_MAX) gate.ids.delete(gate.ids.values().next().value ?? '')
    gate.ids.add(id)
  }

  /** The gate to dial `remote` through; `undefined` when there is no room for one. */
  dial(remote: UdpEndpoint): HubGate | undefined {
    const known = this.#pairs.get(nameOf(remote))?.outbound
    if (known !== undefined) return known
    return this.#hasRoom() ? this.#open(remote, 'outbound') : undefined
  }

  /** Counts one connection, or one dial, more that goes through `gate`. */
  hold(gate: HubGate): void {
    const own = this.#own(gate)
    if (own !== undefined) own.holders += 1
  }

  /** One less; the gate stays a little longer, for goodbyes that are still on their way. */
  release(gate: HubGate): void {
    const own = this.#own(gate)
    if (own === undefined) return
    own.holders = Math.max(0, own.holders - 1)
    own.seenMs = this.#deps.clock.now()
  }

  /** Takes away the gates whose time is up. */
  expire(): void {
    const nowMs = this.#deps.clock.now()
    for (const gate of this.#gates) if (this.#isOver(gate, nowMs)) this.close(gate)
  }

  /** Takes one gate away, for whatever reason. */
  close(gate: HubGate): void {
    const own = this.#own(gate)
    if (own === undefined) return
    this.#gates.delete(own)
    if (own.direction === 'inbound') this.#count(own, -1)
    const name = nameOf(own.remote)
    const { inbound, outbound } = this.#pairs.get(name) ?? {}
    const pair = pairOf(own.direction === 'inbound' ? { outbound } : { inbound })
    if (pair.both.gates.length === 0) this.#pairs.delete(name)
    else this.#pairs.set(name, pair)
    this.#deps.closed(own)
  }

  /** The oldest that nobody has proven, which goes when another needs its place. */
  #unproven(): Gate | undefined {
    return this.#gates.values().find(({ proven, holders }) => !proven && holders === 0)
  }

  #stranger(bytes: Uint8Array, from: UdpEndpoint): Verdict {
    if (!opensConnection(bytes)) return DROPPED.stray
    const host = groupOf(from.host, HOST_BITS)
    const site = groupOf(from.host, SITE_BITS)
    const { gatesPerHostMax, gatesPerSiteMax } = this.#limits
    if ((this.#inboundOf.get(host) ?? 0) >= gatesPerHostMax) return DROPPED.host
    if ((this.#inboundOf.get(site) ?? 0) >= gatesPerSiteMax) return DROPPED.site
    const { opensPerSecondMax, gatesMax } = this.#limits
    if (!this.#mayOpen(host, opensPerSecondMax) || !this.#mayOpen(ANYWHERE, gatesMax)) {
      return DROPPED.rate
    }
    if (!this.#hasRoom()) return DROPPED.full
    return this.#open(from, 'inbound').alone
  }

  /** A bucket of one second's worth. */
  #mayOpen(group: string, perSecondMax: number): boolean {
    const nowMs = this.#deps.clock.now()
    const rate = this.#rates.get(group) ?? { left: perSecondMax, atMs: nowMs }
    const earned = (Math.max(0, nowMs - rate.atMs) / 1_000) * perSecondMax
    const left = Math.min(perSecondMax, rate.left + earned)
    this.#rates.set(group, { left: left < 1 ? left : left - 1, atMs: nowMs })
    return left >= 1
  }

  #hasRoom(): boolean {
    if (this.#gates.size < this.#limits.gatesMax) return true
    const oldest = this.#unproven()
    if (oldest === undefined) return false
    this.close(oldest)
    return true
  }

  #open(remote: UdpEndpoint, direction: HubGate['direction']): Gate {
    const name = nameOf(remote)
    const gate = new Gate(remote, direction, this.#deps.clock.now())
    const { inbound, outbound } = this.#pairs.get(name) ?? {}
    const isInbound = direction === 'inbound'
    const pair = pairOf(isInbound ? { inbound: gate, outbound } : { inbound, outbound: gate })
    this.#pairs.set(name, pair)
    this.#gates.add(gate)
    if (direction === 'inbound') this.#count(gate, 1)
    return gate
  }

  #isOver({ proven, holders, openedMs, seenMs }: Gate, nowMs: number): boolean {
    const { handshakeMs, idleMs } = this.#limits
    if (holders > 0) return nowMs - seenMs > idleMs
    return nowMs - (proven ? seenMs : openedMs) > handshakeMs
  }

  /** A gate of ours that is still open. */
  #own(gate: HubGate): Gate | undefined {
    return gate instanceof Gate && this.#gates.has(gate) ? gate : undefined
  }

  #count({ host, site }: Gate, change: 1 | -1): void {
    for (const group of [host, site]) {
      const now = (this.#inboundOf.get(group) ?? 0) + change
      if (now > 0) this.#inboundOf.set(group, now)
      else this.#inboundOf.delete(group)
    }
  }
}

function pairOf({
  inbound,
  outbound,
}: {
  inbound?: Gate | undefined
  outbound?: Gate | undefined
}): Pair {
  const gates = [inbound, outbound].filter((gate) => gate !== undefined)
  const both = { gates, isOther: false }
  return { inbound, outbound, both, bothOrOther: { gates, isOther: true } }
}

function nameOf({ host, port }: UdpEndpoint): string {
  return `${host}|${port}`
}
