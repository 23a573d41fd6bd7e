/**
 * Peers that we want to stay connected to: dialled until they answer, and again when they are gone.
 *
 * Each is tried with growing pauses (half of it by chance, so that a thousand nodes that lost the
 * same peer do not come back as one), and at once when this machine's network changed.
 */

import {
  backoffMs,
  type Clock,
  Emitter,
  either,
  type Logger,
  type Random,
  type Service,
} from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { CallOptions, Host } from './host.ts'
import { parseMultiaddr } from './transports.ts'

const BACKOFF = { firstMs: 1_000, maxMs: 60_000 }
/** Longer than one connect may take; only a dial that hangs is cut short by it. */
const TRY_MS = 60_000
const STABLE_MS = 30_000
export const WANTED_MAX = 256

/** What happens to wanted peers, and to no others. */
export interface WantedEvents {
  /** A wanted peer is connected, for the first time or again. */
  readonly connected: { readonly peer: PeerId; readonly afterMs: number }
  /** The last connection to a wanted peer is gone; it is dialled until it is back. */
  readonly lost: { readonly peer: PeerId }
}

/** One peer that is wanted, and how it stands. */
export interface WantedStatus {
  /** A peer id, or the address that was asked for. */
  readonly target: string
  readonly peer: PeerId | null
  readonly connected: boolean
  /** Why the last try failed; absent while it is connected, and before the first. */
  readonly reason?: string
  readonly tries: number
}

export interface WantedDeps {
  readonly host: Pick<Host, 'connections' | 'events' | 'self'>
  /** Connects to a peer wherever it is now, or to whoever answers at an address. */
  readonly find: (target: string, options: CallOptions) => Promise<PeerId>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

interface Wanted {
  readonly target: string
  /** How many asked for it: the configuration, and programs. */
  holders: number
  peer: PeerId | undefined
  connected: boolean
  reason: string | undefined
  tries: number
  /** Connections in a row that ended soon after they began. */
  flaps: number
  connectedAtMs: number
  lostAtMs: number
  readonly released: AbortController
  wake: AbortController
}

export class WantedPeers implements Service {
  readonly name = 'wanted-peers'
  readonly events: Emitter<WantedEvents>
  readonly #deps: WantedDeps
  readonly #configured: readonly string[]
  readonly #wanted = new Map<string, Wanted>()
  readonly #stopped = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #unsubscribe: () => void = () => undefined

  /** `configured` are peer ids or multiaddrs. */
  constructor(deps: WantedDeps, configured: readonly string[]) {
    this.#deps = deps
    this.#configured = configured
    this.events = new Emitter((error) =>
      deps.log.error('listener of a wanted peer failed', { why: reasonOf(error) }),
    )
  }

  async start(): Promise<void> {
    this.#unsubscribe = this.#deps.host.events.on('disconnected', ({ peer }) => this.#gone(peer))
    for (const target of this.#configured) this.keep(target)
  }

  async stop(): Promise<void> {
    this.#unsubscribe()
    this.#stopped.abort()
    await Promise.all(this.#running)
  }

  /** Keeps a connection to a peer, by its id or an address, until the result is called. */
  keep(target: string): () => void {
    const known = this.#wanted.get(target) ?? this.#add(target)
    known.holders += 1
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      known.holders -= 1
      if (known.holders > 0) return
      this.#wanted.delete(target)
      known.released.abort()
    }
  }

  /** What is wanted, and how it stands. */
  list(): readonly WantedStatus[] {
    return [...this.#wanted.values()].map(({ target, peer = null, reason, tries }) => {
      const connected = peer !== null && this.#isConnected(peer)
      return {
        target,
        peer,
        connected,
        tries,
        ...(!connected && reason !== undefined && { reason }),
      }
    })
  }

  /** The network changed: whoever is missing is tried now, with short pauses again. */
  retryNow(): void {
    for (const one of this.#wanted.values()) {
      one.tries = 0
      one.wake.abort()
    }
  }

