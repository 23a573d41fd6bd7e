/**
 * Where peers take datagrams, and how they did. Sans I/O.
 *
 * An address that a peer has proven goes before those that others told of it. Peers that answered
 * us are kept apart from those that only asked or were only told of, so that nobody who merely asks
 * can push out a peer of the routing table. Behind a proven address the peer's stream ports are
 * kept as well: so a peer that was never connected to can be dialled.
 */

import type { PeerId } from '../identity/index.ts'
import type { UdpEndpoint } from '../net/index.ts'
import type { StreamPorts } from './datagram-packet.ts'
import { datagramAddress } from './multiaddrs.ts'

const ANSWERED_MAX = 4_096
const OTHERS_MAX = 1_024
const TOLD_MAX = 2
/** A peer that is not there for datagrams is asked over streams for so long. */
export const SILENT_MS = 60_000
/** So many questions in a row that nobody answered: until then it is taken to be busy. */
const SILENCES_MAX = 3
const RTO_FIRST_MS = 250
const RTO_MIN_MS = 200
const RTO_MAX_MS = 1_000
const NO_PORTS: StreamPorts = { tcp: 0, quic: 0 }

/** An endpoint with its multiaddr, which each answer that names the peer needs. */
export interface Place extends UdpEndpoint {
  readonly address: string
}

interface Entry {
  proven: Place | undefined
  ports: StreamPorts
  told: readonly Place[]
  /** What the peer gave us to show, and for which of its addresses. */
  cookie: Uint8Array | undefined
  answered: boolean
  /** Questions in a row that it did not answer. */
  silences: number
  silentUntilMs: number
  /** Smoothed round trip and its deviation (RFC 6298); negative before the first. */
  rttMs: number
  rttDeviationMs: number
}

export class DatagramBook {
  /** Least recently used first, both. */
  readonly #answered = new Map<PeerId, Entry>()
  readonly #others = new Map<PeerId, Entry>()
  /** As an entry has it, of all who answered lately. */
  readonly #all: RoundTrip = { rttMs: -1, rttDeviationMs: 0 }

  /** Where to ask `peer`; `undefined` when nobody knows, or while it is silent. */
  addressOf(peer: PeerId, nowMs: number): UdpEndpoint | undefined {
    const entry = this.#use(peer)
    if (entry === undefined || isSilent(entry, nowMs)) return undefined
    return entry.proven ?? entry.told[0]
  }

  /** What we tell others of `peer`: where it was met, else where it was said to be. */
  known(peer: PeerId): Place | undefined {
    const entry = this.#find(peer)
    return entry?.proven ?? entry?.told[0]
  }

  /** Where the peer itself has spoken to us. */
  provenOf(peer: PeerId): (UdpEndpoint & StreamPorts) | undefined {
    const entry = this.#find(peer)
    if (entry?.proven === undefined) return undefined
    const { host, port } = entry.proven
    return { host, port, ...entry.ports }
  }

  /** Whether the peer has answered a datagram, and not failed since. */
  answers(peer: PeerId): boolean {
    return this.#find(peer)?.answered ?? false
  }

  cookieOf(peer: PeerId): Uint8Array | undefined {
    return this.#find(peer)?.cookie
  }

  /**
   * How long an answer of `peer` may take before the question is sent again. Of whom we know
   * nothing we wait for as long as others take: where the whole network is slow, to ask again and
   * again makes it slower.
   */
  patienceMs(peer: PeerId): number {
    const entry = this.#find(peer)
    const isNew = entry === undefined || entry.rttMs < 0
    const { rttMs, rttDeviationMs } = isNew ? this.#all : entry
    const leastMs = isNew ? RTO_FIRST_MS : RTO_MIN_MS
    return Math.min(RTO_MAX_MS, Math.max(leastMs, rttMs + 4 * rttDeviationMs))
  }

  /**
   * Somebody told where `peer` is; of those told the newest two are kept. A silence at other
   * addresses says nothing of this one: else a liar could hide the peer behind its own addresses.
   */
  told(peer: PeerId, at: UdpEndpoint): void {
    const entry = this.#entry(peer)
    const { proven, told } = entry
    const tried = entry.silentUntilMs > 0 && proven !== undefined ? [proven, ...told] : told
    const others = tried.filter((one) => !isSame(one, at))
    entry.told = [placeOf(at), ...others].slice(0, TOLD_MAX)
    if (entry.silentUntilMs === 0 || others.length < tried.length) return
    entry.silentUntilMs = 0
    entry.proven = undefined
  }

