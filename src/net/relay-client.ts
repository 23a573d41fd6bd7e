/**
 * Keeps reservations at relays, as long as nobody could reach us otherwise: at least two, so that
 * one may go. Relays come from the configuration, from the peers that we are connected to and that
 * offer the protocol, and from whoever finds more (`relays`: the DHT). They are renewed at half of
 * their life, and one that is lost is replaced at once.
 */

import type { Connection, Libp2p } from '@libp2p/interface'
import { type Clock, type Logger, TtlMap } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import type { NetConfig } from './config.ts'
import { NetError, reasonOf } from './errors.ts'
import { askOnce } from './frames.ts'
import type { CallOptions } from './host.ts'
import { directTo, isRelayed } from './paths.ts'
import { relayAddresses } from './relay-addresses.ts'
import {
  decodeHop,
  encodeHop,
  HOP_PROTOCOL,
  RELAY_MESSAGE_BYTES_MAX,
  RELAY_STATUS,
  relayStatusText,
} from './relay-protocol.ts'

export interface RelayClientDeps {
  readonly libp2p: Pick<Libp2p, 'getConnections' | 'addEventListener' | 'peerStore'>
  readonly self: PeerId
  readonly clock: Clock
  readonly log: Logger
  /** Connects to a configured or a found relay, directly. */
  connect(target: string, options: CallOptions): Promise<Connection>
  /** What we announce has changed. */
  changed(): void
}

export type RelayClientConfig = Pick<NetConfig, 'relays' | 'negotiationTimeoutMs'>

/** One reservation, as `p2p status` shows it. */
export interface RelayState {
  readonly relay: PeerId
  readonly expiresAtMs: number
  /** Where others reach us through it, each ending in `/p2p-circuit`. */
  readonly addresses: readonly string[]
}

/** Finds relays beyond those that we know; ended by its consumer. */
export type FindRelays = (options: CallOptions) => AsyncIterable<PeerId>

const RELAYS_WANTED = 2
const CHECK_MS = 15_000
/** A relay that comes and goes, or says so, must not make us ask as fast as it does. */
const ROUND_MS_MIN = 1_000
/** A relay that refused, or was not there, is not asked again so soon. */
const PAUSE_MS = 60_000
const FOUND_PER_ROUND_MAX = 8
const FIND_TIMEOUT_MS = 20_000
const LIFE_MS_MAX = 24 * 3_600_000
/** Shorter ones end before they are known to those who are to use them. */
const LIFE_MS_MIN = 4 * CHECK_MS
const CANDIDATES_MAX = 256
const GONE = 'the connection to it is gone'

export class RelayClient {
  readonly #deps: RelayClientDeps
  readonly #config: RelayClientConfig
  readonly #reserved = new Map<PeerId, RelayState & { readonly renewAtMs: number }>()
  /** Configured addresses and peers that failed a moment ago, with the reason. */
  readonly #paused: TtlMap<string, { readonly reason: string }>
  readonly #stopped = new AbortController()
  #find: FindRelays | undefined
  #wanted = false
  #wake = Promise.withResolvers<void>()
  #running: Promise<void> = Promise.resolve()

  constructor(deps: RelayClientDeps, config: RelayClientConfig) {
    this.#deps = deps
    this.#config = config
    this.#paused = new TtlMap({ entriesMax: CANDIDATES_MAX, ttlMs: PAUSE_MS, clock: deps.clock })
    deps.libp2p.addEventListener('peer:identify', ({ detail }) => {
      if (detail.protocols.includes(HOP_PROTOCOL)) this.#wake.resolve()
    })
    deps.libp2p.addEventListener('connection:close', ({ detail }) => {
      const relay = peerId(detail.remotePeer.toString())
      const isGone = directTo(this.#deps.libp2p, relay) === undefined
      if (this.#reserved.has(relay) && isGone) this.#lose(relay)
    })
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      this.#deps.log.error('keeping relays ended', { error })
    })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#wake.resolve()
    await this.#running
  }

  get wanted(): boolean {
    return this.#wanted
  }