  #add(target: string): Wanted {
    const peer = target.startsWith('/') ? parseMultiaddr(target).peer : peerId(target)
    if (this.#wanted.size >= WANTED_MAX) throw NetError.WANTED_EXHAUSTED({ limit: WANTED_MAX })
    const wanted: Wanted = {
      ...{ target, peer, holders: 0, connected: false, reason: undefined, tries: 0 },
      ...{ flaps: 0, connectedAtMs: 0 },
      lostAtMs: this.#deps.clock.now(),
      released: new AbortController(),
      wake: new AbortController(),
    }
    this.#wanted.set(target, wanted)
    const work = this.#keep(wanted).catch((error: unknown) => {
      this.#deps.log.error('a wanted peer is given up', { target, error })
    })
    this.#running.add(work)
    void work.then(() => this.#running.delete(work))
    return wanted
  }

  async #keep(wanted: Wanted): Promise<void> {
    using over = either(this.#stopped.signal, wanted.released.signal)
    const { signal } = over
    while (!signal.aborted && wanted.peer !== this.#deps.host.self) {
      wanted.wake = new AbortController()
      if (wanted.peer !== undefined && this.#isConnected(wanted.peer)) {
        this.#noteConnected(wanted, wanted.peer)
        await this.#pause(wanted, Number.POSITIVE_INFINITY, signal)
        continue
      }
      if (this.#noteLost(wanted) && wanted.flaps > 0) {
        // A peer that comes and goes must not make us dial as fast as it does.
        await this.#pause(wanted, backoffMs(wanted.flaps - 1, BACKOFF, this.#deps.random), signal)
      }
      if (await this.#try(wanted, signal)) continue
      const pauseMs = backoffMs(wanted.tries, BACKOFF, this.#deps.random)
      wanted.tries += 1
      await this.#pause(wanted, pauseMs, signal)
    }
  }

  async #try(wanted: Wanted, signal: AbortSignal): Promise<boolean> {
    const { find, clock, log } = this.#deps
    using deadline = clock.deadline(TRY_MS, signal)
    try {
      wanted.peer = await find(wanted.target, { signal: deadline.signal })
      return this.#isConnected(wanted.peer)
    } catch (error) {
      if (!signal.aborted) {
        wanted.reason = reasonOf(error)
        log.debug('wanted peer not reached', { target: wanted.target, error })
      }
      return false
    }
  }

  #noteConnected(wanted: Wanted, peer: PeerId): void {
    wanted.tries = 0
    wanted.reason = undefined
    if (wanted.connected) return
    wanted.connected = true
    wanted.connectedAtMs = this.#deps.clock.now()
    this.events.emit('connected', { peer, afterMs: this.#deps.clock.now() - wanted.lostAtMs })
  }

  /** Whether it was connected until now. */
  #noteLost(wanted: Wanted): boolean {
    if (!wanted.connected || wanted.peer === undefined) return false
    wanted.connected = false
    wanted.lostAtMs = this.#deps.clock.now()
    wanted.flaps = wanted.lostAtMs - wanted.connectedAtMs < STABLE_MS ? wanted.flaps + 1 : 0
    this.events.emit('lost', { peer: wanted.peer })
    return true
  }

  #gone(peer: PeerId): void {
    for (const one of this.#wanted.values()) if (one.peer === peer) one.wake.abort()
  }

  async #pause({ wake }: Wanted, ms: number, signal: AbortSignal): Promise<void> {
    using woken = either(signal, wake.signal)
    const { clock } = this.#deps
    await clock.sleep(Math.min(ms, LOOK_MS), woken.signal).catch(() => undefined)
  }

  #isConnected(peer: PeerId): boolean {
    return this.#deps.host.connections().some((one) => one.peer === peer)
  }
}

/** A connected peer is looked after now and then, in case nobody said that it went. */
const LOOK_MS = 60_000