  /** The peer asked us from there, with a cookie that reached it. */
  spoke(peer: PeerId, from: UdpEndpoint, ports: StreamPorts): void {
    const entry = this.#entry(peer)
    this.#prove(entry, from, ports)
  }

  /** The peer answered from there. */
  answered(
    peer: PeerId,
    from: UdpEndpoint,
    said: { readonly ports: StreamPorts; readonly cookie: Uint8Array; readonly rttMs: number },
  ): void {
    const entry = this.#entry(peer)
    if (!entry.answered) {
      this.#others.delete(peer)
      makeRoom(this.#answered, ANSWERED_MAX)
      this.#answered.set(peer, entry)
    }
    this.#prove(entry, from, said.ports)
    entry.answered = true
    // The packet that it came in is larger by far, and is not kept for it.
    entry.cookie = Uint8Array.from(said.cookie)
    entry.silences = 0
    measured(entry, said.rttMs)
    measured(this.#all, said.rttMs)
  }

  /** A challenge gave us this to show. */
  challenged(peer: PeerId, cookie: Uint8Array): void {
    this.#entry(peer).cookie = cookie
  }

  /**
   * The peer answered nothing there: the next of its addresses is tried, else it is left alone. One
   * that used to answer may be busy: to connect to it instead would only make it busier.
   */
  silent(peer: PeerId, at: UdpEndpoint, nowMs: number): void {
    const entry = this.#find(peer)
    if (entry === undefined) return
    entry.silences += 1
    if (entry.answered && entry.silences < SILENCES_MAX) return
    entry.answered = false
    entry.cookie = undefined
    const elsewhere = entry.told.filter((one) => !isSame(one, at))
    if (elsewhere.length > 0) {
      entry.told = elsewhere
      entry.proven = undefined
    } else entry.silentUntilMs = nowMs + SILENT_MS
  }

  /** Peers remembered; bounded. */
  get size(): number {
    return this.#answered.size + this.#others.size
  }

  #prove(entry: Entry, from: UdpEndpoint, ports: StreamPorts): void {
    if (entry.proven === undefined || !isSame(entry.proven, from)) {
      entry.proven = placeOf(from)
      // It was made for the address that we had as they saw it then.
      entry.cookie = undefined
    }
    entry.ports = ports
    entry.silentUntilMs = 0
  }

  #find(peer: PeerId): Entry | undefined {
    return this.#answered.get(peer) ?? this.#others.get(peer)
  }

  #use(peer: PeerId): Entry | undefined {
    for (const part of [this.#answered, this.#others]) {
      const entry = part.get(peer)
      if (entry === undefined) continue
      part.delete(peer)
      part.set(peer, entry)
      return entry
    }
    return undefined
  }

  #entry(peer: PeerId): Entry {
    const known = this.#use(peer)
    if (known !== undefined) return known
    const entry: Entry = {
      proven: undefined,
      ports: NO_PORTS,
      told: [],
      cookie: undefined,
      answered: false,
      silences: 0,
      silentUntilMs: 0,
      rttMs: -1,
      rttDeviationMs: 0,
    }
    makeRoom(this.#others, OTHERS_MAX)
    this.#others.set(peer, entry)
    return entry
  }
}

interface RoundTrip {
  rttMs: number
  rttDeviationMs: number
}

/** RFC 6298 §2. */
function measured(trip: RoundTrip, rttMs: number): void {
  if (trip.rttMs < 0) {
    trip.rttMs = rttMs
    trip.rttDeviationMs = rttMs / 2
    return
  }
  trip.rttDeviationMs += (Math.abs(trip.rttMs - rttMs) - trip.rttDeviationMs) / 4
  trip.rttMs += (rttMs - trip.rttMs) / 8
}

function isSilent({ silentUntilMs }: Entry, nowMs: number): boolean {
  // Further ahead than it can be: the clock was set back.
  return silentUntilMs > nowMs && silentUntilMs <= nowMs + SILENT_MS
}

function placeOf({ host, port }: UdpEndpoint): Place {
  return { host, port, address: datagramAddress({ host, port }) }
}

export function isSame(a: UdpEndpoint, b: UdpEndpoint): boolean {
  return a.port === b.port && a.host === b.host
}

function makeRoom(part: Map<PeerId, Entry>, entriesMax: number): void {
  if (part.size < entriesMax) return
  const [oldest] = part.keys()
  if (oldest !== undefined) part.delete(oldest)
}