  /** From now on relays are kept, or let go. */
  want(wanted: boolean): void {
    if (wanted === this.#wanted) return
    this.#wanted = wanted
    if (!wanted && this.#reserved.size > 0) {
      // The relay forgets us when the reservation ends; we no longer announce it.
      this.#reserved.clear()
      this.#deps.changed()
    }
    this.#wake.resolve()
  }

  /** Where to look for relays when too few are known. */
  findWith(find: FindRelays): void {
    this.#find = find
    this.#wake.resolve()
  }

  isRelay(peer: PeerId): boolean {
    return this.#reserved.has(peer)
  }

  /** Reservations that hold. */
  states(): readonly RelayState[] {
    return [...this.#reserved.values()].map(({ relay, expiresAtMs, addresses }) => {
      return { relay, expiresAtMs, addresses }
    })
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps
    while (!this.#stopped.signal.aborted) {
      if (this.#wanted) {
        await this.#round()
        await clock.sleep(ROUND_MS_MIN, this.#stopped.signal).catch(() => undefined)
      }
      using pause = clock.deadline(CHECK_MS, this.#stopped.signal)
      const over = Promise.withResolvers<void>()
      pause.signal.addEventListener('abort', () => over.resolve(), { once: true })
      await Promise.race([this.#wake.promise, over.promise])
      this.#wake = Promise.withResolvers()
    }
  }

  async #round(): Promise<void> {
    const now = this.#deps.clock.now()
    for (const { relay, renewAtMs } of [...this.#reserved.values()]) {
      if (renewAtMs <= now) await this.#try(relay, () => this.#connected(relay))
      if ((this.#reserved.get(relay)?.expiresAtMs ?? now) <= now) this.#lose(relay)
    }
    for (const address of this.#config.relays) {
      if (!this.#isShort()) return
      await this.#try(address, (options) => this.#deps.connect(address, options))
    }
    for (const relay of await this.#offering()) {
      if (!this.#isShort()) return
      await this.#try(relay, () => this.#connected(relay))
    }
    if (this.#isShort()) await this.#search()
  }

  async #search(): Promise<void> {
    const find = this.#find
    if (find === undefined) return
    using deadline = this.#deps.clock.deadline(FIND_TIMEOUT_MS, this.#stopped.signal)
    const { signal } = deadline
    let found = 0
    try {
      for await (const relay of find({ signal })) {
        found += 1
        if (relay !== this.#deps.self && !this.#reserved.has(relay)) {
          await this.#try(relay, (options) => this.#deps.connect(relay, options))
        }
        if (!this.#isShort() || found >= FOUND_PER_ROUND_MAX || signal.aborted) return
      }
    } catch (error) {
      this.#deps.log.debug('no relays found', { why: reasonOf(error) })
    }
  }

  /** Connected peers that said they relay. */
  async #offering(): Promise<readonly PeerId[]> {
    const { libp2p } = this.#deps
    const found: PeerId[] = []
    for (const { remotePeer } of libp2p.getConnections().filter((one) => !isRelayed(one))) {
      const peer = peerId(remotePeer.toString())
      if (found.includes(peer) || this.#reserved.has(peer)) continue
      const stored = await libp2p.peerStore.get(remotePeer).catch(() => undefined)
      if (stored?.protocols.includes(HOP_PROTOCOL) === true) found.push(peer)
      if (found.length >= CANDIDATES_MAX) break
    }
    return found
  }

  /** Reserves, or renews, at whom `connect` leads to; a failure pauses this candidate. */
  async #try(
    candidate: string,
    connect: (options: CallOptions) => Promise<Connection>,
  ): Promise<void> {
    const { clock, log } = this.#deps
    if (this.#stopped.signal.aborted || this.#paused.has(candidate)) return
    using deadline = clock.deadline(this.#config.negotiationTimeoutMs, this.#stopped.signal)
    const { signal } = deadline
    try {
      const connection = await connect({ signal })
      const relay = peerId(connection.remotePeer.toString())
      const isNew = !this.#reserved.has(relay)
      if (!isNew && candidate !== relay) return
      await this.#reserve(connection, relay, signal)
      if (isNew && this.isRelay(relay)) log.info('a relay relays for us', { relay })
    } catch (error) {
      const reason = reasonOf(error)
      this.#paused.set(candidate, { reason })
      log.debug('relay not usable', { relay: candidate, why: reason })
    }
  }

  async #reserve(connection: Connection, relay: PeerId, signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps
    const protocol = { protocol: HOP_PROTOCOL, bytesMax: RELAY_MESSAGE_BYTES_MAX }
    const request = encodeHop({ type: 'reserve' })
    const { status, reservation } = decodeHop(
      await askOnce(connection, protocol, { request, signal }),
    )
    const refused = (reason: string) => NetError.RELAY_REFUSED({ relay, reason })
    if (status !== RELAY_STATUS.ok || reservation === undefined) {
      throw refused(relayStatusText(status))
    }
    const now = clock.now()
    const lifeMs = Math.min(LIFE_MS_MAX, reservation.expiresAtMs - now)
    if (lifeMs < LIFE_MS_MIN) throw refused('its reservation ends too soon')
    // Meanwhile we may be reached without it, and it may have gone.
    if (!this.#wanted) return
    if (connection.status !== 'open') throw refused(GONE)
    const addresses = relayAddresses(connection.remoteAddr.toString(), relay, reservation)
    const before = this.#reserved.get(relay)?.addresses.join(' ')
    this.#reserved.set(relay, {
      relay,
      addresses,
      expiresAtMs: now + lifeMs,
      renewAtMs: now + lifeMs / 2,
    })
    if (before !== addresses.join(' ')) this.#deps.changed()
  }

  #lose(relay: PeerId): void {
    if (!this.#reserved.delete(relay)) return
    this.#deps.log.info('a relay is lost', { relay })
    this.#deps.changed()
    this.#wake.resolve()
  }

  #isShort(): boolean {
    return this.#wanted && this.#reserved.size < RELAYS_WANTED
  }

  async #connected(relay: PeerId): Promise<Connection> {
    const connection = directTo(this.#deps.libp2p, relay)
    if (connection === undefined) {
      throw NetError.RELAY_REFUSED({ relay, reason: GONE })
    }
    return connection
  }
}
